#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/sqlite-vfs/bench.sh BUILD-DIR [DIRECTORY]
#
# Measures the VFS of that build folder against the stock one with the plain
# sqlite3 program, same statements and pragmas, turn by turn, medians of
# ROUNDS=5 rounds. Databases of MIB=1024 MiB are made in DIRECTORY (default: a
# temporary one, removed at the end), which should lie on the disk in question.
# System calls are counted by strace, in a round of their own.
set -eu

if [ $# -lt 1 ]; then
	sed -n '4,10s/^# \{0,1\}//p' "$0"
	exit 1
fi
preload=$(cd "$1" && pwd)/mpiovfs-preload.so
[ -f "$preload" ] || { echo "there is no $preload"; exit 1; }
rounds=${ROUNDS:-5}
mib=${MIB:-1024}
if [ $# -ge 2 ]; then
	mkdir -p "$2"
	work=$(mktemp -d "$(cd "$2" && pwd)/bench.XXXXXX")
else
	work=$(mktemp -d)
fi
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work"
unset MPIOVFS

# ---- Ways, and their times ----------------------------------------------

# Reads SQL; the seconds of what stands behind '.timer on'.
run() { # WAY FILE
	case $1 in
	stock) sqlite3 -batch -bail "file:$2" ;;
	*) LD_PRELOAD=$preload sqlite3 -batch -bail "file:$2?$1" ;;
	esac >said
	awk '/^Run Time/ { s += $4 } END { printf "%.3f\n", s }' said
}

median() { # FILE
	sort -n "$1" | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'
}

# The medians of two ways, and how many times the first takes as long.
compare() { # WHAT WAY
	stock=$(median times.stock)
	ours=$(median times.ours)
	awk -v w="$1" -v o="$2" -v s="$stock" -v m="$ours" 'BEGIN {
		printf "| %-34s | %-30s | %8.3f s | %8.3f s | %5.2fx |\n",
		w, o, s, m, s / m }'
}

# Turn by turn. SETUP is done before each run, PREPARE by both in between.
duel() { # WHAT WAY FILE SQL-FILE PREPARE
	rm -f times.*
	round=0
	while [ $round -lt "$rounds" ]; do
		"$5" "$3"
		run stock "$3" <"$4" >>times.stock
		"$5" "$3"
		run "$2" "$3" <"$4" >>times.ours
		round=$((round + 1))
	done
	compare "$1" "$2"
}

nothing() {
	:
}
# Out of the system's page cache.
cool() { # FILE
	dd of="$1" oflag=nocache conv=notrunc,fdatasync count=0 2>/dev/null
}
anew() { # FILE
	rm -f "$1" "$1"-*
}

echo "| what                               | options                        |      stock |       mpio |        |"
echo "|---|---|---|---|---|"

# ---- A cold scan --------------------------------------------------------

cat >scan.sql <<-EOF
	.timer on
	SELECT sum(length(v)) FROM t;
EOF
for size in 4096 16384; do
	sqlite3 scan.db >said <<-EOF
		PRAGMA page_size=$size; PRAGMA synchronous=OFF;
		PRAGMA journal_mode=OFF; CREATE TABLE t(n INTEGER PRIMARY KEY,
		v BLOB); INSERT INTO t SELECT value, randomblob(480) FROM
		generate_series(1, $mib * 2000);
	EOF
	sync scan.db
	duel "cold scan, pages of $size" mpio_direct=1 scan.db scan.sql cool
	duel "cold scan, pages of $size" mpio_direct=0 scan.db scan.sql cool
	rm -f scan.db
done

# ---- Bulk insert with checkpoints ---------------------------------------

bulk_sql() { # JOURNAL-MODE
	echo "PRAGMA journal_mode=$1; PRAGMA synchronous=NORMAL;
.timer on
CREATE TABLE t(n INTEGER PRIMARY KEY, k INTEGER, v BLOB);"
	for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do
		echo "INSERT INTO t SELECT value, value * 7919 % 100003,
		randomblob(400) FROM generate_series($((i * 10000 + 1)),
		$((i * 10000 + 10000)));"
	done
	echo 'PRAGMA wal_checkpoint(TRUNCATE);'
}
for mode in wal delete; do
	bulk_sql $mode >bulk-$mode.sql
	for direct in 1 0; do
		duel "bulk insert, $mode" mpio_direct=$direct bulk.db \
			bulk-$mode.sql anew
	done
done

# ---- Warm point reads ---------------------------------------------------

sqlite3 warm.db >said <<-EOF
	PRAGMA synchronous=OFF; CREATE TABLE t(n INTEGER PRIMARY KEY, v BLOB);
	INSERT INTO t SELECT value, randomblob(480) FROM
	generate_series(1, 100000);
EOF
cat >warm.sql <<-EOF
	PRAGMA cache_size=20;
	SELECT sum(length(v)) FROM t;
	SELECT sum(length(v)) FROM t;
	.timer on
	SELECT sum(length(v)) FROM generate_series(1, 400000) JOIN t ON
	t.n = value * 7919 % 100000 + 1;
EOF
duel 'warm point reads, 50 MB' 'mpio_direct=1' warm.db warm.sql nothing
duel 'warm point reads, 50 MB' 'mpio_direct=0' warm.db warm.sql nothing
duel 'warm point reads, cache too small' 'mpio_cache=8M' warm.db warm.sql \
	nothing

# ---- System calls -------------------------------------------------------

if ! command -v strace >/dev/null; then
	echo "no strace: system calls are not counted"
	exit
fi
calls() { # MODE PROGRAM...
	mode=$1
	shift
	anew bulk.db
	strace -f -c -o calls -e \
		trace=write,pwrite64,pwritev,pwritev2,io_uring_enter,io_submit \
		"$@" <bulk-"$mode".sql >said
	awk '$NF == "total" { print $(NF - 1) }' calls
}
echo
echo "| bulk insert | write calls, stock | write calls, mpio | fewer by |"
echo "|---|---|---|---|"
for mode in wal delete; do
	stock=$(calls $mode sqlite3 -batch file:bulk.db)
	for direct in 1 0; do
		ours=$(calls $mode -E LD_PRELOAD="$preload" sqlite3 -batch \
			"file:bulk.db?mpio_direct=$direct")
		awk -v w="$mode, mpio_direct=$direct" -v s="$stock" -v m="$ours" \
			'BEGIN { printf "| %s | %d | %d | %.1fx |\n",
			w, s, m, s / m }'
	done
done
