# SPDX-License-Identifier: MIT
#
# UEFI on x86_64, by clang and lld. Of the library and of the application alike:
#
#     cmake -S . -B build-efi -DLIBMPIO_FREESTANDING=ON \
#         -DCMAKE_TOOLCHAIN_FILE=examples/uefi/toolchain-x86_64.cmake
#
# With general registers alone: an emulated processor copies by vectors in twice
# the time.
set(UEFI_MACHINE x86_64)
set(UEFI_FLAGS "-mno-red-zone -mno-stack-arg-probe -mgeneral-regs-only")
include(${CMAKE_CURRENT_LIST_DIR}/toolchain.cmake)
