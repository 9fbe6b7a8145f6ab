#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh bench/against-mount.sh [BUILD [DIRECTORY]]
#
# What gap read-through is worth: reads files in pieces, cold, with gaps and
# without, and by the kernel's own mount of the same device. BUILD is a Release
# build with mpio-extfs in it (default: build/release). DIRECTORY is to lie on a
# real disk (default: BUILD/against-mount); the images are made there once:
#
#     4x4k    4 KiB blocks; a file whose pieces of 4 blocks alternate with
#             those of another file
#     1x1k    1 KiB blocks; the same with pieces of one block
#     whole   4 KiB blocks; a file in one piece
#
# Each image is a loop device with direct I/O, so that no cache lies below.
# Rounds are interleaved; before each read the page cache is dropped, and the
# kernel's mount is a fresh one. The clock runs from start to end of a process.
# Prints medians, and holds them to the bars. Takes root and e2fsprogs.
#
# ROUNDS=7 DEPTHS='1 2 4' BACKENDS='io_uring libaio' say how much is done. Exit
# code: 1 if a bar is missed, 77 if nothing could be measured.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/examples/extfs/images.sh"
build=${1:-$root/build/release}
mkdir -p "${2:-$build/against-mount}"
tool=$(cd "$build" && pwd)/mpio-extfs
work=$(cd "${2:-$build/against-mount}" && pwd)
rounds=${ROUNDS:-7}
depths=${DEPTHS:-1 2 4}
backends=${BACKENDS:-io_uring libaio}
cd "$work"

skip() {
	echo "skipped: $*"
	exit 77
}

if [ "$(id -u)" -ne 0 ]; then
	skip "only root may mount and drop the page cache"
fi
if [ ! -x "$tool" ]; then
	skip "there is no $tool"
fi
for program in mke2fs debugfs dumpe2fs losetup; do
	if ! command -v $program >/dev/null; then
		skip "no $program"
	fi
done

# ---- Images -------------------------------------------------------------

# Lines of 'BLOCK COUNT' that are every second piece of what is free.
every_second() { # IMAGE PIECE PIECES
	dumpe2fs "$1" 2>/dev/null | awk -v piece="$2" -v pieces="$3" '
		/^  Free blocks: / {
			for (i = 3; i <= NF; i++) {
				split($i, range, /[-,]/)
				at = range[1]
				end = range[2] - 2 * piece + 1
				for (; n < pieces && at <= end; n++) {
					print at + piece, piece
					at += 2 * piece
				}
			}
		}'
}

# Make an image in which the pieces of /a and /b alternate: while /a is
# written, the places for /b are said to be in use. With pieces of 0 blocks
# both files lie in one piece.
make() { # NAME SIZE BLOCK-SIZE PIECE
	image=$1 size=$2 block=$3 piece=$4
	text "${size}M" 100000000 >making.a
	text "${size}M" 300000000 >making.b
	rm -f making.img making.held
	truncate -s $((3 * size + 256))M making.img
	mke2fs -q -F -t ext4 -O ^has_journal -b "$block" -N 64 making.img
	touch making.held
	if [ "$piece" -gt 0 ]; then
		every_second making.img "$piece" \
			$((size * 1048576 / block / piece)) >making.held
	fi
	{
		sed 's/^/setb /' making.held
		echo 'write making.a /a'
		sed 's/^/freeb /' making.held
		echo 'write making.b /b'
	} >making.script
	debugfs -w -f making.script making.img >/dev/null 2>&1
	check_image making.img
	alternates making.img "$piece" $((size * 1048576 / block))
	sync
	mv making.a "$image.a"
	mv making.img "$image.img"
	rm making.*
}

# By debugfs's word, at least 93 of 100 pieces lie as they should (the
# others meet a block of the extent tree).
alternates() { # IMAGE PIECE BLOCKS
	debugfs -R 'blocks /a' "$1" 2>/dev/null | tr ' ' '\n' |
		awk -v piece="$2" -v blocks="$3" '
		NF {
			if (n++ && $1 == last + 1) together++
			if (n > 1 && $1 == last + piece + 1) apart++
			last = $1
		}
		END {
			# Blocks of the extent tree are among them.
			if (n < blocks || n > 1.02 * blocks)
				exit 1
			if (piece == 0)
				exit together < 0.95 * n
			exit apart < 0.93 * n / piece ||
				together / n > (piece - 1) / piece + 0.02
		}' || { echo "the files do not lie as they should" && return 1; }
}

make_once() { # NAME SIZE BLOCK-SIZE PIECE
	if [ ! -e "$1.img" ]; then
		echo "Making $work/$1.img"
		make "$@"
	fi
}

make_once 4x4k 512 4096 4
make_once 1x1k 128 1024 1
make_once whole 1024 4096 0

# ---- Reading ------------------------------------------------------------

loop=
clean_up() {
	if [ -n "$loop" ]; then
		umount mounted 2>/dev/null || true
		losetup -d "$loop"
	fi
	loop=
}
trap clean_up EXIT
trap 'exit 1' INT TERM
mkdir -p mounted

drop_caches() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

# Note how fast a command reads the file, MiB/s.
clocked() { # LOG COMMAND...
	log=$1
	shift
	before=$(date +%s%N)
	"$@" >/dev/null 2>&1
	after=$(date +%s%N)
	awk -v mib="$size" -v ns=$((after - before)) \
		'BEGIN { printf "%.1f\n", mib * 1e9 / ns }' >>"$log"
}

ours() { # LOG BACKEND DEPTH OPTIONS...
	log=$1 backend=$2 depth=$3
	shift 3
	drop_caches
	clocked "$log" "$tool" -q -b "$backend:?direct=1" -d "$depth" "$@" \
		check "$loop" /a
}

by_mount() { # LOG
	drop_caches
	mount -o ro "$loop" mounted
	clocked "$1" dd if=mounted/a of=/dev/null bs=1M
	umount mounted
}

by_debugfs() { # LOG
	drop_caches
	clocked "$1" debugfs -R 'dump /a /dev/null' "$loop"
}

# Every byte, once, before anything is measured.
compare() { # NAME
	mount -o ro "$loop" mounted
	cmp "$1.a" mounted/a
	umount mounted
	for backend in $backends; do
		"$tool" -q -b "$backend:?direct=1" cat "$loop" /a |
			cmp - "$1.a"
	done
}

median() { # LOG
	sort -n "$1" | awk '{ v[NR] = $1 } END {
		printf "%.1f\n", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2
	}'
}

# One line, held to its bars.
row() { # BACKEND DEPTH BAR-OF-GAPS BAR-OF-MOUNT
	on=$(median "log-on-$1-$2") off=$(median "log-off-$1-$2")
	awk -v on="$on" -v off="$off" -v mount="$(median log-mount)" \
		-v bar="$3" -v mount_bar="$4" -v backend="$1" -v depth="$2" '
		BEGIN {
			missed = on < bar * off || on < mount_bar * mount
			printf "  %-9s %5d %8.1f %8.1f | %6.2f %5.2f | " \
				"%6.2f %5.2f  %s\n", backend, depth, on, off, \
				on / off, bar, on / mount, mount_bar, \
				missed ? "MISSED" : "held"
			exit missed
		}' || missed=1
}

measure() { # NAME BAR-OF-GAPS BAR-OF-MOUNT
	loop=$(losetup --find --show --read-only --direct-io=on "$1.img")
	size=$(($(stat -c %s "$1.a") / 1048576))
	compare "$1"
	rm -f log-*
	by_debugfs log-debugfs
	round=0
	while [ $round -lt "$rounds" ]; do
		by_mount log-mount
		for backend in $backends; do
			for depth in $depths; do
				ours "log-on-$backend-$depth" "$backend" "$depth"
				ours "log-off-$backend-$depth" "$backend" \
					"$depth" --gap off
			done
		done
		round=$((round + 1))
	done
	clean_up
	echo
	echo "$1, $size MiB: mount $(median log-mount), debugfs" \
		"$(median log-debugfs) MiB/s"
	echo "  backend   depth     gaps      off |  times   bar |  mount   bar"
	for backend in $backends; do
		for depth in $depths; do
			row "$backend" "$depth" "$2" "$3"
		done
	done
}

for backend in $backends; do
	if ! "$tool" -q -b "$backend:?direct=1" ls whole.img >probe.log 2>&1; then
		skip "$(cat probe.log)"
	fi
done
missed=0
echo "medians of $rounds, MiB/s; load $(cut -d ' ' -f 1-3 /proc/loadavg)"
measure 4x4k 3.5 2.5
measure 1x1k 5 4
measure whole 0.97 0
exit $missed
