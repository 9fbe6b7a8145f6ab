# SPDX-License-Identifier: MIT
#
# Read by scripts: images with a kernel in them, /boot/kernel, made by mke2fs
# and debugfs, without mounting.

PATH=$PATH:/usr/sbin:/sbin

# Bytes that look like no others: counted, and the same each time.
make_file() { # FILE KIB
	awk -v n=$(($2 * 32)) 'BEGIN {
		for (i = 1; i <= n; i++)
			printf "%031x\n", (i * 2654435761) % 4503599627370496
	}' >"$1"
}

# A volume with a file as /boot/kernel. PIECE is 0, or about how many blocks
# of it are to lie together: what is free is broken up first, by taking a block
# each so often.
make_image() ( # IMAGE FILE KIB PIECE MKE2FS-ARGUMENTS...
	image=$1 file=$2 kib=$3 piece=$4
	shift 4
	rm -f "$image"
	truncate -s "${kib}K" "$image"
	mke2fs -q -F "$@" "$image" "${kib}k" || return 1
	blocks=$(dumpe2fs -h "$image" 2>&1 |
		awk '/^Block count/ { print $3 }')
	{
		# Uneven pieces, from where nothing is yet.
		[ "$piece" -eq 0 ] || awk -v n="$blocks" -v piece="$piece" '
		BEGIN {
			for (at = 100; at < n; at += length_of(k++))
				printf "setb %d\n", at
		}
		function length_of(k) {
			return 2 + int(piece / 2) + (k * 37) % (piece + 1)
		}'
		printf 'mkdir /boot\nwrite %s /boot/kernel\n' "$file"
	} >"$image.script"
	debugfs -w -f "$image.script" "$image" >"$image.log" 2>&1
	rm -f "$image.script"
	if ! debugfs -R 'cat /boot/kernel' "$image" 2>/dev/null |
		cmp -s - "$file"; then
		cat "$image.log"
		return 1
	fi
	rm -f "$image.log"
)

# Of how many blocks one has to know to find /boot/kernel: the superblock, then
# of two directories and the file the group's descriptor and the inode, and each
# directory's block; where some are the same block, it counts once.
blocks_to_find() { # IMAGE
	{
		dumpe2fs -h "$1" 2>&1
		printf '%s\n' 'imap <2>' 'imap /boot' 'imap /boot/kernel' \
			'bmap / 0' 'bmap /boot 0' | debugfs -f - "$1" 2>&1
	} | awk '
		function see(block) { n += !(block in seen); seen[block] }
		BEGIN { descriptor = 32 }
		/^First block:/ { see(first = $3) }
		/^Block size:/ { size = $3 }
		/^Group descriptor size:/ { descriptor = $4 }
		/part of block group/ {
			see(first + 1 + int($NF * descriptor / size))
		}
		/located at block/ { see($4 + 0) }
		/^[0-9]+$/ { see($1) }
		END { print n }'
}

# How many requests a disk is to see at least, if none is larger than so many
# bytes: one for each run of blocks that lie together on the disk and in the
# file, as debugfs lists them, one for each block of the file's own metadata,
# and those by which it is found.
least_requests() { # IMAGE BYTES
	size=$(dumpe2fs -h "$1" 2>&1 | awk '/^Block size/ { print $3 }')
	find=$(blocks_to_find "$1")
	debugfs -R 'stat /boot/kernel' "$1" 2>/dev/null | tr ',' '\n' |
		awk -v size="$size" -v most="$2" -v find="$find" '
		function finish() {
			if (last >= 0)
				n += int((run * size + most - 1) / most)
			last = -1
		}
		BEGIN { last = -1 }
		{ gsub(/ /, "") }
		# An indirect block, or a node of the tree: metadata, which
		# come first where they lie between.
		/^\((IND|DIND|TIND|ETB[0-9]+)\):[0-9]+$/ {
			metadata++
			next
		}
		/^\([0-9]+(-[0-9]+)?\):[0-9]+(-[0-9]+)?$/ {
			split($0, part, ":")
			split(part[2], place, "-")
			count = 1
			if (place[2] != "")
				count += place[2] - place[1]
			block = substr(part[1], 2) + 0
			if (place[1] != last + 1 || block != next_block) {
				finish()
				run = 0
			}
			run += count
			last = place[1] + count - 1
			next_block = block + count
		}
		END {
			finish()
			print n + metadata + find
		}'
}
