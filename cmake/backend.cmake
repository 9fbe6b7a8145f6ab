# SPDX-License-Identifier: MIT
#
# A backend that needs a library of its own is an archive of its own:
# libmpio-NAME.a, used as mpio::NAME, which brings mpio::mpio with it. It is
# made of backends/NAME.c (and NAME_*.c) and include/mpio/backends/NAME.h.
#
#     mpio_add_backend(libaio HEADER libaio.h LIBRARIES aio
#                      USES "io_setup(0, 0)")
#
# LIBMPIO_WITH_LIBAIO says whether: AUTO (the default) builds it if a program
# that includes HEADER and USES these expressions can be linked to LIBRARIES,
# and says so if not; ON makes that an error; OFF does without. USES are to be
# the newest things that the sources need, so that what is too old for them is
# left out. LIBRARIES are names for the linker, since they end up in the config
# package and the .pc file of people who have a static library to link.
#
# mpio_device_open() finds a backend by a weak reference, which does not make
# the linker look into an archive; so whoever links it has its opening function
# asked for by name.
include(CheckCSourceCompiles)
include(CMakePushCheckState)

function(mpio_backend_is_there name header libraries uses result)
  cmake_push_check_state(RESET)
  set(CMAKE_REQUIRED_DEFINITIONS -D_GNU_SOURCE)
  set(CMAKE_REQUIRED_LIBRARIES ${libraries})
  set(CMAKE_REQUIRED_QUIET ON)
  string(JOIN "; " statements ${uses})
  check_c_source_compiles("
    #include <${header}>
    int main(void) { ${statements}; return 0; }
    " LIBMPIO_HAS_${name})
  cmake_pop_check_state()
  set(${result} ${LIBMPIO_HAS_${name}} PARENT_SCOPE)
  if(NOT LIBMPIO_HAS_${name})
    # Look again next time: it may have been installed meanwhile.
    unset(LIBMPIO_HAS_${name} CACHE)
  endif()
endfunction()

function(mpio_add_backend name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "HEADER" "LIBRARIES;USES")
  string(TOUPPER ${name} upper)
  set(with LIBMPIO_WITH_${upper})
  set(${with} AUTO CACHE STRING "Build the backend ${name}: AUTO, ON or OFF")
  set_property(CACHE ${with} PROPERTY STRINGS AUTO ON OFF)
  if(${with} STREQUAL "OFF")
    message(STATUS "Backend ${name}: left out, as asked for")
    return()
  endif()
  mpio_backend_is_there(${name} ${arg_HEADER} "${arg_LIBRARIES}"
                        "${arg_USES}" there)
  if(NOT there AND NOT ${with} STREQUAL "AUTO")
    message(FATAL_ERROR
            "Backend ${name}: ${arg_HEADER} is missing or too old")
  elseif(NOT there)
    message(STATUS
            "Backend ${name}: left out, ${arg_HEADER} is missing or too old")
    return()
  endif()
  message(STATUS "Backend ${name}: to be built")

  file(GLOB sources CONFIGURE_DEPENDS backends/${name}.c backends/${name}_*.c)
  add_library(mpio-${name} STATIC ${sources})
  add_library(mpio::${name} ALIAS mpio-${name})
  target_sources(mpio-${name} PUBLIC FILE_SET HEADERS BASE_DIRS include
                 FILES include/mpio/backends/${name}.h)
  target_link_libraries(mpio-${name} PUBLIC mpio PRIVATE ${arg_LIBRARIES})
  target_link_options(mpio-${name} INTERFACE
                      LINKER:--undefined=mpio_${name}_open_uri)
  set_target_properties(mpio-${name} PROPERTIES EXPORT_NAME ${name})
  set(mpio_libraries ${mpio_libraries} mpio-${name} PARENT_SCOPE)
endfunction()
