#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Memory that was never written is never looked at: the vectors, under clang's
# MemorySanitizer. Beside the C library nothing is linked to them that the
# sanitizer has not seen.
set -eu
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
vectors=tests/conformance

# shellcheck disable=SC2046
clang -std=c11 -D_GNU_SOURCE -O1 -g -fsanitize=memory \
	-fno-sanitize-recover=memory -Iinclude -o "$scratch/vectors" lib/*.c \
	$(ls backends/*.c | grep -vE '/(io_uring|libaio|threads|open)') \
	$(ls $vectors/vectors*.c | grep -v vectors_random.c)
"$scratch/vectors" $vectors/curated.vec $vectors/interplay.vec
"$scratch/vectors" --self-test $vectors/curated.vec
