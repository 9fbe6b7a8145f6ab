# SPDX-License-Identifier: MIT
include(${CMAKE_CURRENT_SOURCE_DIR}/io_uring/ring_faults.cmake)
