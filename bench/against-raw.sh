#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Pages through the library against a bare loop (`mpio-bench raw`) that makes
# the same vectors of the same frames by hand and submits them with the calls
# of libaio or liburing; direct I/O, interleaved pairs.
#
#     sh bench/against-raw.sh [--help] [--dir DIR] ...
#
# In rows 'announced' the library was told of the frames once, by
# mpio_queue_register_memory(), as an engine does that owns them.
#
# What the rows are held to stands in bench/README.md; ends with 1 if one is
# short.
set -eu
. "$(dirname "$0")/pairs.sh"

# pieces ENGINE: of memory, that the library puts into one I/O at most
pieces() {
	"$bench" read --json --device "$1:$file?direct=1" --size 8M |
		python3 -c 'import json, sys
print(json.load(sys.stdin)["pieces_max"])'
}

describe_disk
print_head raw
for engine in $engines; do
	limit=$(pieces "$engine")
	for case in 128K:4 128K:32 1M:4 1M:32; do
		options="--io ${case%:*} --depth ${case#*:} --frames shuffled"
		row "$engine read ${case%:*} depth ${case#*:} shuffled" \
			0.97 1.1 "$(ours "$engine" read "$options")" \
			"$(ours "$engine" raw "$options" --pieces "$limit")"
		[ "$engine" = io_uring ] || continue
		row "$engine read ${case%:*} depth ${case#*:} announced" \
			0.97 1.1 "$(ours "$engine" read "$options" --announce)" \
			"$(ours "$engine" raw "$options" --pieces "$limit")"
	done
	for how in read write; do
		raw=raw
		[ $how = read ] || raw='raw --write'
		for frames in runs16 shuffled; do
			[ $how$frames != readshuffled ] || continue
			row "$engine $how 1M depth 4 $frames" 0 0 \
				"$(ours "$engine" $how --frames $frames)" \
				"$(ours "$engine" "$raw" --frames $frames \
					--pieces "$limit")"
		done
	done
done
finish
