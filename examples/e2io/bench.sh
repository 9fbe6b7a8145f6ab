#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/e2io/bench.sh BUILD-DIR [DIRECTORY]
#
# Times Debian's e2fsprogs on unix_io and on the io_manager of that build, in
# turns, and prints medians, ratios, and how many system calls it took. Images
# are made in DIRECTORY (default: build/e2io-bench), which should lie on a disk,
# and are taken again by a second run; 9 GB. RUNS=N (5) of each. Cold: what is
# in the page cache is dropped before each run (as root; else images only).
# Direct: debugfs and mke2fs are asked for it by -D. e2fsck has no such option:
# it is measured on unix_io through the page cache, cold, and on this one both
# ways. strace, for the system calls, runs once apart.
set -eu
PATH=$PATH:/usr/sbin:/sbin
root=$(cd "$(dirname "$0")/../.." && pwd)

if [ $# -lt 1 ]; then
	sed -n '4,16s/^# \{0,1\}//p' "$0"
	exit 1
fi
build=$(cd "$1" && pwd)
preload=$build/libmpio-e2io-preload.so
runs=${RUNS:-5}
mkdir -p "${2:-$root/build/e2io-bench}"
cd "${2:-$root/build/e2io-bench}"
unset MPIO_E2IO MPIO_E2IO_URI MPIO_E2IO_NAME MPIO_E2IO_STATS

# ---- Images -------------------------------------------------------------

finished() { # IMAGE
	[ -e "$1.done" ]
}

finish() { # IMAGE
	e2fsck -fn "$1" >fsck.log 2>&1 || {
		tail fsck.log
		exit 1
	}
	sync
	: >"$1.done"
}

empty() { # IMAGE SIZE
	rm -f "$1"
	truncate -s "$2" "$1"
}

if ! finished pieces; then
	echo "making an image with a file of 1 GiB in pieces of 4 blocks"
	empty pieces 3G
	mke2fs -q -F -t ext4 -b 4096 pieces
	"$build/e2io-pieces" pieces 1073741824 4
	finish pieces
fi
if ! finished whole; then
	echo "making an image with a file of 1 GiB in one piece"
	empty whole 2G
	mke2fs -q -F -t ext4 -b 4096 whole
	debugfs -D -R 'dump /pieces big' pieces 2>/dev/null
	debugfs -w -R 'write big big' whole >/dev/null 2>&1
	rm -f big
	finish whole
fi
if ! finished many; then
	echo "making an image with 200,000 files"
	rm -rf tree
	mkdir tree
	for directory in $(seq 200); do
		mkdir "tree/d$directory"
		(cd "tree/d$directory" && seq 1000 | split -l 1 -a 3 - f)
	done
	empty many 4G
	mke2fs -q -F -t ext4 -b 4096 -N 300000 -d tree many
	rm -rf tree
	finish many
fi

# ---- Measuring ----------------------------------------------------------

cold() { # IMAGE
	sync
	if ! sh -c 'echo 3 >/proc/sys/vm/drop_caches' 2>/dev/null; then
		dd if="$1" iflag=nocache count=0 status=none
	fi
	# The programs are not what is measured, and lie on the disk, too.
	for program in debugfs e2fsck mke2fs; do
		env LD_PRELOAD="$preload" $program -V >/dev/null 2>&1 || :
	done
}

# Milliseconds of a command.
clock() { # COMMAND...
	before=$(date +%s%N)
	"$@" >run.log 2>&1 || {
		tail run.log
		echo "failed: $*"
		exit 1
	}
	echo $((($(date +%s%N) - before) / 1000000))
}

median() { # FILE
	sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# System calls on the image: what moves, begins or awaits its bytes.
calls() { # FILE
	awk '$NF ~ /^(pread64|pwrite64|preadv|pwritev|preadv2|pwritev2|lseek|io_uring_enter|io_submit|io_getevents|fallocate|fsync|fdatasync|fadvise64)$/ {
		sum += $4
	} END { print sum + 0 }' "$1"
}

line() {
	printf '%-34s %10s %10s %7s %10s %10s %8s\n' "$@"
}

# `prepare` comes before each run, and is not timed.
pair() { # TITLE IMAGE OPTIONS COMMAND...
	title=$1 image=$2 options=$3
	shift 3
	: >times.stock
	: >times.ours
	for _ in $(seq "$runs"); do
		prepare "$image"
		clock "$@" >>times.stock
		prepare "$image"
		clock env MPIO_E2IO="$options" LD_PRELOAD="$preload" "$@" \
			>>times.ours
	done
	prepare "$image"
	strace -f -c -o calls.stock "$@" >/dev/null 2>&1
	prepare "$image"
	strace -f -c -o calls.ours -E MPIO_E2IO="$options" \
		-E LD_PRELOAD="$preload" "$@" >/dev/null 2>&1
	stock=$(median times.stock) ours=$(median times.ours)
	stock_calls=$(calls calls.stock) ours_calls=$(calls calls.ours)
	line "$title" "$stock" "$ours" \
		"$(awk -v a="$stock" -v b="$ours" \
			'BEGIN { printf "%.2f", a / (b ? b : 1) }')" \
		"$stock_calls" "$ours_calls" \
		"1/$(awk -v a="$stock_calls" -v b="$ours_calls" \
			'BEGIN { printf "%.0f", a / (b ? b : 1) }')"
}

prepare() {
	cold "$1"
}

echo "$runs runs of each in turns, medians; $(nproc) processors"
line '' 'unix_io' 'libmpio' 'times' 'calls' 'calls' ''
line '' 'ms' 'ms' 'as fast' 'unix_io' 'libmpio' ''
pair 'dump, 1 GiB, one piece, direct' whole '' \
	debugfs -D -R 'dump /big /dev/null' whole
pair 'dump, 1 GiB, one piece' whole '' \
	debugfs -R 'dump /big /dev/null' whole
pair 'dump, 1 GiB, 4 blocks, direct' pieces '' \
	debugfs -D -R 'dump /pieces /dev/null' pieces
pair 'dump, 1 GiB, 4 blocks' pieces '' \
	debugfs -R 'dump /pieces /dev/null' pieces
pair 'e2fsck -fn, 200000 files' many '' e2fsck -fn many
pair 'e2fsck -fn, 200000 files, direct' many 'direct=1' e2fsck -fn many

prepare() {
	empty "$1" 8G
	cold "$1"
}
pair 'mke2fs, 8 GiB, direct' made '' mke2fs -D -q -F -t ext4 made
pair 'mke2fs, 8 GiB' made '' mke2fs -q -F -t ext4 made
rm -f made
