# SPDX-License-Identifier: MIT
#
# The reader of ext images without its main(), if libext2fs is there. A crash
# in that is left by a jump, and what was allocated then is lost.
set(usable OFF)
find_package(PkgConfig)
if(PkgConfig_FOUND AND CMAKE_SYSTEM_NAME STREQUAL Linux)
  pkg_check_modules(FUZZ_EXT2FS IMPORTED_TARGET ext2fs com_err)
  set(usable ${FUZZ_EXT2FS_FOUND})
endif()
if(CMAKE_CROSSCOMPILING OR NOT CMAKE_SIZEOF_VOID_P EQUAL 8)
  set(usable OFF) # a library for this machine's usual programs
endif()
if(usable)
  set(example ${PROJECT_SOURCE_DIR}/examples/extfs)
  file(GLOB parts CONFIGURE_DEPENDS ${example}/*.c)
  list(REMOVE_ITEM parts ${example}/main.c)
  target_sources(${target} PRIVATE ${parts} extfs/memory_io.c
    extfs/arena.c)
  if(LIBMPIO_FUZZ)
    set_source_files_properties(${parts} PROPERTIES
      COMPILE_OPTIONS -fsanitize=fuzzer-no-link)
  endif()
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE
    _FILE_OFFSET_BITS=64
    FUZZ_IMAGES="${CMAKE_CURRENT_SOURCE_DIR}/corpus/extfs.images")
  target_link_libraries(${target} PRIVATE PkgConfig::FUZZ_EXT2FS
    ${CMAKE_DL_LIBS})
  target_link_options(${target} PRIVATE -Wl,--wrap=write)
  set(repeatable OFF) # who knows what libext2fs makes of anything
  set(environment ASAN_OPTIONS=detect_leaks=0)
else()
  message(STATUS "fuzz-extfs is left out: it takes libext2fs, and 64 bits")
endif()
