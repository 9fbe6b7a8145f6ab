#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Pages through the library against fio: the same engine, size of I/O, depth
# and file, direct I/O, interleaved pairs.
#
#     sh bench/against-fio.sh [--help] [--dir DIR] ...
#
# Frames lie in memory in runs of 16 pages, extents are 8 MiB long. fio has
# one buffer for each I/O, from huge pages if --huge has set such aside. What
# the rows are held to stands in bench/README.md; ends with 1 if one is short.
set -eu
. "$(dirname "$0")/pairs.sh"

if ! command -v fio >/dev/null; then
	[ "$(id -u)" -eq 0 ] ||
		die 'there is no fio (Debian: apt-get install fio)'
	apt-get install -y fio >/dev/null || die 'fio cannot be installed'
fi

memory=
[ -z "$huge" ] || memory=--mem=mmaphuge

# theirs ENGINE HOW BLOCK DEPTH [OPTION...]
theirs() {
	line="fio --name=fio --filename='$file' --size=$size --direct=1"
	line="$line --output-format=json --ioengine=$1 --rw=$2 --bs=$3"
	line="$line --iodepth=$4 $memory"
	shift 4
	echo "$line $*"
}

describe_disk
print_head fio
for engine in $engines; do
	for case in 128K:4 128K:32 256K:8 512K:8 1M:4 1M:32; do
		io=${case%:*}
		depth=${case#*:}
		row "$engine read $io depth $depth" 0.97 1.15 \
			"$(ours "$engine" read --io "$io" --depth "$depth")" \
			"$(theirs "$engine" read "$io" "$depth")"
	done
	row "$engine extents 16K depth 32" 0.97 0 \
		"$(ours "$engine" read --random --extent 16K --io 128K \
			--depth 32)" \
		"$(theirs "$engine" randread 16K 32)"
	row "$engine single pages depth 32" 0.97 0 \
		"$(ours "$engine" read --random --extent 4K --io 128K \
			--depth 32)" \
		"$(theirs "$engine" randread 4K 32)"
	# One fdatasync, before the last I/O: fio makes none after it.
	row "$engine write 1M depth 4, sync" 0.97 0 \
		"$(ours "$engine" write --depth 4)" \
		"$(theirs "$engine" write 1M 4 --fdatasync=$((mib - 1)))"
	row "$engine write 128K depth 32, sync" 0.97 0 \
		"$(ours "$engine" write --io 128K --depth 32)" \
		"$(theirs "$engine" write 128K 32 \
			--fdatasync=$((mib * 8 - 1)))"
	for depth in 4 32; do
		row "$engine 1M / fio, a page each, depth $depth" 5 0 \
			"$(ours "$engine" read --depth $depth)" \
			"$(theirs "$engine" read 4K $depth)"
	done
	# For information: pages that the library sends one by one.
	row "$engine 1M / ours, a page each, depth 32" 0 0 \
		"$(ours "$engine" read --depth 32)" \
		"$(ours "$engine" read --depth 32 --one)"
done
finish
