#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/e2io/test.sh BUILD-DIR [WORK-DIR]
#
# Tests the io_manager of that build: Debian's own e2fsprogs, unmodified, make,
# fill, check, resize and read file systems of 24 kinds through it, and each
# image is to be, byte for byte, what they make without it. Then bad sectors, of
# which e2fsck is to mend the same as without it; other URIs, and fuse2fs.
# Exit code 77: nothing was tested, a program of e2fsprogs is missing.
set -eu
PATH=$PATH:/usr/sbin:/sbin

if [ $# -lt 1 ]; then
	sed -n '4,12s/^# \{0,1\}//p' "$0"
	exit 1
fi
build=$(cd "$1" && pwd)
preload=$build/libmpio-e2io-preload.so
for artefact in libmpio-e2io-preload.so e2io-test-hooks e2io-test-channels \
	e2io-test-processes e2io-pieces e2io-bad-sectors.so; do
	if [ ! -e "$build/$artefact" ]; then
		echo "not ok - there is no $build/$artefact"
		exit 1
	fi
done
for program in mke2fs debugfs e2fsck resize2fs dumpe2fs e2image; do
	if ! command -v $program >/dev/null; then
		echo "skipped: no $program (Debian: e2fsprogs)"
		exit 77
	fi
done

# Images are flushed ever so often: they lie in memory if there is room. But
# direct I/O takes a disk.
room=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
if [ $# -ge 2 ]; then
	mkdir -p "$2"
	work=$(mktemp -d "$2/e2io.XXXXXX")
elif [ "${room:-0}" -gt 1000000 ] && [ -w /dev/shm ]; then
	work=$(mktemp -d /dev/shm/e2io.XXXXXX)
else
	work=$(mktemp -d)
fi
work=$(cd "$work" && pwd)
disk=$(mktemp -d "${2:-${TMPDIR:-/tmp}}/e2io-disk.XXXXXX")
disk=$(cd "$disk" && pwd)
mounted= loop=
clean_up() {
	if [ -n "$loop" ]; then
		losetup -d "$loop" 2>/dev/null || :
	fi
	if [ -n "$mounted" ]; then
		umount "$mounted" 2>/dev/null || :
	fi
	rm -rf "$work" "$disk"
}
trap clean_up EXIT
trap 'exit 1' INT TERM
cd "$work"

unset MPIO_E2IO MPIO_E2IO_URI MPIO_E2IO_NAME MPIO_E2IO_STATS
# e2fsck has a clock of its own.
export E2FSPROGS_FAKE_TIME=1700000000 E2FSCK_TIME=1700000000
id=01234567-89ab-cdef-0123-456789abcdef

fail() {
	echo "not ok - $*"
	exit 1
}

ours() { # PROGRAM ARGUMENTS...
	LD_PRELOAD="$preload" "$@"
}

# ---- The tree -----------------------------------------------------------

text() { # BYTES FIRST
	seq "$2" 1999999999 2>/dev/null | head -c "$1"
}

make_tree() {
	mkdir -p tree/a/b
	text 3000000 100000000 >tree/big
	text 100 1 >tree/a/small
	printf x >tree/a/one
	: >tree/empty
	for size in 1023 1024 1025 4095 4096 4097 12288 12289 274432 274433
	do
		text $size $size >tree/a/n$size
	done
	for i in $(seq 200); do
		echo "$i" >tree/a/b/file_with_a_rather_long_name_$i
	done
	truncate -s 5M tree/sparse
	for at in 0 1 244 777 1279; do
		text 4096 ${at}00 | dd of=tree/sparse bs=4096 seek=$at \
			conv=notrunc 2>/dev/null
	done
	ln -s big tree/link
	ln -s "$(text 100 1 | tr '\n' /)" tree/longlink
	ln tree/big tree/hard
	(cd tree && find . -type f | sort | xargs sha256sum) >tree.sums
	# Times of access are in the images, too.
	find tree -exec touch -h -d @1600000000 {} +
	(cd tree && find . -type f -exec cat {} + >/dev/null &&
		find . -type l -exec readlink {} + >/dev/null)
	# To be written by debugfs, into a directory of its own.
	{
		echo 'mkdir /filled'
		(cd tree/a && find . -maxdepth 1 -type f | sort) |
			sed 's|^\./\(.*\)|write tree/a/\1 /filled/\1|'
		echo 'rm /filled/n4096'
		echo 'write tree/a/n274433 /filled/again'
	} >fill.debugfs
}

# What a program prints, but for its version.
said() { # FILE
	grep -v '^[a-z0-9]* 1\.[0-9.]* (' "$1" || :
}

same_words() { # WHAT
	said stock.out >stock.said
	said ours.out >ours.said
	cmp -s stock.said ours.said || {
		diff stock.said ours.said | head -n 20
		fail "$1: it does not say the same"
	}
}

# Two images that are the same, but for how many KiB were ever written to each:
# that is in every superblock (bytes 376 to 383), with a checksum (1020 to 1023).
same_images() { # WHAT
	if cmp -s stock/image ours/image; then
		return
	fi
	[ "$(stat -c %s stock/image)" = "$(stat -c %s ours/image)" ] ||
		fail "$1: the images are not of one size"
	cmp -l stock/image ours/image | awk '{
		at = ($1 - 1) % 1024
		if (at >= 376 && at < 384 || at >= 1020)
			places[($1 - 1 - at) / 1024]
		else
			print "byte " $1
	}
	END { for (place in places) print "superblock " place }' >differ
	if grep -m 3 byte differ; then
		fail "$1: the images differ"
	fi
	while read -r _ place; do
		magic=$(od -An -tx1 -j $((place * 1024 + 56)) -N 2 ours/image)
		[ "$magic" = ' 53 ef' ] ||
			fail "$1: the images differ at KiB $place"
	done <differ
}

# Do it to both images, with unix_io and without; the same must come of it.
both() { # WHAT PROGRAM ARGUMENTS-BEFORE-THE-NAME... [-- ARGUMENTS-BEHIND]
	what=$1
	shift
	before= behind= place=before
	for word in "$@"; do
		if [ "$word" = -- ]; then
			place=behind
		elif [ $place = before ]; then
			before="$before $word"
		else
			behind="$behind $word"
		fi
	done
	stock_code=0 ours_code=0
	cd stock
	# shellcheck disable=SC2086
	$before image $behind >../stock.out 2>&1 </dev/null || stock_code=$?
	cd ../ours
	# shellcheck disable=SC2086
	ours $before image $behind >../ours.out 2>&1 </dev/null || ours_code=$?
	cd ..
	[ $stock_code = $ours_code ] || {
		cat ours.out
		fail "$what: exit code $ours_code, not $stock_code"
	}
	same_words "$what"
	same_images "$what"
}

# Every file out of the image, and its hash.
read_back() { # WHAT
	rm -rf out
	mkdir out
	ours debugfs -R "rdump / out" ours/image >/dev/null 2>&1
	(cd out && sha256sum -c --quiet ../tree.sums) ||
		fail "$1: files differ"
	rm -rf out
}

# ---- 24 kinds -----------------------------------------------------------

kinds=0
kind() { # NAME MKE2FS-ARGUMENTS...
	kind=$1
	shift
	for how in stock ours; do
		rm -f $how/image
		truncate -s 64M $how/image
	done
	both "$kind made" mke2fs -q -F -U $id -E hash_seed=$id "$@" \
		-d ../tree
	[ $stock_code = 0 ] || fail "$kind: not made"
	both "$kind filled" debugfs -w -f ../fill.debugfs
	both "$kind checked" e2fsck -fn
	[ $stock_code = 0 ] || fail "$kind: not sound"
	read_back "$kind"
	both "$kind enlarged" resize2fs -f -- 80M
	both "$kind shrunk" resize2fs -f -- 48M
	both "$kind checked again" e2fsck -fn
	# resize2fs 1.47.0 may harm file systems with clusters; the same harm.
	if [ $stock_code = 0 ]; then
		read_back "$kind, resized"
	elif [ $kind != bigalloc ]; then
		fail "$kind: no longer sound"
	fi
	kinds=$((kinds + 1))
}

test_kinds() {
	for type in ext2 ext3 ext4; do
		for block in 1024 2048 4096; do
			kind $type-$block -t $type -b $block
		done
	done
	for block in 8192 65536; do
		kind ext2-$block -t ext2 -b $block
		kind ext4-$block -t ext4 -b $block
	done
	kind noext -t ext4 -O ^extents,^64bit
	kind nocsum -t ext4 -O ^metadata_csum,^64bit
	kind bigalloc -t ext4 -O bigalloc -C 65536
	kind rev0 -t ext2 -r 0 -O none
	kind noidx -t ext2 -O ^dir_index,^filetype
	kind i128 -t ext2 -I 128
	kind ss2 -t ext4 -O sparse_super2
	kind noflex -t ext4 -O ^flex_bg
	kind metabg -t ext4 -O meta_bg,^resize_inode
	kind eainode -t ext4 -O ea_inode
	printf '5000\n5001\n9000\n' >bad-blocks
	kind badblocks -t ext2 -b 1024 -l ../bad-blocks
	echo "ok - $kinds kinds: made, filled, checked, resized, read back;" \
		"each image is what it is on unix_io"
}

# ---- Bad sectors --------------------------------------------------------

# Where things lie, in blocks; those of the first group.
group_block() { # WORDS
	dumpe2fs sound 2>/dev/null | sed -n "s/.*$1 at \([0-9]*\).*/\1/p" |
		sed -n 1p
}

file_block() { # PATH BLOCK
	debugfs -R "bmap $1 $2" sound 2>/dev/null
}

# e2fsck of an image with a block that cannot be read, until it is written.
mend() { # WHAT BLOCK
	at=$(($2 * 1024)) bad=$1
	[ $at -gt 0 ] || fail "no place for a bad $bad"
	cp --sparse=always sound stock/image
	cp --sparse=always sound ours/image
	stock_code=0 ours_code=0
	(cd stock && BAD_SECTORS=$at+1024 LD_PRELOAD=$build/e2io-bad-sectors.so \
		e2fsck -fy image) >stock.out 2>&1 || stock_code=$?
	uri="fault:read:range=$at+1024:errno=EIO"
	uri="$uri,write:range=$at+1024:set=2:posix:%s"
	(cd ours && MPIO_E2IO_URI=$uri ours e2fsck -fy image) \
		>ours.out 2>&1 || ours_code=$?
	[ $stock_code = $ours_code ] ||
		fail "bad $bad: exit code $ours_code, not $stock_code"
	grep -qE 'Error reading block|Input/output error' \
		stock.out ||
		fail "bad $bad: e2fsck did not read it"
	same_words "bad $bad"
	same_images "bad $bad"
	if [ $stock_code = 8 ]; then
		refused="$refused $bad,"
		return
	fi
	e2fsck -fn ours/image >/dev/null 2>&1 || fail "bad $bad: not mended"
	mended="$mended $bad,"
}

# e2fsck of a damaged image with a block that cannot be written.
refuse() { # WHAT BLOCK
	at=$(($2 * 1024))
	stock_code=0 ours_code=0
	for how in stock ours; do
		cp --sparse=always sound $how/image
		debugfs -w -R 'clri /a/small' $how/image >/dev/null 2>&1
	done
	(cd stock && BAD_WRITES=1 BAD_SECTORS=$at+1024 \
		LD_PRELOAD=$build/e2io-bad-sectors.so \
		e2fsck -fy image) >stock.out 2>&1 || stock_code=$?
	uri="fault:write:range=$at+1024:errno=EIO:posix:%s"
	(cd ours && MPIO_E2IO_URI=$uri ours e2fsck -fy image) \
		>ours.out 2>&1 || ours_code=$?
	for how in stock ours; do
		grep -o 'Error writing block [0-9]*' $how.out | sort -u \
			>$how.said || :
	done
	[ -s stock.said ] || fail "bad write of $1: e2fsck did not write it"
	cmp stock.said ours.said || fail "bad write of $1: other blocks"
	[ $stock_code = $ours_code ] ||
		fail "bad write of $1: exit code $ours_code, not $stock_code"
}

test_bad_sectors() {
	rm -f sound
	truncate -s 64M sound
	mke2fs -q -F -t ext4 -b 1024 -O ^flex_bg -U $id -E hash_seed=$id \
		-d tree sound
	debugfs -w -f fill.debugfs sound >/dev/null 2>&1
	mended= refused=
	mend 'superblock' 1
	mend 'group descriptor' 2
	mend 'block bitmap' "$(group_block 'Block bitmap')"
	mend 'inode bitmap' "$(group_block 'Inode bitmap')"
	mend 'inode table' "$(group_block 'Inode table')"
	mend 'root directory' "$(file_block / 0)"
	mend 'directory' "$(file_block /a/b 2)"
	mend 'journal' "$(file_block '<8>' 0)"
	refuse 'block bitmap' "$(group_block 'Block bitmap')"
	mended=${mended%,} refused=${refused%,}
	echo "ok - bad sectors: e2fsck mends what it mends on unix_io" \
		"(${mended# }) and refuses what it refuses (${refused# })"
}

# ---- Other ways ---------------------------------------------------------

# Those that are built and that this system has; and these two always.
test_backends() {
	backends= direct=1
	cp sound "$disk/sound"
	dd if="$disk/sound" of=/dev/null iflag=direct bs=4096 count=1 \
		2>uri.out || {
		direct=0
		echo "skipped - direct I/O: $(head -n 1 uri.out)"
	}
	for backend in posix file threads libaio io_uring; do
		rm -f big
		MPIO_E2IO="backend=$backend&direct=$direct&cache=2M" ours \
			debugfs -R 'dump /big big' "$disk/sound" >uri.out 2>&1 ||
			fail "$backend: debugfs died: $(cat uri.out)"
		case $backend:$(cat uri.out) in
		posix:* | file:*) ;;
		*:*'No such device'*)
			echo "skipped - $backend: this build does not have it"
			continue
			;;
		*:*'not implemented'* | io_uring:*'not permitted'*)
			echo "skipped - $backend: this system does not have it"
			continue
			;;
		esac
		cmp big tree/big || {
			cat uri.out
			fail "$backend: the file differs"
		}
		backends="$backends $backend"
	done
}

test_uris() {
	rm -f stock/image ours/image
	truncate -s 40M stock/image
	truncate -s 40M ours/image
	(cd stock && mke2fs -q -F -t ext4 -U $id -E hash_seed=$id,offset=2097152 \
		image 32M)
	# A partition of it by a filter; the name is nothing.
	MPIO_E2IO_URI="linear:2M+32M:posix:$work/ours/image" ours \
		mke2fs -q -F -t ext4 -U $id -E hash_seed=$id nothing 32M \
		>/dev/null 2>&1
	[ ! -s nothing ] || fail 'the name that stands for a URI was written'
	for how in stock ours; do
		dd if=$how/image of=$how/part bs=1M skip=2 count=32 2>/dev/null
		e2fsck -fn $how/part >/dev/null 2>&1 || fail 'a partition: not sound'
	done
	MPIO_E2IO_URI="linear:2M+32M:posix:$work/ours/image" ours \
		e2fsck -fn nothing >/dev/null 2>&1 ||
		fail 'a partition: not sound through the filter'
	# A '?' in a name is libext2fs's own.
	odd='o%d&|name %3f'
	cp sound "$odd"
	ours debugfs -R 'dump /big big' "$odd" 2>/dev/null
	cmp big tree/big
	test_backends
	if MPIO_E2IO=cache=no ours e2fsck -fn sound >uri.out 2>&1 ||
		! grep -q 'expected cache=SIZE' uri.out; then
		fail 'an option that is none is not told of'
	fi
	echo "ok - URIs: a partition, an odd name, direct I/O by$backends"
}

# A block device that is not to be written says so when it is opened.
test_readonly_device() {
	cp sound "$disk/sound"
	loop=$(losetup -r -f --show "$disk/sound" 2>loop.out) || {
		loop=
		echo "skipped - a read-only device: $(head -n 1 loop.out)"
		return
	}
	for command in 'debugfs -w -R quit' 'tune2fs -L label' 'e2fsck -fy' \
		'e2fsck -fn'; do
		stock_code=0 ours_code=0
		$command "$loop" >stock.out 2>&1 || stock_code=$?
		ours $command "$loop" >ours.out 2>&1 || ours_code=$?
		same_words "$command of a read-only device"
		[ $stock_code = $ours_code ] ||
			fail "$command of a read-only device: exit code" \
				"$ours_code, not $stock_code"
	done
	losetup -d "$loop"
	loop=
	echo 'ok - a read-only device is refused to who would write it'
}

test_image_copies() {
	for mode in -r -Q; do
		e2image $mode sound stock/copy >/dev/null 2>&1
		ours e2image $mode sound ours/copy >/dev/null 2>&1
		cmp stock/copy ours/copy || fail "e2image $mode: they differ"
	done
	echo 'ok - e2image makes the same images'
}

number() { # NAME
	sed -n "\$s/.*\\b$1=\([0-9]*\).*/\1/p" counts
}

test_counts() {
	rm -f counts
	export MPIO_E2IO_STATS="$work/counts"
	rm -f ours/image
	truncate -s 512M ours/image
	ours mke2fs -q -F -t ext4 ours/image
	asked=$(number asked_writes) wrote=$(number writes)
	[ $((wrote * 5)) -le "$asked" ] ||
		fail "mke2fs: $asked writes became $wrote"
	ours debugfs -R 'dump /big big' sound 2>/dev/null
	blocks=$(number asked_reads) reads=$(number reads)
	[ $((reads * 50)) -le "$blocks" ] ||
		fail "debugfs dump: $blocks reads became $reads"
	truncate -s 64M pieces
	mke2fs -q -F -t ext4 -b 4096 pieces
	"$build/e2io-pieces" pieces 16777216 4
	e2fsck -fn pieces >/dev/null 2>&1 || fail 'pieces: not sound'
	ours debugfs -R 'dump /pieces big' pieces 2>/dev/null
	blocks=4096 piece_reads=$(number reads)
	[ $((piece_reads * 50)) -le $blocks ] ||
		fail "pieces: $blocks blocks became $piece_reads reads"
	debugfs -R 'dump /pieces out' pieces 2>/dev/null
	cmp big out || fail 'pieces: the file differs'
	unset MPIO_E2IO_STATS
	echo "ok - few I/Os: mke2fs writes $asked times, the disk $wrote;" \
		"dump: $reads reads, $piece_reads of 1024 pieces"
}

# In the foreground its end is the end of what it writes.
fuse() { # WORD
	ours fuse2fs -f -o fakeroot ours/image mount >fuse.out 2>&1 &
	server=$!
	mounted=$work/mount
	for _ in $(seq 100); do
		if [ -e "mount/$1" ]; then
			return
		fi
		kill -0 $server 2>/dev/null || break
		sleep 0.1
	done
	cat fuse.out
	fail 'fuse2fs: it does not mount'
}

end_fuse() {
	umount mount
	mounted=
	wait $server || fail "fuse2fs: exit code $?"
}

test_fuse() {
	reason=
	if ! command -v fuse2fs >/dev/null; then
		reason='it is missing (Debian: fuse2fs)'
	elif [ "$(id -u)" -ne 0 ]; then
		reason='only root may mount'
	elif ! : 2>/dev/null <>/dev/fuse; then
		reason='/dev/fuse cannot be opened'
	fi
	mkdir mount
	cp sound stock/image
	cp sound ours/image
	if [ -z "$reason" ] && ! can_mount; then
		reason="without the preload it fails, too: $(head -n 1 fuse.out)"
	fi
	if [ -n "$reason" ]; then
		echo "skipped - fuse2fs: $reason"
		return
	fi
	fuse big
	(cd mount && sha256sum -c --quiet ../tree.sums) ||
		fail 'fuse2fs: files differ'
	cp tree/a/n274433 mount/new
	rm mount/a/small
	end_fuse
	e2fsck -fn ours/image >fuse.out 2>&1 || {
		cat fuse.out
		fail 'fuse2fs: not sound'
	}
	debugfs -R 'dump /new big' ours/image 2>/dev/null
	cmp big tree/a/n274433 || fail 'fuse2fs: what was written differs'
	test_daemon
	echo 'ok - fuse2fs reads and writes, also as a daemon'
}

can_mount() {
	fuse2fs -o fakeroot,ro stock/image mount >fuse.out 2>&1 || return 1
	umount mount
}

# Its parent opens the disk, and it goes on.
test_daemon() {
	ours fuse2fs -o fakeroot ours/image mount >fuse.out 2>&1 ||
		fail 'fuse2fs: it does not become a daemon'
	mounted=$work/mount
	cmp mount/new tree/a/n274433 || fail 'fuse2fs: the daemon reads badly'
	umount mount
	mounted=
}

for program in hooks channels processes; do
	"$build/e2io-test-$program" "$work/$program" || exit 1
done
# One that was built with a sanitizer cannot.
if ! ours mke2fs -V >preloaded 2>&1 || grep -q ERROR preloaded; then
	echo 'skipped - the preload cannot be loaded into programs as they are'
	exit 0
fi
mkdir stock ours
make_tree
test_kinds
test_bad_sectors
test_uris
test_readonly_device
test_image_copies
test_counts
test_fuse
