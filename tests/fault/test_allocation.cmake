# SPDX-License-Identifier: MIT
#
# The test counts what the library and its mapping's callbacks ask of malloc().
target_link_options(${name} PRIVATE
  LINKER:--wrap=malloc LINKER:--wrap=calloc LINKER:--wrap=realloc
  LINKER:--wrap=aligned_alloc LINKER:--wrap=free)
