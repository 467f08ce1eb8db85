# find_or_explain(<zstd|deflate|criterion>)
#
# Makes the imported target zstd::zstd, deflate::deflate or criterion::criterion from what the system has: pkg-config
# first, then a plain search. When something is missing, the configuration ends with one message that says what to
# install, for all that this project needs at once.

include_guard(GLOBAL)

set(CALLPROFILER_APT libzstd-dev libdeflate-dev nodejs npm)
set(CALLPROFILER_DNF libzstd-devel libdeflate-devel nodejs npm)
set(CALLPROFILER_BREW zstd libdeflate node)

# One row per library: pkg-config module, header, library, the target to make.
set(FIND_OR_EXPLAIN_zstd libzstd zstd.h zstd zstd::zstd)
set(FIND_OR_EXPLAIN_deflate libdeflate libdeflate.h deflate deflate::deflate)
set(FIND_OR_EXPLAIN_criterion criterion criterion/criterion.h criterion criterion::criterion)

# explain_missing(<what>): the one message; also for programs (`explain_missing("node")`).
function(explain_missing what)
  list(JOIN CALLPROFILER_APT " " apt)
  list(JOIN CALLPROFILER_DNF " " dnf)
  list(JOIN CALLPROFILER_BREW " " brew)
  if(CALLPROFILER_TESTS)
    set(apt "${apt} libcriterion-dev")
    set(dnf "${dnf} libcriterion-devel")
    set(brew "${brew} criterion")
  endif()
  message(FATAL_ERROR "callprofiler needs ${what}, which was not found on this system. Install everything at once with\n"
    "  Debian, Ubuntu:  sudo apt-get install ${apt}\n"
    "  Fedora, RHEL:    sudo dnf install ${dnf}\n"
    "  macOS:           brew install ${brew}\n"
    "and configure again.")
endfunction()

function(find_or_explain name)
  list(GET FIND_OR_EXPLAIN_${name} 0 module)
  list(GET FIND_OR_EXPLAIN_${name} 1 header)
  list(GET FIND_OR_EXPLAIN_${name} 2 library)
  list(GET FIND_OR_EXPLAIN_${name} 3 target)
  if(TARGET ${target})
    return()
  endif()

  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(CALLPROFILER_${name} QUIET ${module})
  endif()
  find_path(CALLPROFILER_${name}_HEADER ${header} HINTS ${CALLPROFILER_${name}_INCLUDE_DIRS})
  find_library(CALLPROFILER_${name}_LIBRARY ${library} HINTS ${CALLPROFILER_${name}_LIBRARY_DIRS})
  mark_as_advanced(CALLPROFILER_${name}_HEADER CALLPROFILER_${name}_LIBRARY)
  if(NOT CALLPROFILER_${name}_HEADER OR NOT CALLPROFILER_${name}_LIBRARY)
    explain_missing("the library ${module} with its headers")
  endif()

  add_library(${target} UNKNOWN IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES
    IMPORTED_LOCATION "${CALLPROFILER_${name}_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${CALLPROFILER_${name}_HEADER}")
endfunction()
