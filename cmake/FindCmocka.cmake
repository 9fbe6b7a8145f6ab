# SPDX-License-Identifier: MIT
#
# Finds cmocka, which the unit tests are written with: Cmocka_FOUND and the
# target Cmocka::Cmocka. One that is there but can't be linked (built for
# another machine, as with -m32) counts as not found. Say
# -DCMAKE_REQUIRE_FIND_PACKAGE_Cmocka=ON to make that an error, or
# -DCMAKE_DISABLE_FIND_PACKAGE_Cmocka=ON to do without.
include(CheckCSourceCompiles)
include(CMakePushCheckState)
include(FindPackageHandleStandardArgs)

find_path(CMOCKA_INCLUDE_DIR cmocka.h)
find_library(CMOCKA_LIBRARY cmocka)
mark_as_advanced(CMOCKA_INCLUDE_DIR CMOCKA_LIBRARY)

if(CMOCKA_INCLUDE_DIR AND CMOCKA_LIBRARY)
  cmake_push_check_state(RESET)
  set(CMAKE_REQUIRED_INCLUDES ${CMOCKA_INCLUDE_DIR})
  set(CMAKE_REQUIRED_LIBRARIES ${CMOCKA_LIBRARY})
  set(CMAKE_REQUIRED_QUIET ON)
  check_c_source_compiles("
    #include <setjmp.h>
    #include <stdarg.h>
    #include <stddef.h>
    #include <stdint.h>
    #include <cmocka.h>
    int main(void) { fail(); return 0; }
    " CMOCKA_LINKS)
  cmake_pop_check_state()
endif()

find_package_handle_standard_args(Cmocka
  REQUIRED_VARS CMOCKA_LIBRARY CMOCKA_INCLUDE_DIR CMOCKA_LINKS)
if(NOT Cmocka_FOUND)
  # Look again next time: it may have been installed meanwhile.
  unset(CMOCKA_LIBRARY CACHE)
  unset(CMOCKA_LINKS CACHE)
endif()
if(Cmocka_FOUND AND NOT TARGET Cmocka::Cmocka)
  add_library(Cmocka::Cmocka UNKNOWN IMPORTED)
  set_target_properties(Cmocka::Cmocka PROPERTIES
    IMPORTED_LOCATION ${CMOCKA_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${CMOCKA_INCLUDE_DIR})
endif()
