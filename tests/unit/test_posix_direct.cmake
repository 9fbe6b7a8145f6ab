# SPDX-License-Identifier: MIT
#
# As for test_posix.c.
include(${CMAKE_CURRENT_LIST_DIR}/test_posix.cmake)
