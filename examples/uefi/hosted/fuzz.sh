#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/uefi/hosted/fuzz.sh DIRECTORY [RUNS]
#
# Builds the library and the fuzzer of the reader for libFuzzer, makes images,
# and runs it RUNS times (default: 10 million) on them, in DIRECTORY; what was
# found is kept there. SANITIZE=1 has AddressSanitizer look, which is several
# times as slow; else undefined behaviour traps, and the fuzzer itself looks
# beside the memory that is read into. Takes clang and e2fsprogs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
. "$here/../images.sh"
mkdir -p "${1:?where?}"
cd "$1"
runs=${2:-10000000}
kind=fast
flags='-O2 -g -fsanitize=undefined -fsanitize-trap=undefined'
if [ -n "${SANITIZE-}" ]; then
	kind=sanitize
	flags='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all'
fi
mkdir -p $kind corpus
{
	cmake -S "$root" -B $kind/library -DCMAKE_BUILD_TYPE=None \
		-DCMAKE_C_COMPILER=clang -DCMAKE_C_FLAGS="$flags" \
		-DLIBMPIO_BUILD_TESTS=OFF -DLIBMPIO_BUILD_BENCH=OFF \
		-DLIBMPIO_BUILD_EXAMPLES=OFF
	cmake --build $kind/library --parallel 2
	cmake --install $kind/library --prefix "$PWD/$kind/prefix"
	cmake -S "$here/.." -B $kind/reader -DCMAKE_BUILD_TYPE=None \
		-DCMAKE_C_COMPILER=clang -DCMAKE_C_FLAGS="$flags" \
		-DCMAKE_PREFIX_PATH="$PWD/$kind/prefix" -DEXT_LIBFUZZER=ON
	cmake --build $kind/reader
} >build.log 2>&1 || {
	cat build.log
	exit 1
}
# A tree of two levels; pointers of one, two and three; 64 bits; no features.
make_file small 300
printf x >byte
truncate -s 72000000 sparse
for at in 0 5 300 3000 65803 66100; do
	dd if=small of=sparse bs=1024 count=3 seek=$at conv=notrunc status=none
done
make_image tree.img small 1536 1 -t ext4 -b 1024 -O ^has_journal
make_image sparse.img sparse 2048 0 -t ext2 -b 1024
make_image wide.img byte 2048 0 -t ext4 -b 2048 -O 64bit,^has_journal
make_image old.img small 1024 9 -t ext2 -r 0 -b 1024
EXT_IMAGES=tree.img:sparse.img:wide.img:old.img
export EXT_IMAGES
for image in 0 1 2 3; do
	for how in 0 1 3 4 8; do
		printf "\\$image\\$how\\100\\0" >corpus/seed-$image-$how
	done
done
exec $kind/reader/mpio-ext-fuzz -max_len=64 -runs="$runs" -entropic=0 \
	-timeout=10 -print_final_stats=1 corpus
