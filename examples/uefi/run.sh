#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/uefi/run.sh [DIRECTORY]
#
# Everything from a fresh Debian 12: installs what is missing, builds and
# installs the library for each machine, builds the applications against it,
# tests them, and then boots them on disks of each kind, to read a kernel of
# 64 MiB that lies in one piece or in many, and prints a table. Work files are
# in DIRECTORY (default: build/uefi). ROUNDS=N reads it so many times (default:
# 7), each time in each way, in turn; times are the best of them, since others on
# the machine only make them longer, and the last ratio is the median of those
# of each round. ONLY='nvme' takes those rows alone that match, PAGED= leaves
# out pages one at a time, which take longest. About ten minutes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/packages.sh"
. "$here/images.sh"
. "$here/boot.sh"
mkdir -p "${1:-$root/build/uefi}"
work=$(cd "${1:-$root/build/uefi}" && pwd)
rounds=${ROUNDS:-7}
paged=${PAGED-paged}
once=0
[ -z "$paged" ] || once=1
BOOT_SECONDS=600
cd "$work"

packages_to packages.log gcc gcc-multilib libc6-dev cmake make clang lld llvm \
	e2fsprogs qemu-system-x86 ovmf qemu-system-arm qemu-efi-aarch64
echo "== Building"
sh "$here/build.sh" "$work"
echo "== Testing"
sh "$here/test.sh" "$work" "$work/test"

echo "== Images"
make_file kernel 65536
make_image ext2-1k.img kernel 160000 0 -t ext2 -b 1024
make_image ext2-1k-pieces.img kernel 160000 200 -t ext2 -b 1024
make_image ext4-4k.img kernel 160000 0 -t ext4 -b 4096
make_image ext4-4k-pieces.img kernel 160000 64 -t ext4 -b 4096
crc=$(crc_of kernel)
for image in ext2-1k ext2-1k-pieces ext4-4k ext4-4k-pieces; do
	echo "$image: $(least_requests $image.img 1073741824) pieces and" \
		"blocks of metadata"
done

# Seconds of a way, a line for each round; and of two, their ratios.
seconds() { # LOG WAY
	sed -n "s/^$2: .* requests, .* metadata, \(.*\) s\$/\1/p" "$1"
}
best() {
	sort -n | head -n 1 | sed 's/...$//'
}
over() { # TIME TIME
	awk "BEGIN { if (${2:-0} > 0) printf \"%.2f\", ${1:-0} / $2
		else printf \"-\" }"
}
median_ratio() { # LOG WAY OTHER
	seconds "$1" "$2" >a.times
	seconds "$1" "$3" >b.times
	paste a.times b.times | awk '$2 > 0 { print $1 / $2 }' | sort -n |
		awk '{ a[NR] = $1 }
			END { printf "%.2f", a[int((NR + 1) / 2)] }'
}

line() {
	printf '%-8s %-10s %-15s %6s %6s %5s | %6s %6s %6s %6s %6s %6s | %7s %6s\n' \
		"$@"
}

row() { # x86_64|aarch64 DISK IMAGE [OPTION]
	name=$1-$2-$3${4:+-$4}
	case $name in
	*${ONLY-}*) ;;
	*) return 0 ;;
	esac
	status=0
	boot "$name" "$1" "$2" "$work/$1/app/mpio-uefi.efi" "$3.img" \
		"compare $paged rounds=$rounds ${4-}" || status=$?
	right=$(grep -cE "^(read|pieces|paged): .* crc $crc," "$name.log" || :)
	if [ $status -ne 33 ] ||
		[ "$right" -ne $((2 * rounds + once)) ]; then
		echo "$name: status $status, or another CRC than $crc"
		cat "$name.log"
		exit 1
	fi
	requests=$(requests_of "$name" $((5 * rounds + once)))
	least=$(least_requests "$3.img" "$(largest "$2")")
	read=$(seconds "$name.log" read | best)
	pieces=$(seconds "$name.log" pieces | best)
	raw=$(seconds "$name.log" raw | best)
	by_page=$(seconds "$name.log" paged | best)
	line "$1" "$2${4:+ $4}" "$3" "$requests" "$least" \
		"$(over "$requests" "$least")" "$read" "$pieces" "$raw" \
		"$(over "$read" "$pieces")" "$(over "$read" "$raw")" \
		"$(median_ratio "$name.log" read raw)" \
		"${by_page:--}" "$(over "${by_page:-0}" "$read")"
}

cat <<'END'
== Reading 67108864 bytes
least: pieces and metadata, at the largest request of the firmware's driver
read: opening, finding and reading with libmpio; pieces: the same blocks without
it, from a list, in pieces of up to 256 KiB; raw: as many bytes from the disk's
beginning, in pieces of 256 KiB; paged: by pages of 4 KiB, once
END
line machine disk image reqs least ratio read pieces raw /pcs /raw median \
	paged /read
for image in ext2-1k ext2-1k-pieces ext4-4k ext4-4k-pieces; do
	for disk in virtio nvme ahci; do
		row x86_64 $disk $image
	done
	row aarch64 virtio $image
done
# The other way to read from where there are two.
row x86_64 nvme ext4-4k sync
row x86_64 ahci ext4-4k async
