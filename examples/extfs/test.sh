#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/extfs/test.sh MPIO-EXTFS [DIRECTORY]
#
# Tests the program MPIO-EXTFS (or the one in that build folder) on images of
# every kind, sound ones and damaged ones. Images and copies are made anew in
# DIRECTORY/extfs-test (default: elsewhere, and removed at the end). SEED=N and
# TRIALS=N make other damage, and more of it. Takes e2fsprogs and, for the I/O
# errors, cc; root, for a device with large sectors. Exit code 77: nothing was
# tested, something is missing.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/images.sh"

if [ $# -lt 1 ]; then
	sed -n '4,12s/^# \{0,1\}//p' "$0"
	exit 1
fi
tool=$1
if [ -d "$tool" ]; then
	tool=$tool/mpio-extfs
fi
tool=$(cd "$(dirname "$tool")" && pwd)/$(basename "$tool")
if [ ! -x "$tool" ]; then
	echo "there is no program $tool"
	exit 1
fi
for program in mke2fs debugfs e2fsck timeout; do
	if ! command -v $program >/dev/null; then
		echo "skipped: no $program (Debian: e2fsprogs)"
		exit 77
	fi
done

if [ $# -ge 2 ]; then
	mkdir -p "$2"
	work=$(cd "$2" && pwd)/extfs-test
	if [ -e "$work" ]; then
		chmod -R u+w "$work"
		rm -rf "$work"
	fi
	mkdir "$work"
else
	work=$(mktemp -d)
	temporary=yes
fi
loops=
clean_up() {
	for loop in $loops; do
		losetup -d "$loop"
	done
	if [ -n "${temporary-}" ]; then
		chmod -R u+w "$work"
		rm -rf "$work"
	fi
}
trap clean_up EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1
seed=${SEED:-1}
trials=${TRIALS:-120}
passed=0
failed=0
export E2FSPROGS_FAKE_TIME=1700000000
export ASAN_OPTIONS=abort_on_error=0:exitcode=99:${ASAN_OPTIONS-}
export UBSAN_OPTIONS=exitcode=99:print_stacktrace=1:${UBSAN_OPTIONS-}

# ---- Checks -------------------------------------------------------------

# A command is to end well.
check() { # NAME COMMAND...
	checked=$1
	shift
	if "$@" >check.log 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $checked: $*"
		head -n 20 check.log
	fi
}

# The tool is to end with an exit code, and to say something.
expect() { # NAME EXIT-CODE PATTERN ARGUMENTS...
	expected=$1 expected_code=$2 expected_pattern=$3
	shift 3
	timeout 60 "$tool" "$@" >expect.log 2>&1
	got=$?
	if [ $got -eq "$expected_code" ] &&
		grep -q -e "$expected_pattern" expect.log; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $expected: exit code $got, not" \
			"$expected_code, or no '$expected_pattern': $*"
		head -n 20 expect.log
	fi
}

remove() { # TREE
	if [ -e "$1" ]; then
		chmod -R u+w "$1"
		rm -rf "$1"
	fi
}

# A tree copied out of an image is the tree that went in.
copies() { # IMAGE OPTIONS...
	copied=$1
	shift
	remove out
	"$tool" "$@" --json get -r "$copied" / out >out.json &&
		same_tree tree out sparse
}

cats() { # IMAGE PATH OPTIONS...
	copied=$1 copied_path=$2
	shift 2
	"$tool" "$@" cat "$copied" "/$copied_path" |
		cmp - "tree/$copied_path"
}

# ---- Sound images -------------------------------------------------------

sound() { # NAME BLOCK-SIZE PADS MKE2FS-ARGUMENTS...
	kind=$1 block=$2 pads=$3
	shift 3
	check "make $kind" make_image $kind.img tree 96M -b "$block" "$@"
	case $kind in
	ext4-inline) mend_inline $kind.img ;;
	ext4*) preallocate $kind.img "$block" ;;
	esac
	fragment $kind.img tree/fragmented "$pads"
	check "$kind is sound" check_image $kind.img
	check "$kind" copies $kind.img
}

echo "== sound images"
mkdir tree
make_files tree 4M 1500000
sound ext2-1k 1024 300 -t ext2
sound ext2-4k 4096 200 -t ext2
sound ext2-64k 65536 20 -t ext2
sound ext2-rev0 1024 50 -t ext2 -r 0 -O none
sound ext3-2k 2048 200 -t ext3
sound ext4-1k 1024 500 -t ext4
sound ext4-4k 4096 200 -t ext4
sound ext4-64k 65536 20 -t ext4
sound ext4-inline 4096 50 -t ext4 -I 512 -O inline_data
sound ext4-blocks 4096 100 -t ext4 -O ^extents,^64bit
sound ext4-clusters 4096 50 -t ext4 -O bigalloc -C 16384

echo "== ways to read"
for image in ext2-1k ext4-1k ext4-inline ext4-64k; do
	for way in '-w 4K' '-w 64K' '-w 3M' '-w 1' '--page-at-a-time' \
		'--backend mem:' "-b posix:$work/$image.img?readonly=1"; do
		# shellcheck disable=SC2086
		check "$image $way" copies $image.img $way
	done
done
for path in large fragmented sparse hole-only sizes/0 sizes/4097; do
	check "cat $path" cats ext4-1k.img $path
	check "cat $path" cats ext2-1k.img $path
done
cp ext4-4k.img 'odd?name%41.img'
check 'odd name' cats 'odd?name%41.img' large
check 'odd name' cats 'odd?name%41.img' large -b 'posix:?direct=0'
cp ext4-4k.img odd-end.img
text 100 1 >>odd-end.img

few_ios() { # IMAGE MOST
	"$tool" --json get "$1" /large one >one.json &&
		cmp one tree/large &&
		[ "$(number ios one.json)" -le "$2" ]
}
check 'few I/Os' few_ios ext4-4k.img 8
check 'few I/Os' few_ios ext2-4k.img 12

stays_sparse() { # FILE
	[ "$(du -k "$1" | cut -f 1)" -le 400 ]
}
copies ext4-4k.img >/dev/null 2>&1
check 'sparse stays sparse' stays_sparse out/sparse

echo "== backends"
# What a figure of a file read alone comes to.
figure() { # NAME IMAGE PATH OPTIONS...
	figure=$1 figure_image=$2 figure_path=$3
	shift 3
	"$tool" "$@" --json check "$figure_image" "$figure_path" >one.json &&
		number "$figure" one.json
}
holds() { # FIGURE COMPARISON NUMBER IMAGE PATH OPTIONS...
	held=$1 comparison=$2 bound=$3
	shift 3
	got=$(figure "$held" "$@") || return 1
	echo "$held: $got"
	[ "$got" "$comparison" "$bound" ]
}

# One image by one backend, direct or not, and what that is.
read_by() { # URI IMAGE
	uri=$1 image=$2
	case $uri in
	posix:*) reached=1 ;;
	*) reached=4 ;;
	esac
	check "$uri $image" copies "$image" -b "$uri"
	check "$uri in flight" holds in_flight_peak -eq $reached \
		"$image" /fragmented -b "$uri" -d 4 --gap off
	check "$uri gaps" holds bytes_wasted -gt 0 \
		"$image" /fragmented -b "$uri" --gap 64K
	check "$uri no gaps" holds bytes_wasted -eq 0 \
		"$image" /fragmented -b "$uri" --gap off
	check "$uri --io" holds ios -ge 256 "$image" /large -b "$uri" --io 16K
	expect "$uri says so" 0 "^backend: ${uri%%:*}$" \
		-s -b "$uri" check "$image" /sizes/4096
}

# The backends that there are, and direct I/O where there is that.
uris=
for backend in posix threads libaio io_uring; do
	if ! "$tool" -b "$backend:" ls ext4-4k.img >probe.log 2>&1; then
		echo "skipped: $(cat probe.log)"
		continue
	fi
	uris="$uris $backend:"
	if cats ext4-4k.img large -b "$backend:?direct=1" >probe.log 2>&1; then
		uris="$uris $backend:?direct=1"
	else
		echo "skipped: $(cat probe.log)"
	fi
done
for uri in $uris; do
	read_by "$uri" ext4-1k.img
	read_by "$uri" ext2-4k.img
	for way in '--gap off' '--gap 4K' '-d 1' '-d 3 -w 12K' \
		'-d 64 -w 64K' '-d 2 -w 3M' '--io 20K' \
		'-d 4 --page-at-a-time'; do
		# shellcheck disable=SC2086
		check "$uri $way" copies ext4-1k.img -b "$uri" $way
	done
	for image in ext2-64k ext3-2k ext4-inline ext4-clusters odd-end; do
		check "$uri $image" copies $image.img -b "$uri"
	done
done
check 'the best one' copies ext4-4k.img -b file:
expect 'which one that is' 0 '^chosen: ' -s -b file: cat ext4-4k.img /sizes/1

# Sectors of 4096 bytes: smaller blocks are cut out of them.
loop_of() { # IMAGE
	loop=$(losetup --find --show --read-only --sector-size 4096 "$1" \
		2>loop.log) && loops="$loops $loop"
}
if loop_of ext4-4k.img; then
	for uri in $uris; do
		read_by "$uri" "$loop"
	done
	loop_of ext2-64k.img && check 'large blocks' copies "$loop"
	loop_of ext4-1k.img && for uri in $uris; do
		check "$uri blocks smaller than sectors" \
			copies "$loop" -b "$uri"
	done
else
	echo "skipped: no device with sectors of 4096 bytes: $(cat loop.log)"
fi

echo "== through the cache"
# Of less than half of what is read at once, so that reads go straight to their
# place, too; and of more than most files.
for kind in ext2-1k ext2-4k ext2-64k ext2-rev0 ext3-2k ext4-1k ext4-4k \
	ext4-64k ext4-inline ext4-blocks ext4-clusters; do
	check "$kind --cache 64K" copies $kind.img --cache 64K
	check "$kind --cache 16M" copies $kind.img --cache 16M
done
for way in '--cache 1' '--cache 64K -w 16K' '--cache 1M -w 4K --gap off' \
	'--cache 1M --io 5K -d 1' '--cache 40M -w 3M -b mem:'; do
	# shellcheck disable=SC2086
	check "$way" copies ext2-1k.img $way
	# shellcheck disable=SC2086
	check "$way" cats ext4-inline.img fragmented $way
done
for uri in $uris; do
	check "$uri --cache 16M" copies ext4-1k.img -b "$uri" --cache 16M
	check "$uri --cache few I/Os" holds ios -le 20 ext4-4k.img /large \
		-b "$uri" --cache 16M
done
for path in sparse hole-only sizes/0 sizes/4097; do
	check "cat $path --cache" cats ext4-1k.img $path --cache 16M
done
copies ext4-4k.img --cache 16M >/dev/null 2>&1
check 'sparse stays sparse' stays_sparse out/sparse
# Nearly all that was read ahead came to be wanted, and nothing else was read.
check 'wanted' holds wanted -ge 3000000 ext4-4k.img /large --cache 16M
check 'straight' holds straight -eq 0 ext4-4k.img /large --cache 16M
check 'straight' holds straight -eq 4194304 ext4-4k.img /large --cache 64K
expect 'stats' 0 '^16 pages of cache: ' -s --cache 64K cat ext4-4k.img /large
expect 'stats' 0 'windows, .* wanted;' -s --cache 16M cat ext4-4k.img /large

echo "== what is shown"
expect 'ls' 0 ' symlink -> sizes/4096$' ls ext4-4k.img
expect 'ls of a file' 0 ' 4194304 .* /large$' ls ext4-4k.img /large
expect 'stat' 0 ' unwritten$' stat ext4-4k.img /preallocated
expect 'stat' 0 ' hole$' stat ext2-4k.img /sparse
expect 'stat' 0 ', boundary$' stat ext2-4k.img /large
expect 'stat' 0 ' inline$' stat ext4-inline.img /sizes/60
expect 'stat of a symlink' 0 'symlink -> sizes/4096' stat ext4-4k.img /symlink
expect 'stats' 0 'get_block calls' -s cat ext4-4k.img /sizes/4096
expect 'stats' 0 'gaps read across' -s --gap 64K cat ext4-4k.img /fragmented
expect 'a symlink on the way' 0 . cat ext4-4k.img /symlink
expect 'check' 0 'read in full: 32, failures: 0' check ext2-1k.img
expect 'check a directory' 0 'read in full: 23,' check ext2-1k.img /sizes
expect 'check a file' 0 'read in full: 1,' check ext2-1k.img /large
expect 'version' 0 '^mpio-extfs [0-9]' --version
expect 'help' 0 'Exit codes' --help

if command -v python3 >/dev/null; then
	parses() { # ARGUMENTS...
		"$tool" --json "$@" | python3 -m json.tool
	}
	check 'JSON of ls' parses ls ext4-4k.img /
	check 'JSON of stat' parses stat ext4-1k.img /fragmented
	check 'JSON of get' parses get ext4-1k.img /fragmented one
	check 'JSON of check' parses check ext4-1k.img
	check 'JSON of the cache' parses --cache 1M check ext4-1k.img
fi

echo "== refusals"
expect 'no command' 1 usage
expect 'no such command' 1 'no such command' put a b
expect 'no such option' 1 usage --no-such-option
expect 'arguments' 1 'number of arguments' cat ext4-4k.img
expect 'window' 1 'window' -w 0 ls ext4-4k.img
expect 'window' 1 'window' -w 2048M ls ext4-4k.img
expect 'depth' 1 'depth' -d 0 ls ext4-4k.img
expect 'depth' 1 'depth' -d 2K ls ext4-4k.img
expect 'io' 1 'io' --io 4G ls ext4-4k.img
expect 'gap' 1 'gap' --gap on ls ext4-4k.img
expect 'gap' 1 'gap' --gap 2M ls ext4-4k.img
expect 'cache' 1 'cache' --cache 0 ls ext4-4k.img
expect 'cache' 1 'cache' --cache 2048M ls ext4-4k.img
expect 'cache' 1 'exclude each' --cache 1M --page-at-a-time ls ext4-4k.img
expect 'no image' 2 'No such file' ls no-such.img
expect 'not an image' 2 'cannot open' ls tree/large
expect 'no backend' 2 'cannot open the device' -b nonsense:1 ls ext4-4k.img
expect 'no backend' 2 'cannot open the device' -b nonsense: ls ext4-4k.img
expect 'no device' 2 'cannot open the device' -b posix:no-such ls ext4-4k.img
expect 'no option' 2 'cannot open the device' -b 'posix:?fast=1' ls ext4-4k.img
expect 'no path' 3 'not to be found' cat ext4-4k.img /no/such
expect 'cat of a directory' 3 'is a directory' cat ext4-4k.img /sizes
expect 'get of a directory' 3 'is a directory' get ext4-4k.img /sizes one
expect 'no output' 6 'cannot write there' get ext4-4k.img /large no/such/one
expect 'output in use' 6 'not empty' get -r ext4-4k.img / tree
cp ext4-4k.img self.img
expect 'output is the image' 6 'image itself' get self.img /large self.img
check 'and is left alone' cmp self.img ext4-4k.img

# Change an inode field of a file.
change() { # IMAGE COMMANDS...
	cp ext4-4k.img "$1"
	changed=$1
	shift
	for change; do
		debugfs -w -R "$change" "$changed" >/dev/null 2>&1
	done
}
change encrypted.img 'sif /large flags 0x80800' 'sif /sizes flags 0x81800'
expect 'encrypted file' 7 'is encrypted' cat encrypted.img /large
expect 'encrypted directory' 7 'is encrypted' ls encrypted.img /sizes
remove out
expect 'encrypted in a tree' 7 'is encrypted' get -r encrypted.img / out
check 'and the rest is there' cmp out/fragmented tree/fragmented
check 'and no pretence' test ! -e out/large

echo "== hostile images"
# Names that lead out of the directory. No checksums, so they can be written.
mkdir hostile
for name in AA BBBB CCCCCCCCCCCCC DDDDDD; do
	text 5000 1 >hostile/$name
done
ln -s .. hostile/EEEE
check 'make' make_image hostile.img hostile 1M -t ext2 -b 1024 -O ^dir_index
patch_name() { # OLD NEW
	LC_ALL=C grep -abo "$1" hostile.img | cut -d : -f 1 | head -n 1 |
		while read -r at; do
			printf "$2" | dd of=hostile.img bs=1 seek="$at" \
				conv=notrunc 2>/dev/null
		done
}
patch_name AA ..
patch_name BBBB 'b/bb'
patch_name CCCCCCCCCCCCC '../../escaped'
patch_name DDDDDD 'E\033[31m'
mkdir -p deep/deep
expect 'names that lead out' 5 'names that no file can have' \
	get -r hostile.img / deep/deep/out
check 'nothing outside' test ! -e deep/escaped -a ! -e escaped
check 'the good name' test -f "deep/deep/out/$(printf 'E\033[31m')"
expect 'escaped for terminals' 5 'E.x1b.31m' ls hostile.img
# A symlink out of the tree, and then a file of the same name.
rm -f hostile.img
check 'make' make_image hostile.img hostile 1M -t ext2 -b 1024 -O ^dir_index
patch_name EEEE AAAA
patch_name BBBB AAAA
remove deep/deep/out
expect 'a name twice' 6 'File exists' get -r hostile.img / deep/deep/out

change loop.img 'ln / /sizes/loop' 'ln /sizes /modes/again'
remove out
expect 'a directory twice' 5 'second time' get -r loop.img / out
check 'and the rest is there' cmp out/fragmented tree/fragmented

# A directory whose blocks are one and the same, 65536 times: names, a block of
# pointers to them, and one of pointers to that.
repeat() { # TIMES OCTAL-BYTES
	repeated=0
	while [ $repeated -lt "$1" ]; do
		printf "$2"
		repeated=$((repeated + 1))
	done
}
pointer_to() { # FILE-IN-THE-IMAGE
	debugfs -R "bmap /$1 0" wide.img 2>/dev/null | awk '{
		printf "\\%o\\%o\\%o\\%o", $1 % 256, int($1 / 256) % 256,
			int($1 / 65536) % 256, int($1 / 16777216)
	}'
}
mkdir wide
mkdir wide/wide
check 'make' make_image wide.img wide 1M -t ext2 -b 1024 -O ^dir_index
{
	repeat 84 '\013\0\0\0\014\0\001\002a\0\0\0'
	repeat 1 '\013\0\0\0\020\0\001\002a\0\0\0\0\0\0\0'
} >names
debugfs -w -R 'write names names' wide.img >/dev/null 2>&1
repeat 256 "$(pointer_to names)" >pointers
debugfs -w -R 'write pointers pointers' wide.img >/dev/null 2>&1
repeat 256 "$(pointer_to pointers)" >more
debugfs -w -R 'write more more' wide.img >/dev/null 2>&1
more=$(debugfs -R 'bmap /more 0' wide.img 2>/dev/null)
debugfs -w -R "sif /wide block[DIND] $more" wide.img >/dev/null 2>&1
expect 'a block twice' 5 'has a block twice' ls wide.img /wide
expect 'and the rest is there' 5 'read in full: 3, failures: 1' check wide.img

# Of a chain of directories the paths, all together, have half a gigabyte.
if (ulimit -v 200000 && "$tool" --version) >/dev/null 2>&1; then
	mkdir chain
	check 'make' make_image chain.img chain 4M -t ext2 -b 1024 -N 2200
	name=$(text 255 1 | tr -c a-z a)
	i=0
	while [ $i -lt 2000 ]; do
		printf 'mkdir %s\ncd %s\n' "$name" "$name"
		i=$((i + 1))
	done >chain.script
	debugfs -w -f chain.script chain.img >/dev/null 2>&1
	in_little() { # ARGUMENTS...
		(ulimit -v 200000 && timeout 60 "$tool" --json "$@") \
			>little.json 2>little.log &&
			[ "$(number directories little.json)" -ge 2000 ]
	}
	check 'a deep chain' in_little check chain.img
else
	echo 'skipped: a deep chain in little memory'
fi

echo "== damaged images"
# What the tool does with a cache is what it does without, message by message.
as_without() { # IMAGE OPTIONS...
	damaged=$1
	shift
	remove without
	remove with
	timeout 20 "$tool" get -r "$damaged" / without >without.log 2>&1
	without=$?
	timeout 20 "$tool" "$@" get -r "$damaged" / with >with.log 2>&1
	with=$?
	[ $with -eq $without ] && cmp without.log with.log || return 1
	if [ -e without ]; then
		same_tree without with ${holes:+"$holes"}
	fi
}
cp ext2-4k.img pointer.img
debugfs -w -R 'sif /large block[3] 0xfffffff0' pointer.img >/dev/null 2>&1
remove out
expect 'a pointer past the end' 5 \
	'/large: cannot read 4096 bytes at offset 12288: damaged' \
	get -r pointer.img / out
check 'and the rest is there' cmp out/fragmented tree/fragmented
lost_a_page() { # FILE OFFSET PAGE
	[ "$(stat -c %s "$1")" -eq 4194304 ] &&
		cmp -n "$2" "$1" tree/large &&
		cmp -i $(($2 + $3)) "$1" tree/large
}
check 'only a page is lost' lost_a_page out/large 12288 4096
expect 'cat stops there' 5 'at offset 12288' cat pointer.img /large
expect 'check tells' 5 'failures: 1' check pointer.img
expect 'check tells' 5 'failures: 1' check pointer.img /large
expect 'stat tells' 5 'cannot map block 3' stat pointer.img /large
holes=sparse
for size in 64K 16M; do
	check "as without --cache $size" as_without pointer.img --cache $size
	expect 'cat stops there' 5 'at offset 12288' \
		--cache $size cat pointer.img /large
	expect 'check tells' 5 'failures: 1' --cache $size check pointer.img
done
cp ext2-4k.img pointer.img
debugfs -w -R 'sif /large block[IND] 0x7ffffff0' pointer.img >/dev/null 2>&1
expect 'an indirect block past the end' 5 'at offset 49152: damaged' \
	get pointer.img /large one

# A leaf of an extent tree, which maps less than is read at once.
leaf=$(debugfs -R 'ex -n /fragmented' ext4-1k.img 2>/dev/null |
	awk '$3 == "3/" { print $8 }')
cp ext4-1k.img leaf.img
dd if=/dev/zero of=leaf.img bs=1024 seek="$leaf" count=1 conv=notrunc \
	2>/dev/null
expect 'a leaf of zeros' 5 'damaged metadata: Corrupt' \
	get leaf.img /fragmented one
for size in 64K 16M; do
	check "as without --cache $size" as_without leaf.img --cache $size
done

cp ext4-4k.img short.img
truncate -s 20M short.img
for uri in $uris; do
	remove out
	expect "an image cut short $uri" 4 'device is shorter' \
		-b "$uri" get -r short.img / out
	check 'but not ended early' test -d out/sizes
	check "as without --cache $uri" as_without short.img --cache 1M
done
holes=

# Bytes are changed at random in what is likely to be metadata.
damage() { # IMAGE TRIAL
	awk -v seed="$((seed * 100000 + $2))" -v size="$(stat -c %s "$1")" '
		BEGIN {
			srand(seed)
			n = 1 + int(rand() * 12)
			for (i = 0; i < n; i++) {
				at = rand() * 65536
				if (rand() < 0.5)
					at = rand() * rand() * size
				print int(at), sprintf("%o", rand() * 256)
			}
		}' | while read -r at byte; do
		# The superblock is judged as a whole when it is opened.
		if [ "$at" -lt 1024 ] || [ "$at" -ge 2048 ]; then
			printf "\\$byte" | dd of="$1" bs=1 seek="$at" \
				conv=notrunc 2>/dev/null
		fi
	done
}
# No crash, no sanitizer's word, and an end.
survives() { # IMAGE
	remove out
	(ulimit -f 2000000 && timeout 20 "$tool" get -r "$1" / out) &&
		timeout 20 "$tool" stat "$1" /large
	survival=$?
	echo "exit code $survival" | tee -a survivals
	[ $survival -le 7 ]
}
mkdir small
head -c 300000 tree/large >small/large
head -c 60000 tree/fragmented >small/fragmented
cp -r tree/sizes small/sizes
rm -f small/sizes/274* small/sizes/655*
truncate -s 600K small/sparse
text 5000 1 | dd of=small/sparse bs=1k seek=500 conv=notrunc 2>/dev/null
ln -s "$(text 180 1 | tr '\n' /)" small/long-symlink
for kind in '-t ext2' '-t ext4 -O ^metadata_csum,inline_data -I 512' \
	'-t ext4'; do
	# shellcheck disable=SC2086
	check "make small $kind" make_image small.img small 4M -b 1024 -N 64 \
		-J size=1 $kind
	fragment small.img small/fragmented 20
	trial=0
	while [ $trial -lt $((trials / 3)) ]; do
		cp small.img damaged.img
		damage damaged.img $trial
		check "damage $kind, seed $seed, trial $trial" \
			survives damaged.img
		case $((trial % 6)) in
		0)
			check "as without --cache, trial $trial" \
				as_without damaged.img --cache 64K
			;;
		3)
			check "as without --cache, trial $trial" \
				as_without damaged.img --cache 16M
			;;
		esac
		trial=$((trial + 1))
	done
done
echo "damaged images, seed $seed, and how the tool ended:"
sort survivals | uniq -c
check 'the damage was felt' grep -q 'exit code 5' survivals

echo "== I/O errors"
# A preadv that fails on some bytes of the device; metadata is not read by it.
cat >fail.c <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
ssize_t preadv64(int fd, const struct iovec *vecs, int count, off64_t offset)
{
	ssize_t (*next)(int, const struct iovec *, int, off64_t) =
		(ssize_t (*)(int, const struct iovec *, int, off64_t))
		dlsym(RTLD_NEXT, "preadv64");
	off64_t bad = atoll(getenv("BAD_OFFSET")), length = 0;
	int i;

	for (i = 0; i < count; i++)
		length += (off64_t)vecs[i].iov_len;
	if (offset <= bad && bad < offset + length) {
		errno = EIO;
		return -1;
	}
	return next(fd, vecs, count, offset);
}
ssize_t preadv(int fd, const struct iovec *vecs, int count, off_t offset)
{
	return preadv64(fd, vecs, count, offset);
}
END
failing() { # EXIT-CODE PATTERN OFFSET ARGUMENTS...
	failing_code=$1 failing_pattern=$2 failing_offset=$3
	shift 3
	ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS \
		BAD_OFFSET=$failing_offset LD_PRELOAD=$work/fail.so "$tool" "$@" \
		>failing.log 2>&1
	got=$?
	cat failing.log
	[ $got -eq "$failing_code" ] &&
		grep -q "$failing_pattern" failing.log
}
if ${CC:-cc} -shared -fPIC -o fail.so fail.c -ldl 2>fail.log; then
	# Where block 100 of the file is.
	at=$("$tool" stat ext4-4k.img /large |
		awk 'header { print ($3 + 100) * 4096; exit }
			/On device/ { header = 1 }')
	for uri in posix: threads:; do
		case " $uris " in
		*" $uri "*) ;;
		*) continue ;;
		esac
		remove out
		check "I/O error $uri" failing 4 \
			'/large: cannot read 4096 bytes at offset 409600: ' \
			$((at + 512)) -b $uri get -r ext4-4k.img / out
		check 'only a page is lost' lost_a_page out/large 409600 4096
		check 'and the rest is there' cmp out/fragmented tree/fragmented
		check "I/O error $uri" failing 4 'at offset 409600: ' \
			$((at + 512)) --page-at-a-time -b $uri \
			get ext4-4k.img /large one
		check 'cat stops there' failing 4 'at offset 409600: ' \
			$((at + 512)) -b $uri cat ext4-4k.img /large
		for size in 64K 16M; do
			check "I/O error $uri --cache $size" failing 4 \
				'/large: cannot read 4096 bytes at offset 409600: ' \
				$((at + 512)) -b $uri --cache $size \
				get ext4-4k.img /large one
			check 'only a page is lost' lost_a_page one 409600 4096
		done
	done
else
	echo "skipped: no C compiler"
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
