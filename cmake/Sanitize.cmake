# CALLPROFILER_SANITIZE=address,undefined: every target is built and linked with these sanitizers.
if(CALLPROFILER_SANITIZE)
  add_compile_options(-fsanitize=${CALLPROFILER_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${CALLPROFILER_SANITIZE})
endif()
