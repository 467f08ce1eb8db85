# The parts of the recorder that need no interpreter, under threads. They need Python's headers.
find_package(Python 3.9 COMPONENTS Interpreter Development.Module)
if(Python_Development.Module_FOUND AND NOT WIN32)
  set(recorder_sources "${CMAKE_CURRENT_SOURCE_DIR}/../../recorder/src")
  add_executable(race_recorder race_recorder.c
    ${recorder_sources}/lane.c ${recorder_sources}/filter.c ${recorder_sources}/run.c
    ${recorder_sources}/drain.c ${recorder_sources}/run_error.c ${recorder_sources}/lost.c
    ${recorder_sources}/ring_files.c
    ${recorder_sources}/trace_files.c ${recorder_sources}/drainer.c ${recorder_sources}/clock.c
    ${recorder_sources}/counter_step.c ${recorder_sources}/lock.c
    ${recorder_sources}/platform_posix.c)
  target_include_directories(race_recorder PRIVATE "${recorder_sources}")
  target_include_directories(race_recorder SYSTEM PRIVATE ${Python_INCLUDE_DIRS})
  target_link_libraries(race_recorder PRIVATE cptrace pthread)
  add_test(NAME race_recorder COMMAND race_recorder)
endif()

# Its clock needs no Python at all.
if(NOT WIN32)
  add_library(recorder_clock STATIC EXCLUDE_FROM_ALL
    "${CMAKE_CURRENT_SOURCE_DIR}/../../recorder/src/clock.c"
    "${CMAKE_CURRENT_SOURCE_DIR}/../../recorder/src/counter_step.c" "${CMAKE_CURRENT_SOURCE_DIR}/../../recorder/src/platform_posix.c")
  target_include_directories(recorder_clock PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}/../../recorder/src")
  target_link_libraries(recorder_clock PUBLIC cptrace pthread)
  add_executable(bench_clock_drift EXCLUDE_FROM_ALL "${CMAKE_CURRENT_SOURCE_DIR}/../bench/clock_drift.c")
  target_link_libraries(bench_clock_drift PRIVATE recorder_clock)
endif()
