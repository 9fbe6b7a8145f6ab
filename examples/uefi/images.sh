# SPDX-License-Identifier: MIT
#
# Read by scripts: images with a kernel in them, /boot/kernel, made by mke2fs
# and debugfs, without mounting.

# Bytes that look like no others: counted, and the same each time.
make_file() { # FILE MIB
	awk -v n=$(($2 * 32768)) 'BEGIN {
		for (i = 0; i < n; i++)
			printf "%031x\n", (i * 2654435761) % 4503599627370496
	}' >"$1"
}

# A volume with the file in one piece, as far as it goes.
make_image() { # IMAGE FILE MIB MKE2FS-ARGUMENTS...
	image=$1 file=$2 mib=$3
	shift 3
	rm -f "$image"
	mke2fs -q -F "$@" "$image" "${mib}M" || return 1
	printf 'mkdir /boot\nwrite %s /boot/kernel\n' "$file" |
		debugfs -w -f - "$image" >"$image.log" 2>&1
	grep -q 'write:' "$image.log" && return 1
	return 0
}

# The same with the file in pieces of about so many blocks: what is free is
# broken up first, by taking one block each so often.
make_fragmented() { # IMAGE FILE MIB PIECE MKE2FS-ARGUMENTS...
	image=$1 file=$2 mib=$3 piece=$4
	shift 4
	rm -f "$image"
	mke2fs -q -F "$@" "$image" "${mib}M" || return 1
	blocks=$(dumpe2fs -h "$image" 2>&1 |
		awk '/^Block count/ { print $3 }')
	# Where nothing is yet; the pieces are of uneven length.
	awk -v n="$blocks" -v piece="$piece" 'BEGIN {
		for (at = 100; at < n; at += piece / 2 + (at * 7919) % piece)
			printf "setb %d\n", at
	}' >"$image.holes"
	printf 'mkdir /boot\nwrite %s /boot/kernel\n' "$file" >>"$image.holes"
	debugfs -w -f "$image.holes" "$image" >"$image.log" 2>&1
	rm -f "$image.holes"
	grep -q '^write:' "$image.log" && return 1
	return 0
}

# How many requests a disk is to see at least, if none is larger than so many
# bytes: one for each run of blocks, as debugfs lists them, one for each block
# of the file's own metadata, and those by which it is found: the superblock,
# then the group's descriptor, inode and block of two directories, and the
# file's inode.
least_requests() { # IMAGE BYTES
	size=$(dumpe2fs -h "$1" 2>&1 | awk '/^Block size/ { print $3 }')
	debugfs -R 'stat /boot/kernel' "$1" 2>/dev/null | tr ',' '\n' |
		awk -v size="$size" -v most="$2" '
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
			end = place[2] == "" ? place[1] : place[2]
			if (place[1] != last + 1) {
				finish()
				run = 0
			}
			run += end - place[1] + 1
			last = end
		}
		END {
			finish()
			print n + metadata + 7
		}'
}
