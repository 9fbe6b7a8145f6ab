#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The file layer against what somebody would do without it: reading a cold file
# through the operating system's page cache, and writing dirty pages that were
# sorted by hand; and against the core alone, with pages and readahead of the
# engine's own. Direct I/O but for the system's cache, interleaved pairs.
#
#     sh bench/against-hand.sh [--help] [--dir DIR] ...
#
# What the rows are held to stands in bench/README.md; ends with 1 if one is
# short.
set -eu
. "$(dirname "$0")/pairs.sh"

hand_read="'$bench' hand-read --json --device 'file:$file' --size $size"
hand_sync="'$bench' hand-sync --json --device 'file:$file' --size $size"

# How far the system reads ahead on this disk, at most what our window may be.
system_window() {
	number=$(stat -c %d "$file")
	block=/sys/dev/block/$((number >> 8 & 4095)):$((number & 255))
	[ -r "$block/queue/read_ahead_kb" ] || block=$block/..
	kib=$(cat "$block/queue/read_ahead_kb" 2>/dev/null || echo 128)
	[ "$kib" -ge 256 ] || kib=256
	[ "$kib" -le 8192 ] || kib=8192
	echo "${kib}K"
}

window=$(system_window)
describe_disk
print_head 'by hand'
echo "the system reads $window ahead"
for engine in $engines; do
	row "$engine 64K reads, core 256K depth 2" 0.9 0 \
		"$(ours "$engine" file-read)" \
		"$(ours "$engine" read --io 256K --depth 2)"
	row "$engine 64K reads, 4M ahead, core 1M" 0.9 0 \
		"$(ours "$engine" file-read --window 4M --depth 8)" \
		"$(ours "$engine" read --io 1M --depth 4)"
	row "$engine 64K reads, system's, both ahead" 0.95 0 \
		"$(ours "$engine" file-read --window "$window" --depth 8)" \
		"$hand_read"
	row "$engine 64K reads, system's, as it is" 0.95 0 \
		"$(ours "$engine" file-read --depth 16)" "$hand_read"
	row "$engine sync, pwritev sorted" 0.95 0 \
		"$(ours "$engine" file-sync --depth 32)" "$hand_sync"
done
row "posix sync, pwritev sorted" 0.95 0 "$(ours posix file-sync)" "$hand_sync"
finish
