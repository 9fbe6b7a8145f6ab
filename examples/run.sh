#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/run.sh [DIRECTORY]
#
# Shows libmpio at work on real file systems. Installs what is missing (on
# Debian), builds the library and installs it under DIRECTORY (default:
# build/examples), builds mpio-extfs against that as a user would, makes ext2,
# ext3 and ext4 images of many kinds from files of this machine, reads all of
# them back through libmpio, compares every byte, and prints a table: what it
# took, and what one read per page takes on the same device.
#
# What it made is left there; a second run makes it anew. Takes 3 GB.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "${1:-$root/build/examples}"
work=$(cd "${1:-$root/build/examples}" && pwd)
. "$root/examples/extfs/images.sh"
cd "$work"

step() {
	printf '\n== %s\n' "$*"
}

# Run a command; show what it said only if it fails.
quietly() { # COMMAND...
	if ! "$@" >quietly.log 2>&1; then
		cat quietly.log
		echo "failed: $*"
		exit 1
	fi
	rm -f quietly.log
}

remove() { # TREE
	if [ -e "$1" ]; then
		chmod -R u+w "$1"
		rm -rf "$1"
	fi
}

# ---- What is needed -----------------------------------------------------

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

need() { # PACKAGE COMMAND...
	package=$1
	shift
	if ! "$@" >/dev/null 2>&1; then
		packages="$packages $package"
	fi
}

packages=
need gcc command -v cc
need libc6-dev test -e /usr/include/stdlib.h
need cmake command -v cmake
need pkg-config command -v pkg-config
need e2fsprogs command -v debugfs
need libext2fs-dev pkg-config --exists ext2fs com_err
if ! command -v ninja >/dev/null; then
	need make command -v make
fi
if [ -n "$packages" ]; then
	step "Installing:$packages"
	if ! command -v apt-get >/dev/null; then
		echo "this is not Debian: please install them yourself"
		exit 1
	fi
	quietly as_root apt-get update -q
	# shellcheck disable=SC2086
	quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install \
		-y -q --no-install-recommends $packages
fi

# ---- Build --------------------------------------------------------------

step "Building libmpio, installing it, building mpio-extfs against it"
jobs=$(nproc)
quietly cmake -S "$root" -B library -DCMAKE_BUILD_TYPE=Release \
	-DLIBMPIO_BUILD_TESTS=OFF -DLIBMPIO_BUILD_BENCH=OFF \
	-DLIBMPIO_BUILD_EXAMPLES=OFF
quietly cmake --build library --parallel "$jobs"
quietly cmake --install library --prefix "$work/prefix"
quietly cmake -S "$root/examples/extfs" -B extfs -DCMAKE_BUILD_TYPE=Release \
	-DCMAKE_PREFIX_PATH="$work/prefix"
quietly cmake --build extfs --parallel "$jobs"
tool=$work/extfs/mpio-extfs
"$tool" --version

# ---- Files --------------------------------------------------------------

step "Gathering files"
remove tree
mkdir tree tree/real
# Files of this machine, up to 60 MB and 3000 of them.
(cd / && find usr/include usr/share/doc usr/lib -xdev -readable \
	\( -type f -size -16384k -o -type l \) -printf '%s %p\n' 2>/dev/null) |
	awk '{
		size = $1
		sub(/^[0-9]+ /, "")
		if (n < 3000 && sum + size < 60000000) {
			n++
			sum += size
			print
		}
	}' | tar -C / -cf - --no-recursion -T - | tar -C tree/real -xf -
make_files tree 128M 12M
echo "$(find tree -type f | wc -l) files and $(find tree -type l | wc -l)" \
	"symlinks, $(du -sm tree | cut -f 1) MiB, in $work/tree"

# ---- Images -------------------------------------------------------------

image() { # NAME BLOCK-SIZE PADS MKE2FS-ARGUMENTS...
	name=$1 block=$2 pads=$3
	shift 3
	make_image "$name.img" tree 1G -b "$block" "$@"
	case $name in
	ext4-inline) mend_inline "$name.img" ;;
	ext4-*) preallocate "$name.img" "$block" ;;
	esac
	fragment "$name.img" tree/fragmented "$pads"
	check_image "$name.img"
	names="$names $name"
	printf '%s ' "$name"
}

step "Making images"
names=
image ext2-1k 1024 6000 -t ext2
image ext2-4k 4096 4000 -t ext2
image ext3-4k 4096 4000 -t ext3
image ext4-1k 1024 6000 -t ext4
image ext4-4k 4096 4000 -t ext4
image ext4-inline 4096 4000 -t ext4 -I 512 -O inline_data
image ext4-64k 65536 200 -t ext4
echo
# Direct I/O must not have to wait for what was just written.
sync

# ---- Reading ------------------------------------------------------------

# The device itself, if the file system below can do without its cache.
device() { # NAME
	echo "posix:$work/$1.img?readonly=1$direct"
}
direct='&direct=1'
if ! "$tool" -q -b "$(device ext4-4k)" cat ext4-4k.img /sizes/4097 \
	>/dev/null 2>&1; then
	direct=
fi

# Read all of an image, and two files alone, and write nothing.
measure() { # NAME JSON OPTIONS...
	image=$1 json=$2
	shift 2
	for file in '' large fragmented; do
		"$tool" "$@" -b "$(device "$image")" --json \
			check "$image.img" "/$file" >"$json-$file.json"
	done
}

read_back() { # NAME
	remove "out-$1"
	"$tool" -b "$(device "$1")" get -r "$1.img" / "out-$1"
	same_tree tree "out-$1"
	# What was written must not be on its way to the disk meanwhile, and
	# both ways are to find a device that has seen these blocks before.
	sync
	measure "$1" "$1-libmpio"
	measure "$1" "$1-libmpio"
	measure "$1" "$1-paged" --page-at-a-time
}

line() { # COLUMNS...
	printf '%-13s %7s %7s %7s %9s %7s | %7s %7s | %6s %6s\n' "$@"
}

row() { # TITLE JSON JSON-OF-PAGE-AT-A-TIME
	ios=$(number ios "$2") paged_ios=$(number ios "$3")
	rate=$(number mib_per_second "$2")
	paged_rate=$(number mib_per_second "$3")
	line "$1" "$(number pages "$2")" "$ios" "$(number pages_per_io "$2")" \
		"$(number get_block_calls "$2")" "$rate" \
		"$paged_ios" "$paged_rate" \
		"$(ratio "$paged_ios" "$ios")" "$(ratio "$rate" "$paged_rate")"
}

ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", b ? a / b : 0 }'
}

step "Reading all of them back, comparing every byte"
for name in $names; do
	read_back "$name"
	printf '%s ' "$name"
done
echo
echo "every file is as it was, $(find tree -type f | wc -l) in each image"

step "What it took"
if [ -n "$direct" ]; then
	echo "device: posix, direct I/O"
else
	echo "device: posix, out of the page cache (no direct I/O here)"
fi
echo
printf '%-13s %-41s | %-15s | %s\n' '' libmpio 'one read a page' 'times as'
line image pages I/Os pages/ get_block MiB/s I/Os MiB/s few fast
line '' '' '' I/O calls '' '' '' I/Os ''
for name in $names; do
	for file in '' large fragmented; do
		row "${file:+  /}${file:-$name}" "$name-libmpio-$file.json" \
			"$name-paged-$file.json"
	done
done

step "What it made"
for name in $names; do
	echo "$work/$name.img  $work/out-$name"
done
echo "$tool"
echo "$work/prefix"
