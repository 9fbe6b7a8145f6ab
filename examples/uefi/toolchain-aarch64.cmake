# SPDX-License-Identifier: MIT
#
# UEFI on aarch64, by clang and lld: see toolchain-x86_64.cmake. Firmware may
# run before memory is such that it may be accessed unaligned.
set(UEFI_MACHINE aarch64)
set(UEFI_FLAGS "-mno-stack-arg-probe -mstrict-align -mgeneral-regs-only")
include(${CMAKE_CURRENT_LIST_DIR}/toolchain.cmake)
