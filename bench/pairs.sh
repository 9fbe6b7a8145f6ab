# SPDX-License-Identifier: MIT
#
# What against-fio.sh and against-raw.sh share; read by them. Options, the file
# on a real disk, and the rows of the table.

name=$(basename "$0")
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

usage() {
	cat <<END
usage: sh bench/$name [OPTION...]

  --build DIR    with mpio-bench, a Release build; default build/release, made
                 if it is not there
  --dir DIR      on the disk; default a new one in \$TMPDIR or /var/tmp
  --size SIZE    of the file, in whole MiB: 1G, 256M; default 1G
  --runs N       of each side of a pair; default 7
  --engines LIST default 'libaio io_uring'
  --only TEXT    only rows whose name has this in it
  --huge         have huge pages set aside while it runs (root); both sides
                 then use them
END
}

die() {
	echo "$name: $*" >&2
	exit 2
}

build=$here/../build/release
dir=
size=1G
runs=7
engines='libaio io_uring'
only=
huge=
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help) usage && exit 0 ;;
	--huge) huge=1 && shift && continue ;;
	esac
	[ $# -gt 1 ] || die "'$1': no such option, or nothing behind it"
	case $1 in
	--build) build=$2 ;;
	--dir) dir=$2 ;;
	--size) size=$2 ;;
	--runs) runs=$2 ;;
	--engines) engines=$2 ;;
	--only) only=$2 ;;
	*) usage >&2 && exit 2 ;;
	esac
	shift 2
done
case $size in
*G) mib=$((${size%G} * 1024)) ;;
*M) mib=${size%M} ;;
*) die "--size: '$size' is not like 1G or 256M" ;;
esac

# ---- Once ------------------------------------------------------------------

command -v python3 >/dev/null || die 'there is no python3'
if [ ! -d "$build" ]; then
	cmake -S "$here/.." -B "$build" -DCMAKE_BUILD_TYPE=Release
	cmake --build "$build" --target mpio-bench
fi
bench=$build/mpio-bench
[ -x "$bench" ] || die "no mpio-bench in $build; build it first"

own_dir=
if [ -z "$dir" ]; then
	dir=$(mktemp -d "${TMPDIR:-/var/tmp}/mpio-bench.XXXXXX")
	own_dir=$dir
fi
file=$dir/mpio-bench.data
pages=/proc/sys/vm/nr_hugepages
pages_before=

clean_up() {
	rm -f "$file"
	[ -z "$own_dir" ] || rmdir "$own_dir"
	[ -z "$pages_before" ] || echo "$pages_before" >$pages
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

if [ -n "$huge" ]; then
	pages_before=$(cat $pages)
	echo $((pages_before + 96)) >$pages ||
		die 'huge pages can only be set aside by root'
fi

# Written once, in order, so that it lies on the disk as well as it can.
"$bench" write --device "posix:$file?direct=1&create=1&size=$size" --verify \
	--frames huge --io 8M >/dev/null ||
	die "the file cannot be written directly in $dir"

# ---- The table --------------------------------------------------------------

# Limits of the disk below, as far as the system tells.
describe_disk() {
	number=$(stat -c %d "$file")
	block=/sys/dev/block/$((number >> 8 & 4095)):$((number & 255))
	[ -d "$block/queue" ] || block=$block/..
	echo "disk: $(basename "$(readlink -f "$block")")," \
		"$(stat -f -c %T "$dir"), load $(cut -d ' ' -f 1 /proc/loadavg)"
	for limit in logical_block_size max_sectors_kb max_segments \
		max_segment_size nr_requests scheduler; do
		[ ! -r "$block/queue/$limit" ] ||
			echo "  $limit: $(cat "$block/queue/$limit")"
	done
}

# The first two columns are MiB/s, the next two CPU seconds per GiB.
print_head() {
	cat <<END

$size, medians of $runs pairs, MiB/s and CPU seconds per GiB

| case | ours | $1 | ratio | CPU | $1 | ratio | |
|---|---|---|---|---|---|---|---|
END
}

shorts=0
# row NAME SPEED CPU OURS THEIRS: the bars may be 0
row() {
	case $1 in *"$only"*) ;; *) return 0 ;; esac
	python3 "$here/pairs.py" --runs "$runs" --speed "$2" --cpu "$3" \
		"$1" "$4" "$5" || shorts=$((shorts + 1))
}

# ours ENGINE COMMAND [OPTION...]: a line for the shell
ours() {
	line="'$bench' $2 --json --device '$1:$file?direct=1' --size $size"
	shift 2
	echo "$line $*"
}

finish() {
	echo
	[ "$shorts" -eq 0 ] || echo "$shorts rows are short of a bar"
	[ "$shorts" -eq 0 ]
}
