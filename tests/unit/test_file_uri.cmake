# SPDX-License-Identifier: MIT
#
# Read after the target of a test, `${name}`, was made. All backends must be
# there; the calls by which they start are wrapped.
if(TARGET mpio::libaio AND TARGET mpio::io_uring)
  target_link_libraries(${name} PRIVATE mpio::backends)
  foreach(call io_uring_queue_init_params io_uring_submit io_setup
          pthread_create)
    target_link_options(${name} PRIVATE -Wl,--wrap=${call})
  endforeach()
else()
  message(STATUS "Without libaio and io_uring there is no test ${name}")
  set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
  set_tests_properties(${name} PROPERTIES DISABLED ON)
endif()
