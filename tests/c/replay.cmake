# Tests of the converter: the stack machine (Criterion), and the command line cases with the traces that they read.
# Included by converter/CMakeLists.txt.
include_guard(GLOBAL)
include(FindOrExplain)
find_or_explain(criterion)
set(CALLPROFILER_TESTS_ROOT "${CMAKE_CURRENT_LIST_DIR}/..")

add_executable(cli_traces "${CALLPROFILER_TESTS_ROOT}/cli/cli_traces.c")
target_link_libraries(cli_traces PRIVATE cptrace)
# Beside cp2html and cptrace, so that one folder on PATH is enough.
set_target_properties(cli_traces PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/converter")

foreach(name test_replay test_replay_cases test_replay_lost_block test_replay_selection)
  add_executable(${name} "${CALLPROFILER_TESTS_ROOT}/c/${name}.c" "${CALLPROFILER_TESTS_ROOT}/c/replay_model.c")
  target_link_libraries(${name} PRIVATE cp_replay criterion::criterion)
  add_test(NAME ${name} COMMAND ${name} --jobs 2)
endforeach()

add_executable(test_rewrite "${CALLPROFILER_TESTS_ROOT}/c/test_rewrite.c" "${CALLPROFILER_TESTS_ROOT}/c/replay_model.c")
target_link_libraries(test_rewrite PRIVATE cp_rewrite criterion::criterion)
add_test(NAME test_rewrite COMMAND test_rewrite --jobs 2)

add_executable(test_replay_damage "${CALLPROFILER_TESTS_ROOT}/c/test_replay_damage.c")
target_link_libraries(test_replay_damage PRIVATE cp_replay criterion::criterion)
add_test(NAME test_replay_damage COMMAND test_replay_damage --jobs 2)

find_or_explain(zstd)
add_executable(test_replay_hostile "${CALLPROFILER_TESTS_ROOT}/c/test_replay_hostile.c")
target_link_libraries(test_replay_hostile PRIVATE cp_replay criterion::criterion zstd::zstd)
add_test(NAME test_replay_hostile COMMAND test_replay_hostile)

add_executable(bench_convert EXCLUDE_FROM_ALL "${CALLPROFILER_TESTS_ROOT}/bench/convert.c")
target_link_libraries(bench_convert PRIVATE cp_replay)

find_program(CALLPROFILER_BASH bash)
if(CALLPROFILER_BASH AND NOT WIN32)
  add_test(NAME cli COMMAND "${CALLPROFILER_BASH}" "${CALLPROFILER_TESTS_ROOT}/cli/run.sh" "${CMAKE_BINARY_DIR}/converter")
endif()

find_package(Python3 3.9 COMPONENTS Interpreter QUIET)
if(Python3_FOUND)
  add_test(NAME compat COMMAND "${Python3_EXECUTABLE}" -B "${CALLPROFILER_TESTS_ROOT}/compat/check.py" $<TARGET_FILE_DIR:cptrace_program>)
endif()

if(NOT APPLE AND NOT WIN32) # --wrap is the GNU linker's
  add_executable(test_replay_memory "${CALLPROFILER_TESTS_ROOT}/c/test_replay_memory.c")
  target_link_libraries(test_replay_memory PRIVATE cp_rewrite criterion::criterion)
  target_link_options(test_replay_memory PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc)
  add_test(NAME test_replay_memory COMMAND test_replay_memory)
  add_executable(test_guarded_files "${CALLPROFILER_TESTS_ROOT}/c/test_guarded_files.c")
  target_link_libraries(test_guarded_files PRIVATE cp_replay criterion::criterion)
  target_link_options(test_guarded_files PRIVATE -Wl,--wrap=fdopen -Wl,--wrap=rename -Wl,--wrap=unlink)
  add_test(NAME test_guarded_files COMMAND test_guarded_files)
endif()
