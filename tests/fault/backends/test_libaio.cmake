# SPDX-License-Identifier: MIT
#
# Read after the target of the test, `${name}`, was made.
target_sources(${name} PRIVATE aio_faults.c)
target_link_libraries(${name} PRIVATE aio)
foreach(call io_setup io_submit io_getevents)
  target_link_options(${name} PRIVATE -Wl,--wrap=${call})
endforeach()
