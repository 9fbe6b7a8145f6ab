# SPDX-License-Identifier: MIT
#
# A backend that needs a library of its own is an archive of its own:
# libmpio-NAME.a, used as mpio::NAME, which brings mpio::mpio with it.
#
#     mpio_add_backend(libaio SOURCES backends/libaio.c
#                      HEADERS include/mpio/backends/libaio.h LIBRARIES aio)
#
# LIBRARIES are names for the linker, since they end up in the config package
# and the .pc file of people who have a static library to link.
function(mpio_add_backend name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;HEADERS;LIBRARIES")

  add_library(mpio-${name} STATIC ${arg_SOURCES})
  add_library(mpio::${name} ALIAS mpio-${name})
  target_sources(mpio-${name} PUBLIC FILE_SET HEADERS BASE_DIRS include
                 FILES ${arg_HEADERS})
  target_link_libraries(mpio-${name} PUBLIC mpio PRIVATE ${arg_LIBRARIES})
  set_target_properties(mpio-${name} PROPERTIES EXPORT_NAME ${name})
  set(mpio_libraries ${mpio_libraries} mpio-${name} PARENT_SCOPE)
endfunction()
