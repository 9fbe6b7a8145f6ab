# SPDX-License-Identifier: MIT
#
# Read after the target of a test, `${name}`, was made: it is linked with the
# backend and with what the tests of it share, and the wrappers of
# ring_faults.c and posix_files.c stand between the backend and the kernel.
# Without the backend there is no such test.
if(TARGET mpio::io_uring)
  target_sources(${name} PRIVATE
    ${CMAKE_CURRENT_SOURCE_DIR}/io_uring/ring_faults.c
    ${CMAKE_CURRENT_SOURCE_DIR}/io_uring/ring_work.c)
  target_link_libraries(${name} PRIVATE mpio::io_uring pthread)
  foreach(call io_uring_submit io_uring_submit_and_wait __io_uring_get_cqe io_uring_peek_batch_cqe
          io_uring_queue_init_params io_uring_register
          io_uring_register_files io_uring_register_buffers_sparse
          io_uring_register_buffers_update_tag io_uring_register_probe
          preadv64 pwritev64 pwritev64v2 fdatasync)
    target_link_options(${name} PRIVATE -Wl,--wrap=${call})
  endforeach()
else()
  set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL TRUE)
  set_tests_properties(${name} PROPERTIES DISABLED TRUE)
endif()
