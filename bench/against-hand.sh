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

# The system reads its own cache full: CPU is told, and not held to a bar.
hand_read="'$bench' hand-read --json --device 'file:$file' --size $size"
hand_sync="'$bench' hand-sync --json --device 'file:$file' --size $size"

describe_disk
print_head 'by hand'
for engine in $engines; do
	row "$engine 64K reads, core 256K depth 2" 0.9 0 \
		"$(ours "$engine" file-read)" \
		"$(ours "$engine" read --io 256K --depth 2)"
	row "$engine 64K reads, window 2M, core 1M" 0.9 0 \
		"$(ours "$engine" file-read --window 2M)" \
		"$(ours "$engine" read --io 1M --depth 4)"
	row "$engine 64K reads, system's, cold" 0.95 0 \
		"$(ours "$engine" file-read)" "$hand_read"
	row "$engine 64K reads, window 2M, system's" 0.95 0 \
		"$(ours "$engine" file-read --window 2M)" "$hand_read"
	row "$engine sync, pwritev sorted" 0.95 0 \
		"$(ours "$engine" file-sync --depth 32)" "$hand_sync"
done
row "posix sync, pwritev sorted" 0.95 0 "$(ours posix file-sync)" "$hand_sync"
finish
