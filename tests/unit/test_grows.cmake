# SPDX-License-Identifier: MIT
target_link_libraries(${name} PRIVATE mpio::backends)
