# SPDX-License-Identifier: MIT
#
# Inline functions are counted where they are used.
target_compile_options(${name} PRIVATE ${LIBMPIO_COVERAGE})
