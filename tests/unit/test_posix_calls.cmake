# SPDX-License-Identifier: MIT
#
# As for test_posix.c; and the calls that find out what a file is go through
# wrappers of test_posix_calls.c.
include(${CMAKE_CURRENT_LIST_DIR}/test_posix.cmake)
foreach(call open64 fstat64 fcntl64 ioctl statx fstatfs64 ftruncate64 fopen64
        lseek64 pread64 preadv64v2 fallocate64 posix_memalign malloc)
  target_link_options(${name} PRIVATE -Wl,--wrap=${call})
endforeach()
