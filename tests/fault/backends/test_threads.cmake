# SPDX-License-Identifier: MIT
#
# Read after the target of the test, `${name}`, was made.
target_link_options(${name} PRIVATE -Wl,--wrap=pthread_create)
