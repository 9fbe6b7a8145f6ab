# SPDX-License-Identifier: MIT
#
# What is installed: headers, archives, a CMake config package and a .pc file
# for each library, and the device suite. All of it may be moved to another
# place afterwards.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mpio)
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(TARGETS ${mpio_libraries} mpio-backends EXPORT mpioTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT mpioTargets NAMESPACE mpio:: DESTINATION ${config_dir})

set(DEVICE_SUITE_DIR ${CMAKE_INSTALL_DATADIR}/libmpio/device_suite)

configure_package_config_file(
  cmake/mpioConfig.cmake.in ${PROJECT_BINARY_DIR}/mpioConfig.cmake
  INSTALL_DESTINATION ${config_dir} PATH_VARS DEVICE_SUITE_DIR)
# Before 1.0 a minor version may break what an earlier one promised.
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/mpioConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/mpioConfig.cmake
              ${PROJECT_BINARY_DIR}/mpioConfigVersion.cmake
        DESTINATION ${config_dir})

# The device suite, as source: whoever writes a backend compiles it with that.
if(NOT LIBMPIO_FREESTANDING)
  file(GLOB device_suite CONFIGURE_DEPENDS tests/conformance/device_suite*.[ch])
  list(FILTER device_suite EXCLUDE REGEX
       "_(main|selftest|broken.*|example)\\.[ch]$")
  install(FILES ${device_suite} DESTINATION ${DEVICE_SUITE_DIR})
  install(FILES tests/conformance/device_suite_example.c RENAME example.c
          DESTINATION ${DEVICE_SUITE_DIR})
  install(FILES tests/conformance/device_suite.md RENAME README.md
          DESTINATION ${DEVICE_SUITE_DIR})
endif()

# A .pc file finds its prefix from where it lies: as many steps up as the
# library directory and `pkgconfig` are deep. Directories that were given as
# absolute ones stay where they are.
function(pc_directory out directory)
  if(IS_ABSOLUTE ${directory})
    set(${out} ${directory} PARENT_SCOPE)
  else()
    set(${out} "\${prefix}/${directory}" PARENT_SCOPE)
  endif()
endfunction()

if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
  set(pc_prefix ${CMAKE_INSTALL_PREFIX})
else()
  file(RELATIVE_PATH steps /prefix/${pc_dir} /prefix)
  string(REGEX REPLACE "/$" "" steps ${steps})
  set(pc_prefix "\${pcfiledir}/${steps}")
endif()
pc_directory(pc_libdir ${CMAKE_INSTALL_LIBDIR})
pc_directory(pc_includedir ${CMAKE_INSTALL_INCLUDEDIR})
set(pc_device_suite)
if(NOT LIBMPIO_FREESTANDING)
  pc_directory(pc_device_suite ${DEVICE_SUITE_DIR})
  string(PREPEND pc_device_suite "device_suite=")
endif()

foreach(library IN LISTS mpio_libraries)
  set(pc_name ${library})
  set(pc_description ${PROJECT_DESCRIPTION})
  set(pc_requires)
  set(pc_libs)
  get_target_property(options ${library} INTERFACE_LINK_OPTIONS)
  if(options)
    string(REPLACE "LINKER:" " -Wl," pc_libs "${options}")
  endif()
  get_target_property(links ${library} LINK_LIBRARIES)
  foreach(link IN LISTS links)
    if(link STREQUAL mpio)
      set(pc_requires mpio)
      string(REPLACE "mpio-" "" backend ${library})
      string(APPEND pc_description ", backend ${backend}")
    elseif(link)
      string(APPEND pc_libs " -l${link}")
    endif()
  endforeach()
  configure_file(mpio.pc.in ${PROJECT_BINARY_DIR}/${library}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${library}.pc DESTINATION ${pc_dir})
endforeach()
