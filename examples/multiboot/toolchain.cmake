# SPDX-License-Identifier: MIT
#
# 32-bit x86 without a system, by gcc or clang. Of the library and of the kernel
# alike:
#
#     cmake -S . -B build-i386 -DLIBMPIO_FREESTANDING=ON \
#         -DCMAKE_TOOLCHAIN_FILE=examples/multiboot/toolchain.cmake
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR i686)
if(NOT CMAKE_C_COMPILER)
  set(CMAKE_C_COMPILER gcc)
endif()
set(CMAKE_C_FLAGS_INIT
    "-m32 -march=i686 -ffreestanding -fno-pic -fno-stack-protector -mno-sse")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-m32 -nostdlib -static -no-pie")
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
