#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     faults.sh MPIO-REAL [DIRECTORY]
#
# Faults of a real kernel, over every backend and with direct I/O and without:
# a full file system, a file that becomes shorter, a limit on file sizes, a
# disk on a file system that is full, a disk with sectors of 4096 bytes. Needs
# root and loop devices; what cannot be tried here is skipped, and said so.
set -u
program=$1
base=${2:-${TMPDIR:-/tmp}}
[ -x "$program" ] || exit 1
schemes='posix threads libaio io_uring'
passed=0
failed=0
skipped=0

work=$(mktemp -d "$base/mpio-real.XXXXXX") || exit 1
loops=
# A ring is taken down by the kernel only some time after its process is gone.
unmount() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		umount "$1" 2>/dev/null && return
		mountpoint -q "$1" || return
		sleep 0.2
	done
	umount -l "$1"
}

clean_up() {
	for loop in $loops; do
		losetup -d "$loop" 2>/dev/null
	done
	for mount in "$work"/mnt-*; do
		unmount "$mount"
	done
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

skip() { # NAME WHY
	echo "SKIPPED $1: $2"
	skipped=$((skipped + 1))
}

run() { # NAME ARGUMENTS...
	name=$1
	shift
	"$program" "$@" 2>"$work/said"
	case $? in
	0)
		passed=$((passed + 1))
		echo "ok      $name"
		;;
	77) skip "$name" "$(cat "$work/said")" ;;
	*)
		failed=$((failed + 1))
		echo "FAILED  $name"
		cat "$work/said"
		;;
	esac
}

# A loop device over a file, in $loop.
attach() { # LOSETUP-ARGUMENTS...
	loop=$(losetup -f --show "$@" 2>"$work/said") || return 1
	loops="$loops $loop"
}

detach() {
	losetup -d "$loop"
	loops=$(echo "$loops" | sed "s| $loop||")
}

# A small ext4, nearly filled, on $1/fs; free only when `filler` goes.
make_full() {
	mkdir -p "$1" && truncate -s 48M "$1.img" &&
		mkfs.ext4 -q -F -m 0 "$1.img" 2>"$work/said" &&
		mount -o loop "$1.img" "$1" 2>"$work/said"
}

full() { # SCHEME DIRECT
	mount=$work/mnt-full
	if ! make_full "$mount"; then
		skip "full $1 $2" "$(cat "$work/said")"
		return
	fi
	dd if=/dev/zero of="$mount/filler" bs=1M count=24 2>/dev/null
	sync
	run "full file system: $1 $2" full \
		"$1:$mount/file?create=1&size=32M$2" "$mount/filler"
	unmount "$mount" && rm -f "$mount.img"
}

short() { # SCHEME DIRECT
	rm -f "$work/file"
	run "shorter file: $1 $2" short \
		"$1:$work/file?create=1&size=32M$2" "$work/file"
}

limit() { # SCHEME DIRECT
	rm -f "$work/file"
	# Extending the file is held to the limit, too: it is there before.
	truncate -s 32M "$work/file"
	run "file size limit: $1 $2" limit "$1:$work/file$2"
}

refusing() { # SCHEME DIRECT
	mount=$work/mnt-disk
	mkdir -p "$mount"
	if ! mount -t tmpfs -o size=8M none "$mount" 2>"$work/said"; then
		skip "disk $1 $2" "$(cat "$work/said")"
		return
	fi
	truncate -s 32M "$mount/disk"
	if attach "$mount/disk"; then
		run "disk on a full file system: $1 $2" disk "$1:$loop$2"
		detach
	else
		skip "disk $1 $2" "$(cat "$work/said")"
	fi
	unmount "$mount"
}

sectors() { # SCHEME DIRECT
	truncate -s 32M "$work/sectors"
	if attach --sector-size 4096 "$work/sectors"; then
		run "4096-byte sectors: $1 $2" sectors "$1:$loop$2"
		detach
	else
		skip "sectors $1 $2" "$(cat "$work/said")"
	fi
	rm -f "$work/sectors"
}

if [ "$(id -u)" -ne 0 ]; then
	echo 'SKIPPED all: not root'
	exit 77
fi
for scheme in $schemes; do
	for direct in 0 1; do
		full "$scheme" "&direct=$direct"
		short "$scheme" "&direct=$direct"
		limit "$scheme" "?direct=$direct"
		refusing "$scheme" "?direct=$direct"
		sectors "$scheme" "?direct=$direct"
	done
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] || exit 1
[ "$passed" -ne 0 ] || exit 77
