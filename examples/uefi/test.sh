#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/uefi/test.sh BUILD-DIR [WORK-DIR]
#
# Tests the reader on this machine, and the applications in QEMU: what is in
# BUILD-DIR, as build.sh leaves it, or the project's own build. Applications that
# are not there are built first, if clang and lld are. Each machine is to end
# with its own status, the file is to have its CRC, and QEMU is to count as many
# requests of the disk as the file has pieces and metadata, and no more.
# WORK-DIR keeps what it made. Exit code 77: something is missing.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/images.sh"
. "$here/boot.sh"

build=$(cd "${1:?which build?}" && pwd)
if [ $# -ge 2 ]; then
	mkdir -p "$2"
	work=$(cd "$2" && pwd)
else
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' INT TERM
fi

fail() {
	echo "failed: $*"
	exit 1
}

# Where the application for a machine is; what is not there is built here.
app() { # x86_64|aarch64|i386
	if [ -d "$build/$1/app" ]; then
		echo "$build/$1/app"
	else
		echo "$work/build/$1/app"
	fi
}

host=$build
[ ! -d "$build/host/app" ] || host=$build/host/app
if ! can_boot x86_64; then
	echo "skipped: no firmware or no QEMU (Debian: ovmf, qemu-system-x86)"
	exit 77
fi
sh "$here/hosted/test.sh" "$host" "$work/hosted" || exit
wanted='x86_64 i386'
! can_boot aarch64 || wanted="$wanted aarch64"
kinds=
for kind in $wanted; do
	[ -d "$build/$kind/app" ] || kinds="$kinds $kind"
done
if [ -n "$kinds" ]; then
	if ! command -v clang >/dev/null || ! command -v lld-link >/dev/null
	then
		echo "skipped: no clang or lld to build with"
		exit 77
	fi
	# shellcheck disable=SC2086
	sh "$here/build.sh" "$work/build" $kinds || fail build
fi
cd "$work" || exit 1

# Boot, and compare what is said and counted.
good() { # NAME x86_64|aarch64 DISK IMAGE FILE
	boot "$1" "$2" "$3" "$(app "$2")/mpio-uefi.efi" "$4"
	[ $? -eq 33 ] || fail "$1: $(cat "$1.raw")"
	grep -q "^read: .* crc $(crc_of "$5")," "$1.log" ||
		fail "$1: another CRC than $(crc_of "$5"): $(cat "$1.log")"
	case $3 in
	*block_size*) echo "ok - $1" && return ;;
	esac
	requests=$(requests_of "$1" 2)
	least=$(least_requests "$4" "$(largest "$3")")
	[ "$requests" -ge 1 ] && [ "$requests" -le "$least" ] ||
		fail "$1: $requests requests, where $least would do"
	echo "ok - $1: $requests requests, pieces and metadata $least"
}

bad() { # NAME TEXT DISK IMAGE
	boot "$1" x86_64 "$3" "$(app x86_64)/mpio-uefi.efi" "$4"
	[ $? -eq 35 ] || fail "$1: status not 35: $(cat "$1.raw")"
	grep -q "$2" "$1.log" || fail "$1: not said: $(cat "$1.log")"
	echo "ok - $1: $2"
}

make_file kernel 16384
make_image 1k.img kernel 32768 100 -t ext2 -b 1024 || fail image
make_image 4k.img kernel 32768 0 -t ext4 -b 4096 || fail image
make_file kernel-1k 3001
make_image small.img kernel-1k 8192 30 -t ext4 -b 1024 || fail image

good virtio-1k-pieces x86_64 virtio 1k.img kernel
# Data are asked for before the indirect block behind them: that is what the
# boundary flag is for. Finding the file may go back and forth.
back=$(steps_back_of virtio-1k-pieces 2)
[ "$back" -le 8 ] || fail "the disk had to step back $back times"
echo "ok - the disk stepped back $back times"
good nvme-4k x86_64 nvme 4k.img kernel
good ahci-1k x86_64 ahci small.img kernel-1k
good nvme-blocks-of-4k x86_64 \
	nvme,logical_block_size=4096,physical_block_size=4096 small.img kernel-1k

# A sector of the file that the disk cannot read.
block=$(debugfs -R 'bmap /boot/kernel 1000' 1k.img 2>/dev/null)
printf '[inject-error]\nevent = "read_aio"\nerrno = "5"\nsector = "%d"\n' \
	$((block * 2)) >bad.conf
bad bad-sector 'read: failed: input/output error' \
	virtio blkdebug:bad.conf:1k.img
# From a shell: the program's name is before the options, and what was taken of
# the firmware is given back, whatever came of it.
mkdir -p shell
cp "$(app x86_64)/mpio-uefi.efi" shell
cat >shell/startup.nsh <<'END'
fs0:
mpio-uefi.efi file=boot/kernel
mpio-uefi.efi sync file=/boot/nothing
memmap
reset -s
END
boot_shell shell 4k.img shell || fail "shell: $(cat shell.raw)"
grep -q "^read: .* crc $(crc_of kernel)," shell.log &&
	grep -q '^/boot/nothing: no such file' shell.log &&
	grep -q '^ *LoaderData: *0 Pages' shell.log ||
	fail "shell: $(cat shell.log)"
echo 'ok - from a shell, twice, and no memory is lost'

if can_boot aarch64; then
	good aarch64-virtio-4k aarch64 virtio 4k.img kernel
else
	echo "skipped: aarch64 (Debian: qemu-system-arm, qemu-efi-aarch64)"
fi

status=0
timeout 60 qemu-system-x86_64 -machine pc,accel=tcg -m 128 -nodefaults \
	-display none -serial stdio -no-reboot -net none -snapshot \
	-device isa-debug-exit,iobase=0xf4,iosize=4 \
	-kernel "$(app i386)/mpio-kernel" -append 'kernel /boot/kernel' \
	-drive file=small.img,format=raw,if=ide,index=0 \
	</dev/null >bare.log 2>&1 || status=$?
[ $status -eq 33 ] && grep -q "crc $(crc_of kernel-1k)," bare.log ||
	fail "bare: status $status: $(cat bare.log)"
echo "ok - bare: $(sed -n 's/.*, \([0-9]* commands\).*/\1/p' bare.log)"
