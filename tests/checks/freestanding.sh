#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The core, backend mem, the simulated disk and the filters need nothing from
# outside but four functions, and keep nothing that can change: all of it is
# linked into one object without any library, for every compiler and machine
# there is, optimised and not.
#
# Position-independent code is left out for 32 bits, where it brings names of
# the compiler's own.
. "$(dirname "$0")/common.sh"
need gcc nm

flags='-std=c11 -ffreestanding -nostdlib -fno-stack-protector -Iinclude
	-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes
	-Werror'
allowed='^(memcpy|memmove|memset|memcmp)$'
count=0
backends=$(ls backends/mem.c backends/put.c backends/fault*.c \
	backends/sim*.c backends/filter*.c 2>/dev/null || :)

check() { # COMPILER FLAGS...
	# shellcheck disable=SC2086
	if ! "$@" $flags -r -o "$scratch/core" lib/*.c $backends \
		2>"$scratch/out"; then
		fail "$*: does not compile and link:"
		sed 's/^/    /' "$scratch/out"
		return
	fi
	nm -u "$scratch/core" | awk '{ print $NF }' |
		grep -vE "$allowed" >"$scratch/undefined" || :
	fail_lines "$scratch/undefined" "$*: is undefined:"
	nm --defined-only "$scratch/core" |
		awk '$2 !~ /^[TtRr]$/' >"$scratch/data"
	fail_lines "$scratch/data" "$*: is data that can change:"
	count=$((count + 1))
}

for optimise in -O2 -O0; do
	check gcc $optimise
	if gcc -m32 -E -x c /dev/null >"$scratch/out" 2>&1; then
		check gcc -m32 -fno-pic $optimise
	fi
	if have clang; then
		check clang $optimise
		check clang -m32 -fno-pic $optimise
	fi
	if have arm-none-eabi-gcc; then
		check arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb $optimise
	fi
done

finish "$count builds of the core"
