# SPDX-License-Identifier: MIT
#
# Read after the target of a test, `${name}`, was made: the wrappers of
# posix_files.c stand between the backend and the system's calls.
foreach(call preadv64 pwritev64 pwritev64v2 fdatasync)
  target_link_options(${name} PRIVATE -Wl,--wrap=${call})
endforeach()
