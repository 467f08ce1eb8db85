# The warnings that all C code of this project is read with.
option(CALLPROFILER_WERROR "Treat warnings as errors" OFF)

if(MSVC)
  add_compile_options(/W4)
else()
  add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wpointer-arith -Wstrict-prototypes
    -Wmissing-prototypes -Wvla -Wundef)
endif()
if(CALLPROFILER_WERROR)
  if(MSVC)
    add_compile_options(/WX)
  else()
    add_compile_options(-Werror)
  endif()
endif()
