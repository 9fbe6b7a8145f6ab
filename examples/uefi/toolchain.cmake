# SPDX-License-Identifier: MIT
#
# What the toolchains for UEFI share. Applications are Windows' kind of program,
# PE, with its calling convention; there is no system below them.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR ${UEFI_MACHINE})
set(CMAKE_C_COMPILER clang)
set(CMAKE_C_FLAGS_INIT
    "--target=${UEFI_MACHINE}-unknown-windows -ffreestanding ${UEFI_FLAGS}")
# CMake knows no flags of clang for such programs without a system: a release
# would not be optimized.
set(CMAKE_C_FLAGS_RELEASE_INIT "-O2 -DNDEBUG")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-fuse-ld=lld -nostdlib")
# There is nothing that a program for a test could be linked to.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
find_program(CMAKE_AR NAMES llvm-ar llvm-ar-14 llvm-ar-19 REQUIRED)
find_program(CMAKE_RANLIB NAMES llvm-ranlib llvm-ranlib-14 llvm-ranlib-19
             REQUIRED)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
