#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/uefi/hosted/test.sh BUILD-DIR [WORK-DIR]
#
# Tests the reader on this machine: mpio-extread and mpio-ext-fuzz of a build,
# on images of many kinds, and mpio-disk-test, the device over a made-up firmware. Each file is as it was written, and takes no more
# requests than its pieces and metadata; bad sectors, damage and wrong paths
# are told. INPUTS=N gives the fuzzer so many inputs. Takes e2fsprogs. Exit code
# 77: something is missing.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../images.sh"

build=$(cd "${1:?which build?}" && pwd)
for program in mke2fs debugfs dumpe2fs; do
	if ! command -v $program >/dev/null; then
		echo "skipped: no $program (Debian: e2fsprogs)"
		exit 77
	fi
done
if [ $# -ge 2 ]; then
	mkdir -p "$2"
	work=$(cd "$2" && pwd)
else
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' INT TERM
fi
cd "$work" || exit 1

fail() {
	echo "failed: $*"
	exit 1
}

# Read by several sizes of page; the requests are few.
right() { # NAME FILE [EXTRA-REQUESTS]
	for how in '-p 64K' '-p 4K -n 1' '-p 1M -n 2'; do
		# shellcheck disable=SC2086
		"$build/mpio-extread" $how "posix:$1.img" /boot/kernel \
			>got 2>took || fail "$1 $how: $(cat took)"
		cmp -s got "$2" || fail "$1 $how: other bytes"
		[ "$how" = '-p 64K' ] && mv took best
	done
	requests=$(sed -n 's/.* bytes, \([0-9]*\) requests.*/\1/p' best)
	least=$(least_requests "$1.img" 1073741824)
	[ "$requests" -le "$least" ] ||
		fail "$1: $requests requests where $least would do"
	echo "ok - $1: $requests requests, pieces and metadata $least"
}

image() { # NAME FILE KIB PIECE MKE2FS-ARGUMENTS...
	name=$1
	shift
	make_image "$name.img" "$@" || fail "image $name"
	right "$name" "$1"
}

"$build/mpio-disk-test" || fail "the device"

make_file small 300
make_file large 3000
: >empty
printf x >byte
# Data here and there, behind every kind of pointer.
truncate -s 72000000 sparse
for at in 0 5 12 300 3000 65803 66100 70000; do
	dd if=small of=sparse bs=1024 count=3 seek=$at conv=notrunc \
		status=none
done

image ext2-1k large 8192 0 -t ext2 -b 1024
image ext2-1k-pieces large 8192 40 -t ext2 -b 1024
image ext2-2k large 8192 0 -t ext2 -b 2048 -I 128
image ext2-4k large 8192 0 -t ext2 -b 4096
image ext2-old small 1024 9 -t ext2 -r 0 -b 1024
image ext3-4k-pieces large 8192 9 -t ext3 -b 4096
image ext4-1k large 8192 0 -t ext4 -b 1024
image ext4-1k-deep large 8192 0 -t ext4 -b 1024
image ext4-1k-pieces small 1536 1 -t ext4 -b 1024 -O ^has_journal
image ext4-4k-pieces large 32768 1 -t ext4 -b 4096
image ext4-64bit large 8192 9 -t ext4 -b 4096 -O 64bit,metadata_csum
image ext2-sparse sparse 8192 0 -t ext2 -b 1024
image ext4-sparse sparse 8192 0 -t ext4 -b 1024
image ext4-empty empty 2048 0 -t ext4 -b 1024 -O ^has_journal
image ext4-byte byte 2048 0 -t ext4 -b 1024 -O ^has_journal

# Preallocated, and not written: zeros, whatever lies there.
cp ext4-sparse.img ext4-unwritten.img
debugfs -w -R 'fallocate /boot/kernel 0 4000' ext4-unwritten.img \
	>debugfs.log 2>&1
debugfs -R 'ex /boot/kernel' ext4-unwritten.img 2>&1 | grep -q Uninit ||
	fail "nothing is preallocated"
block=$(debugfs -R 'bmap /boot/kernel 1000' ext4-unwritten.img 2>/dev/null)
dd if=small of=ext4-unwritten.img bs=1024 count=1 seek="${block%% *}" \
	conv=notrunc status=none || fail "nothing lies there"
right ext4-unwritten sparse

# What cannot be read is told.
tells() { # TEXT ARGUMENTS...
	text=$1
	shift
	"$build/mpio-extread" "$@" >got 2>said
	code=$?
	[ $code -eq 2 ] && grep -q "$text" said ||
		fail "$*: exit code $code: $(cat said)"
	echo "ok - $text"
}
tells 'no such' posix:ext2-1k.img /boot/nothing
tells 'directory' posix:ext2-1k.img /boot
tells 'directory' posix:ext2-1k.img /boot/kernel/more
tells 'not a directory' posix:ext2-1k.img /boot/kernel/
tells 'long' posix:ext2-1k.img "/boot/$(printf '%0256d' 0)"
tells 'no volume' mem:1M /boot/kernel
cp ext2-1k.img cut.img
truncate -s 2M cut.img
tells 'no volume' posix:cut.img /boot/kernel
cp ext4-1k.img inline.img
debugfs -w -R 'sif /boot/kernel flags 0x10000000' inline.img \
	>debugfs.log 2>&1
tells 'not supported' posix:inline.img /boot/kernel
for feature in bigalloc inline_data; do
	rm -f other.img
	truncate -s 4M other.img
	mke2fs -q -F -t ext4 -b 1024 -O $feature other.img &&
		debugfs -w -R 'mkdir /boot' other.img >debugfs.log 2>&1 ||
		fail "image $feature: $(cat debugfs.log)"
	tells 'not supported' posix:other.img /boot/kernel
done

# Numbers that cannot be are seen, also where nothing would come of them: an
# inode larger than a block; an entry that ends behind its block, and one that
# ends before its name does; more room in a node than it has, and more entries
# than it has room for.
put() { # IMAGE OFFSET BYTES...
	image=$1 offset=$2
	shift 2
	printf "$(printf '\\%03o' "$@")" |
		dd of="$image" bs=1 seek="$offset" conv=notrunc status=none
}
damaged() { # IMAGE OFFSET BYTES...
	cp "$1.img" damaged.img
	shift
	put damaged.img "$@"
	tells 'damaged' posix:damaged.img /boot/kernel
}
damaged ext2-1k $((1024 + 88)) 0 8
# The third entry, behind two of 12 bytes each: its inode, length, and name's.
at=$(debugfs -R 'bmap /boot 0' ext2-1k.img 2>/dev/null)
at=$((at * 1024 + 24))
[ "$(dd if=ext2-1k.img bs=1 skip=$((at + 8)) count=6 status=none)" = kernel ] ||
	fail 'no kernel in its directory'
damaged ext2-1k $((at + 4)) 236 3
damaged ext2-1k $((at + 4)) 12 0
for room in 5 0; do
	cp ext4-byte.img damaged.img
	debugfs -w -R "sif /boot/kernel block[1] $room" damaged.img \
		>debugfs.log 2>&1
	tells 'damaged' posix:damaged.img /boot/kernel
done

# A bad sector costs its own block alone, and is told.
bad=$(debugfs -R 'bmap /boot/kernel 100' ext2-1k.img 2>/dev/null)
tells 'input/output error' \
	"fault:read:range=$((bad * 1024))+512:errno=EIO:sticky:posix:ext2-1k.img" \
	/boot/kernel
cmp -l got large | awk '{ print int(($1 - 1) / 1024) }' | sort -u >lost
[ "$(cat lost)" = 100 ] || fail "other blocks than the bad one: $(cat lost)"
echo 'ok - the other blocks are as they were'

# Whatever is changed.
EXT_IMAGES=ext4-1k-pieces.img:ext2-old.img:ext4-byte.img:ext2-sparse.img
export EXT_IMAGES
timeout 200 "$build/mpio-ext-fuzz" "${INPUTS:-20000}" "${SEED:-1}" >fuzz.log 2>&1 ||
	fail "the fuzzer: $(cat fuzz.log)"
echo "ok - $(cat fuzz.log)"
