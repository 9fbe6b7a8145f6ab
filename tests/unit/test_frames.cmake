# SPDX-License-Identifier: MIT
#
# The wrappers of test_frames.c stand between the library and the system.
foreach(call mmap mmap64 munmap madvise)
  target_link_options(${name} PRIVATE -Wl,--wrap=${call})
endforeach()
