#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/run.sh [DIRECTORY]
#
# Shows libmpio at work on real file systems. Installs what is missing (on
# Debian), builds the library and installs it under DIRECTORY (default:
# build/examples), builds the examples against that as a user would, and tests a
# write-ahead log on a simulated disk. Then makes ext2, ext3 and ext4 images of
# many kinds from files of this machine, reads all of them back through libmpio,
# compares every byte, and prints two tables: what it took for each image, and
# what for each backend that there is, without and with --cache; with what one
# read per page takes, at the same depth, and (as root) the kernel's own mount.
#
# What it made is left there; a second run makes it anew. Takes 3 GB and about
# two minutes.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "${1:-$root/build/examples}"
work=$(cd "${1:-$root/build/examples}" && pwd)
. "$root/examples/common.sh"
. "$root/examples/extfs/images.sh"
cd "$work"

remove() { # TREE
	if [ -e "$1" ]; then
		chmod -R u+w "$1"
		rm -rf "$1"
	fi
}

# ---- What is needed -----------------------------------------------------

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
need libcmocka-dev test -e /usr/include/cmocka.h
need libaio-dev test -e /usr/include/libaio.h
need liburing-dev test -e /usr/include/liburing.h
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
install_library
build_example extfs
tool=$work/extfs/mpio-extfs
"$tool" --version

step "A write-ahead log on a simulated disk: errors and power cuts everywhere"
build_example wal-test
for test in wal-test wal-test-without-1 wal-test-without-2 wal-test-without-3
do
	echo "$test:"
	("wal-test/$test" 2>&1 || :) |
		sed -n 's/^[0-9]/    &/p; s/^ERROR: /    /p'
done
quietly ctest --test-dir wal-test --output-on-failure

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

works() { # URI
	"$tool" -q -b "$1" cat ext4-4k.img /sizes/4097 >/dev/null 2>&1
}

# Past the page cache, if the file system below can do without it.
best='file:?direct=1'
if ! works "$best"; then
	best=file:
fi

# Read all of an image, and two files alone, and write nothing.
measure() { # NAME JSON OPTIONS...
	image=$1 json=$2
	shift 2
	for file in '' large fragmented; do
		"$tool" "$@" -b "$best" --json \
			check "$image.img" "/$file" >"$json-$file.json"
	done
}

read_back() { # NAME
	remove "out-$1"
	"$tool" -b "$best" get -r "$1.img" / "out-$1"
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
	awk -v a="$1" -v b="$2" 'BEGIN {
		if (b > 0) printf "%.1f", a / b; else print "-"
	}'
}

step "Reading all of them back, comparing every byte"
for name in $names; do
	read_back "$name"
	printf '%s ' "$name"
done
echo
echo "every file is as it was, $(find tree -type f | wc -l) in each image"

step "What it took"
echo "device: $best"
"$tool" -s -b "$best" ls ext4-4k.img 2>&1 >/dev/null |
	grep -E '^(backend|chosen|file|disk|gap bytes): '
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

# ---- Backends -----------------------------------------------------------

# Nothing of the image is to be in the page cache.
cold() {
	sync
	dd if=ext4-4k.img iflag=nocache count=0 status=none
}

# MiB/s of a command that reads a file, by the clock; the median of three.
clocked() { # FILE COMMAND...
	bytes=$(stat -c %s "tree/$1")
	shift
	for _ in 1 2 3; do
		cold
		before=$(date +%s%N)
		"$@" >/dev/null
		after=$(date +%s%N)
		awk -v bytes="$bytes" -v ns=$((after - before)) \
			'BEGIN { printf "%.1f\n", bytes / 1048576 * 1e9 / ns }'
	done | sort -n | sed -n 2p
}

# A fresh mount, which knows nothing, each time.
by_kernel() { # PATH
	as_root mount -o ro,loop ext4-4k.img mounted
	dd if="mounted/$1" bs=1M status=none
	as_root umount mounted
}

backend_line() { # COLUMNS...
	printf '%-19s %-11s %6s %7s | %6s %7s | %7s %7s | %6s | %6s %6s\n' \
		"$@"
}

backend_row() { # URI FILE
	"$tool" -b "$1" --json check ext4-4k.img "/$2" >one.json
	"$tool" -b "$1" --cache 16M --json \
		check ext4-4k.img "/$2" >cached.json
	cold
	"$tool" -b "$1" --page-at-a-time --json \
		check ext4-4k.img "/$2" >paged.json
	rate=$(clocked "$2" "$tool" -q -b "$1" check ext4-4k.img "/$2")
	cached=$(clocked "$2" "$tool" -q -b "$1" --cache 16M \
		check ext4-4k.img "/$2")
	paged=$(number mib_per_second paged.json)
	kernel=$(cat "kernel-$2")
	backend_line "$1" "/$2" "$(number ios one.json)" "$rate" \
		"$(number ios cached.json)" "$cached" \
		"$(number ios paged.json)" "$paged" "$kernel" \
		"$(ratio "$rate" "$paged")" "$(ratio "$rate" "$kernel")"
}

# What the kernel does, or '-'.
mkdir -p mounted
for file in large fragmented; do
	if [ "$(id -u)" -eq 0 ] && by_kernel $file >/dev/null 2>&1; then
		clocked $file by_kernel $file >kernel-$file
	else
		echo - >kernel-$file
	fi
done

step "Each backend"
echo "ext4-4k, cold, by the clock, medians of 3 (one read a page: one run)," \
	"opening included; --cache: through a cache of 16 MiB"
echo
backend_line '' '' libmpio '' --cache 16M 'one read' 'a page' kernel \
	'times as' fast
backend_line backend file I/Os MiB/s I/Os MiB/s I/Os MiB/s MiB/s \
	'paged' 'kernel'
for backend in posix threads libaio io_uring; do
	for uri in "$backend:" "$backend:?direct=1"; do
		if works "$uri"; then
			backend_row "$uri" large
			backend_row "$uri" fragmented
		else
			echo "$uri: not here"
		fi
	done
done

step "What it made"
for name in $names; do
	echo "$work/$name.img  $work/out-$name"
done
echo "$tool"
echo "$work/prefix"

step "More examples, each with a run.sh of its own"
ls -d "$root"/examples/*/run.sh
