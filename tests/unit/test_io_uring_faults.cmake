# SPDX-License-Identifier: MIT
include(${CMAKE_CURRENT_SOURCE_DIR}/io_uring/ring_faults.cmake)

# It sweeps for long: it is to begin first, and under a sanitizer may take more.
math(EXPR limit "2 * ${time_limit}")
set_tests_properties(${name} PROPERTIES COST 1000 TIMEOUT ${limit})
