# SPDX-License-Identifier: MIT
#
# Read by scripts: starts the application in a machine of QEMU's, and counts
# what the disk is asked for, by QEMU's own trace.

# The firmware for a machine, or nothing.
firmware() { # x86_64|aarch64
	case $1 in
	x86_64) set -- /usr/share/OVMF/OVMF_CODE_4M.fd \
		/usr/share/OVMF/OVMF_CODE.fd ;;
	aarch64) set -- /usr/share/qemu-efi-aarch64/QEMU_EFI.fd ;;
	esac
	for image in "$@"; do
		if [ -e "$image" ]; then
			echo "$image"
			return
		fi
	done
}

# Can a machine be started here?
can_boot() { # x86_64|aarch64
	command -v "qemu-system-$1" >/dev/null && [ -n "$(firmware "$1")" ]
}

# Boot; what was printed goes to NAME.log, the disk's requests to NAME.trace.
# Gives QEMU's own status: 33 if all was well, 35 if not, 124 if it took too
# long. A disk is virtio, nvme or ahci, and may have properties behind it.
boot() ( # NAME x86_64|aarch64 DISK APPLICATION IMAGE [OPTIONS]
	name=$1 machine=$2 disk=$3 application=$4 image=$5 words=${6-}
	properties=
	case $disk in
	*,*) properties=,${disk#*,} disk=${disk%%,*} ;;
	esac
	case $disk in
	virtio) device=virtio-blk-pci events=virtio_blk_handle_read ;;
	nvme) device=nvme,serial=1 events=pci_nvme_read ;;
	ahci) device=ide-hd events=ide_dma_cb ;;
	esac
	case $machine in
	x86_64) set -- -machine q35,accel=tcg -cpu qemu64 \
		-device isa-debug-exit,iobase=0xf4,iosize=4 \
		-drive "if=pflash,format=raw,readonly=on,file=$(firmware "$machine")" ;;
	aarch64) set -- -machine virt,accel=tcg -cpu cortex-a57 \
		-semihosting-config enable=on,target=native \
		-bios "$(firmware "$machine")" ;;
	esac
	case $image in
	blkdebug:*) ;;
	*) set -- "$@" -snapshot ;;
	esac
	status=0
	rm -f "$name.trace"
	timeout "${BOOT_SECONDS:-120}" "qemu-system-$machine" "$@" -m 512 \
		-nodefaults -display none -serial stdio -no-reboot -net none \
		-trace "$events" -D "$name.trace" \
		-kernel "$application" -append "qemu $words" \
		-drive "if=none,id=disk,format=raw,file=$image,rerror=report" \
		-device "$device,drive=disk$properties" \
		</dev/null >"$name.raw" 2>&1 || status=$?
	readable <"$name.raw" | sed -n '/^mpio-uefi/,$p' >"$name.log"
	exit $status
)

# What can be read of what was printed, without what moves a cursor.
readable() {
	tr -d '\r' | sed 's/\x1b\[[0-9;=?]*[A-Za-z]//g'
}

# Boot x86_64 into the firmware's shell, which runs DIRECTORY/startup.nsh; the
# disk is NVMe. Gives QEMU's status: 0 if the script shuts the machine down.
boot_shell() { # NAME IMAGE DIRECTORY
	timeout 120 qemu-system-x86_64 -machine q35,accel=tcg -cpu qemu64 \
		-m 512 -nodefaults -display none -serial stdio -no-reboot \
		-net none -snapshot -drive \
		"if=pflash,format=raw,readonly=on,file=$(firmware x86_64)" \
		-drive "if=none,id=disk,format=raw,file=$2" \
		-device nvme,serial=1,drive=disk \
		-drive "if=none,id=shell,format=raw,file=fat:$3" \
		-device virtio-blk-pci,drive=shell \
		</dev/null >"$1.raw" 2>&1 || return
	readable <"$1.raw" >"$1.log"
}

# How many requests the disk got for the file in the first round: what is between
# two reads of its second block, of which there were so many in all since the
# application began.
requests_of() { # NAME MARKS
	awk -v marks="$2" '
	/ sector 1 nsectors 1$|count 512 lba 0x1$|sector_num=1 n=1 / {
		counts[++n] = since
		since = 0
		next
	}
	/virtio_blk_handle_read|pci_nvme_read|cmd=DMA READ/ { since++ }
	END { print counts[n - marks + 2] }' "$1.trace"
}

# How often the next of them lay before the one it followed; of virtio alone.
steps_back_of() { # NAME MARKS
	awk -v marks="$2" '
	{ sector = $(NF - 2) }
	/ sector 1 nsectors 1$/ {
		counts[++n] = back
		back = last = 0
		next
	}
	/virtio_blk_handle_read/ {
		back += sector < last
		last = sector
	}
	END { print counts[n - marks + 2] }' "$1.trace"
}

# The largest request of a kind of disk, as its driver in the firmware cuts them.
largest() { # DISK
	case $1 in
	virtio*) echo 1073741824 ;;
	nvme*) echo 524288 ;;
	ahci*) echo 131072 ;; # of 28-bit commands
	esac
}

# As zlib has it, from the end of what gzip makes.
crc_of() { # FILE
	gzip -1 -c "$1" | tail -c 8 | od -An -tx4 -N4 | tr -d ' '
}
