#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/sqlite-vfs/test.sh BUILD-DIR [WORK-DIR]
#
# Tests the VFS of that build folder with the plain sqlite3 program: by '.load'
# and by LD_PRELOAD, in rollback and WAL mode, with every backend; four
# processes at once, half of them on the stock VFS; kill -9 in the middle of
# writes, 100 times (KILLS=N); a disk that is full; raw devices; and the power
# cut. Databases lie in WORK-DIR (default: a temporary one, removed at the end).
# Exit code 77: nothing was tested, something is missing.
set -u

if [ $# -lt 1 ]; then
	sed -n '4,12s/^# \{0,1\}//p' "$0"
	exit 1
fi
build=$(cd "$1" && pwd)
load=$build/mpiovfs.so
preload=$build/mpiovfs-preload.so
if [ ! -f "$load" ] || [ ! -f "$preload" ]; then
	echo "skipped: no $load (libmpio without position-independent code)"
	exit 77
fi
for program in sqlite3 timeout; do
	if ! command -v $program >/dev/null; then
		echo "skipped: no $program"
		exit 77
	fi
done
if [ $# -ge 2 ]; then
	mkdir -p "$2"
	work=$(mktemp -d "$(cd "$2" && pwd)/sqlite.XXXXXX")
else
	work=$(mktemp -d)
fi
mounted=
clean_up() {
	[ -z "$mounted" ] || umount "$work/full"
	rm -rf "$work" "${shared:-$work}"
}
trap clean_up EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1
unset MPIOVFS

# ---- Helpers ------------------------------------------------------------

fail() { # WHAT FILE...
	echo "FAILED: $1"
	shift
	for log; do
		tail -n 12 "$log"
	done
	exit 1
}

stock() {
	sqlite3 -batch "$@" </dev/null
}

# SQL of standard input on a database, by the VFS; what it says goes to log.
# (The shell warns that SQLite is running already; that is no matter.)
ours() { # URI
	LD_PRELOAD=$preload timeout 60 sqlite3 -batch -bail "file:$1" \
		>all 2>errors
	status=$?
	grep -v '^WARNING: attempt to configure' all >log
	return $status
}

# The same by '.load'; the URI is opened then.
loaded() { # URI
	{
		printf '.bail on\n.load %s\n.open "file:%s"\n' "$load" "$1"
		cat
	} | timeout 60 sqlite3 -batch >log 2>errors
}

whole() { # FILE WHAT
	[ "$(stock "$1" 'PRAGMA integrity_check' 2>&1)" = ok ] ||
		fail "$2: integrity_check" log errors
}

# ---- The program's real work --------------------------------------------

work_sql() { # PAGE-SIZE JOURNAL-MODE
	cat <<-EOF
	PRAGMA page_size=$1;
	PRAGMA journal_mode=$2;
	PRAGMA synchronous=${3-FULL};
	PRAGMA cache_size=100;
	CREATE TABLE t(n INTEGER PRIMARY KEY, k INTEGER, v TEXT);
	CREATE INDEX i ON t(k);
	WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM c
	WHERE x < 6000) INSERT INTO t SELECT x, x * 7919 % 6007,
	printf('%.*c', x * 31 % 300, 'v') FROM c;
	BEGIN;
	UPDATE t SET v = v || n, k = k + 1 WHERE k % 13 = 5;
	DELETE FROM t WHERE k % 7 = 3;
	COMMIT;
	BEGIN; DELETE FROM t; ROLLBACK;
	INSERT INTO t(k, v) SELECT k, hex(v) FROM t WHERE n % 3 = 1;
	VACUUM;
	UPDATE t SET v = 'short' WHERE n % 5 = 2;
	DELETE FROM t WHERE n > 7000;
	PRAGMA wal_checkpoint;
	PRAGMA integrity_check;
	EOF
}

# All that is in a database, in one number.
dump() { # FILE
	stock "$1" .dump | cksum
}

work_sql 4096 delete | sqlite3 -batch stock.db >log 2>errors ||
	fail 'the stock VFS' log errors
expected=$(dump stock.db)

does_work() { # WAY PAGE-SIZE JOURNAL-MODE PARAMETERS
	rm -f w.db*
	what="$1, $2 bytes, $3, $4"
	work_sql "$2" "$3" "$level" | "$1" "w.db?mpio_cache=1M&$4" ||
		fail "$what" log errors
	tail -n 1 log | grep -qx ok || fail "$what" log errors
	whole w.db "$what"
	[ "$(dump w.db)" = "$expected" ] || fail "$what: other rows"
	[ $(($(wc -c <w.db) % $2)) -eq 0 ] || fail "$what: the file's size"
}

level=FULL
for mode in delete wal; do
	does_work ours 4096 $mode mpio_direct=0
done
level=OFF # which costs no time, and no other step
for mode in delete truncate persist wal; do
	does_work ours 4096 $mode mpio_direct=0
	does_work loaded 1024 $mode mpio_direct=1
done
for size in 512 16384 65536; do
	does_work ours $size delete mpio_direct=1
	does_work loaded $size wal mpio_direct=0
done
for backend in posix threads libaio io_uring file; do
	for direct in 0 1; do
		parameters="mpio_backend=$backend&mpio_direct=$direct"
		echo '.tables' | ours "probe.db?$parameters"
		if grep -q 'unable to open' errors; then
			echo "skipped: no backend $backend"
			continue 2
		fi
		does_work ours 4096 wal "$parameters"
		does_work ours 4096 delete "$parameters"
	done
done
echo 'ok - create, insert, update, delete, roll back, vacuum: as the stock VFS'

# It is the VFS, and it did the work.
printf 'SELECT 1;\n.vfsname\n' | ours w.db && grep -q '^mpio/unix' log ||
	fail 'LD_PRELOAD takes no effect' log errors
echo 'SELECT sum(length(v)) FROM t; PRAGMA mpio;' | loaded w.db &&
	grep -q '^reads: [1-9]' log || fail 'nothing was read' log errors
printf 'PRAGMA mmap_size=1000000; SELECT count(*) FROM t; PRAGMA mpio;
	PRAGMA mmap_size=0; UPDATE t SET k=k+1; PRAGMA integrity_check;' |
	ours w.db && grep -q 'the default VFS does it' log &&
	tail -n 1 log | grep -qx ok || fail 'mmap' log errors
echo 'ok - it is the VFS that did it'

# What is committed is in the files, whatever becomes of the process; also when
# SQLite has changed frames that were in the log already.
for mode in delete wal; do
	rm -f c.db* copy.db*
	cat <<-EOF | ours c.db || fail 'a copy' log errors
	PRAGMA synchronous=OFF;
	PRAGMA page_size=1024;
	PRAGMA journal_mode=$mode;
	PRAGMA cache_size=10;
	CREATE TABLE t(x PRIMARY KEY);
	INSERT INTO t SELECT randomblob(800) FROM generate_series(1, 16);
	BEGIN;
	INSERT INTO t SELECT randomblob(800) FROM t;
	SAVEPOINT one;
	INSERT INTO t SELECT randomblob(800) FROM t, (VALUES(1), (2), (3));
	ROLLBACK TO one;
	INSERT INTO t SELECT randomblob(800) FROM t, (VALUES(1), (2), (3));
	COMMIT;
	.shell for name in c.db*; do cp \$name copy\${name#c}; done
	EOF
	whole copy.db "what is committed, $mode"
	[ "$(stock copy.db 'SELECT count(*) FROM t')" = 128 ] ||
		fail "what is committed is not in the file, $mode"
done
echo 'ok - what is committed is in the files'

# What was rolled back stays away from what others commit at the same place.
rm -f r.db*
cat <<-EOF | ours r.db || fail 'a log after a rollback' log errors
PRAGMA journal_mode=wal;
PRAGMA cache_size=10;
CREATE TABLE t(n INTEGER PRIMARY KEY, v);
INSERT INTO t SELECT value, printf('%.*c', 1000, 'a')
	FROM generate_series(1, 400);
BEGIN; UPDATE t SET v = printf('%.*c', 1000, 'b'); ROLLBACK;
.shell LD_PRELOAD= sqlite3 r.db "UPDATE t SET v = printf('%.*c', 1000, 'c')"
SELECT count(*) FROM t WHERE v LIKE 'c%';
.shell LD_PRELOAD= sqlite3 r.db "SELECT count(*) FROM t WHERE v LIKE 'c%'"
EOF
[ "$(tail -n 2 log | tr '\n' ' ')" = '400 400 ' ] ||
	fail 'what was rolled back is in the log' log errors
[ "$(stock r.db "SELECT count(*) FROM t WHERE v LIKE 'c%'")" = 400 ] ||
	fail 'what was rolled back is in the file' log errors
whole r.db 'a log after a rollback'
echo 'ok - what was rolled back stays away from the log'

# The time tells others when writes have ended, not only when they began.
if command -v strace >/dev/null; then
	for mode in delete wal; do
		rm -f s.db*
		echo "PRAGMA journal_mode=$mode; CREATE TABLE t(v);
			INSERT INTO t VALUES(1); PRAGMA wal_checkpoint;" |
			strace -f -y -o trace -e trace=pwrite64,utimensat \
				-E LD_PRELOAD="$preload" sqlite3 -batch \
				'file:s.db?mpio_backend=posix' >log 2>errors ||
			fail "the time, $mode" log errors
		sed -n 's/.* \([a-z]*\)[^(]*([0-9]*<[^>]*s\.db>.*/\1/p' trace |
			tail -n 1 | grep -qx utimensat ||
			fail "the time is not set after writes, $mode" trace
	done
	echo 'ok - the time is set when writes have ended'
else
	echo 'skipped: no strace'
fi

# Writes are few: a bulk insert of some 25 MB.
for mode in delete wal; do
	rm -f b.db*
	echo "PRAGMA journal_mode=$mode; CREATE TABLE t(n INTEGER PRIMARY KEY, v);
	WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM c WHERE
	x < 50000) INSERT INTO t SELECT x, randomblob(400) FROM c;
	PRAGMA wal_checkpoint; PRAGMA mpio;" | ours b.db ||
		fail 'bulk insert' log errors
	pages=$(($(wc -c <b.db) / 4096))
	writes=$(sed -n 's/^writes: //p' log)
	[ "$writes" -gt 0 ] && [ "$writes" -le $((pages / 10)) ] ||
		fail "$writes writes of $pages pages" log
done
echo "ok - $writes writes of $pages pages"

# ---- What is refused ----------------------------------------------------

refused() { # PARAMETERS
	echo 'SELECT 1 FROM t;' | ours "w.db?$1"
	grep -q 'unable to open' errors || fail "$1 is not refused" log errors
	whole w.db "$1"
}
for bad in mpio_cache=1 mpio_cache=x mpio_direct=2 mpio_backend=floppy \
	mpio_readahead=-1 mpio_device=nonsense:1 mpio_device=posix:missing; do
	refused "$bad"
done
export MPIOVFS=cache=64M\&speed=1
refused mpio_direct=0
unset MPIOVFS
head -c 4000 /dev/urandom >noise.db
echo 'SELECT * FROM t;' | ours noise.db
grep -q 'not a database' errors || fail 'noise is a database' log errors
echo 'INSERT INTO t(k) VALUES(1);' | ours 'w.db?mode=ro'
grep -q 'readonly' errors || fail 'read-only' log errors
echo 'SELECT 1;' | ours '/dev/null?mode=ro' || fail 'no file' log errors
if unshare -m true 2>/dev/null; then
	echo 'SELECT count(*) > 1 FROM t; PRAGMA mpio;' >proc.sql
	LD_PRELOAD=$preload unshare -m sh -c \
		'mount -t tmpfs none /proc && sqlite3 -batch file:w.db <proc.sql' \
		>log 2>errors && grep -qx 1 log && grep -q 'default VFS' log ||
		fail 'no /proc' log errors
fi
echo 'ok - bad options, noise, and writes to what is read-only are refused'

# ---- A raw device -------------------------------------------------------

truncate -s 8M raw.img
raw="raw.db?mpio_device=posix:$work/raw.img"
does_raw() {
	work_sql 4096 "$1" | ours "$raw" && tail -n 1 log | grep -qx ok &&
		echo 'SELECT count(*), sum(n) FROM t; DROP TABLE t;' |
		loaded "$raw" || fail "a raw device, $1" log errors
	[ "$(cat log)" = "$(stock stock.db 'SELECT count(*), sum(n) FROM t')" ] ||
		fail "a raw device, $1: other rows" log errors
}
does_raw delete
does_raw wal
echo 'PRAGMA mmap_size=1000000; CREATE TABLE m(v); INSERT INTO m VALUES(1);
	SELECT count(*) FROM m; DROP TABLE m;' | ours "$raw" &&
	[ "$(tail -n 1 log)" = 1 ] || fail 'a raw device, mmap' log errors
[ ! -s raw.db ] || fail 'a raw device: the file beside it'
echo 'PRAGMA journal_mode=delete; CREATE TABLE f(v); INSERT INTO f
	VALUES(zeroblob(9000000));' | ours "$raw"
grep -q 'full' errors || fail 'a raw device that is full' log errors
echo 'PRAGMA integrity_check;' | ours "$raw" && grep -qx ok log ||
	fail 'a raw device after it was full' log errors
cp w.db foreign.img
echo 'SELECT 1;' | ours "f.db?mpio_device=posix:$work/foreign.img"
grep -q 'unable to open' errors && cmp -s w.db foreign.img ||
	fail 'a device with something else on it' log errors
echo 'CREATE TABLE d(v);' | ours "$raw" &&
	dd if=/dev/urandom of=raw.img bs=1 seek=16 count=32 conv=notrunc 2>dd.log &&
	dd if=/dev/urandom of=raw.img bs=1 seek=4112 count=32 conv=notrunc \
		2>dd.log || fail 'a raw device to be spoilt' log errors dd.log
echo 'CREATE TABLE e(v);' | ours "$raw"
grep -q 'unable to open' errors ||
	fail 'a device without a whole superblock' log errors
truncate -s 8M one.img two.img
for other in "one.db?mpio_device=posix:$work/two.img" one.db \
	"two.db?mpio_device=posix:$work/one.img"; do
	printf 'CREATE TABLE IF NOT EXISTS d(v);\n.connection 1\n.open file:%s\n' \
		"$other" >other.sql
	echo 'CREATE TABLE e(v);' >>other.sql
	ours "one.db?mpio_device=posix:$work/one.img" <other.sql
	grep -q 'unable to open' errors ||
		fail "one device and another, $other" log errors
done
echo 'ok - a database on a raw device'

# ---- A disk that is full ------------------------------------------------

mkdir full
if mount -t tmpfs -o size=6m none full 2>/dev/null; then
	mounted=yes
	for mode in delete wal; do
		rm -f full/*
		echo "PRAGMA journal_mode=$mode; CREATE TABLE t(v);
		INSERT INTO t VALUES('kept'); INSERT INTO t
		VALUES(zeroblob(7000000));" | ours full/f.db
		grep -q 'full' errors || fail "a full disk, $mode" log errors
		whole full/f.db "a full disk, $mode"
		echo "SELECT count(*) FROM t; INSERT INTO t VALUES('more');
		SELECT count(*) FROM t;" | ours full/f.db &&
			[ "$(tr '\n' ' ' <log)" = '1 2 ' ] ||
			fail "after a full disk, $mode" log errors
	done
	# It is told to whom it concerns.
	rm -f full/*
	cat <<-EOF | ours full/f.db || :
	.bail off
	PRAGMA journal_mode=memory;
	CREATE TABLE t(v);
	.connection 1
	.open file:full/f.db
	PRAGMA journal_mode=memory;
	SELECT count(*) FROM t;
	.connection 0
	INSERT INTO t VALUES(zeroblob(7000000));
	.connection 1
	INSERT INTO t VALUES('more');
	SELECT 'rows', count(*) FROM t;
	EOF
	grep -q 'full' errors && grep -q '^rows|1' log ||
		fail 'a full disk is told to another connection' log errors
	# Where mmap is asked for, or about, in a transaction, nothing of it is
	# lost, though there is no room to write it back.
	for limit in '' =1000000; do
		for mode in delete memory; do
			rm -f full/*
			cat <<-EOF | ours full/f.db || :
			.bail off
			PRAGMA journal_mode=$mode;
			PRAGMA cache_size=20;
			CREATE TABLE t(n INTEGER PRIMARY KEY, v);
			BEGIN;
			INSERT INTO t(v) SELECT randomblob(1500)
				FROM generate_series(1, 1000);
			.shell dd if=/dev/zero of=full/fill bs=4k 2>/dev/null
			.shell dd if=/dev/zero of=full/rest bs=1 2>/dev/null
			PRAGMA mmap_size$limit;
			.shell rm full/fill full/rest
			INSERT INTO t(v) SELECT randomblob(1500)
				FROM generate_series(1, 20);
			COMMIT;
			SELECT 'rows', count(*) FROM t;
			EOF
			grep -q '^rows|1020' log ||
				fail "a full disk, mmap$limit, $mode" log errors
			whole full/f.db "a full disk, mmap$limit, $mode"
		done
	done
	# A checkpoint, whole or in part, that finds no room leaves the log as it
	# is, also where SQLite syncs nothing.
	for old in 'SELECT 1' 'BEGIN; SELECT 1 FROM t'; do
		rm -f full/*
		cat <<-EOF | ours full/f.db || :
		.bail off
		PRAGMA journal_mode=wal;
		PRAGMA wal_autocheckpoint=0;
		PRAGMA synchronous=OFF;
		CREATE TABLE t(v);
		PRAGMA wal_checkpoint;
		INSERT INTO t SELECT zeroblob(1000)
			FROM generate_series(1, 1000);
		.connection 1
		.open file:full/f.db
		$old;
		.connection 0
		INSERT INTO t VALUES('more');
		.shell dd if=/dev/zero of=full/fill bs=4k 2>/dev/null
		PRAGMA wal_checkpoint;
		.shell rm full/fill
		EOF
		grep -q 'full' errors ||
			fail 'a checkpoint on a full disk' log errors
		[ "$(stock full/f.db 'SELECT count(*) FROM t')" = 1001 ] ||
			fail 'after a checkpoint on a full disk' log errors
		whole full/f.db 'a checkpoint on a full disk'
	done
	umount full
	mounted=
	echo 'ok - a disk that is full'
else
	echo 'skipped: no tmpfs can be mounted'
fi

# ---- In one process -----------------------------------------------------

mkdir inside
timeout 60 "$build/mpiovfs-inside" inside || fail 'in one process'

# ---- Four processes at once ---------------------------------------------

add_sql() {
	echo '.timeout 30000'
	i=0
	while [ $i -lt 60 ]; do
		echo "BEGIN IMMEDIATE; UPDATE c SET n = n + 1;
		INSERT INTO t SELECT n, printf('%.*c', n % 900, 'x') FROM c;
		COMMIT; SELECT count(*) = max(n) FROM t;"
		i=$((i + 1))
	done
}
for mode in delete wal; do
	rm -f p.db*
	stock p.db "PRAGMA journal_mode=$mode; CREATE TABLE c(n); INSERT INTO c
		VALUES(0); CREATE TABLE t(n INTEGER PRIMARY KEY, v);" >log
	add_sql >add.sql
	for way in 1 2 3 4; do
		case $way in
		1 | 2)
			LD_PRELOAD=$preload timeout 60 sqlite3 -batch \
				"file:p.db?mpio_direct=$((way - 1))" <add.sql
			;;
		*) timeout 60 sqlite3 -batch p.db <add.sql ;;
		esac >log.$way 2>errors.$way &
	done
	wait
	for way in 1 2 3 4; do
		[ "$(grep -c '^1$' log.$way)" -eq 60 ] ||
			fail "four processes, $mode" log.$way errors.$way
	done
	whole p.db "four processes, $mode"
	[ "$(stock p.db 'SELECT c.n, count(*) FROM c, t')" = '240|240' ] ||
		fail "four processes, $mode: other rows"
done
echo 'ok - four processes at once, half of them on the stock VFS'

# ---- kill -9 ------------------------------------------------------------

# Transaction k sets one row of 40, and says k when it is done.
kill_sql() { # FROM
	echo "PRAGMA synchronous=$2; PRAGMA cache_size=10;"
	awk -v k="$1" 'BEGIN { for (i = 1; i <= 2000; i++) { k++;
		printf "BEGIN; UPDATE t SET v = printf(\"%%.*c\", %d, \"y\") " \
		"WHERE n %% 3 = %d; UPDATE k SET k = %d; COMMIT; " \
		"SELECT k FROM k;\n", k * 37 % 4000, k % 3, k } }'
}
kills=${KILLS:-100}
i=0
while [ $i -lt "$kills" ]; do
	case $((i % 4)) in
	0) mode=delete level=FULL ;;
	1) mode=wal level=NORMAL ;;
	2) mode=persist level=OFF ;;
	3) mode=wal level=OFF ;;
	esac
	if [ ! -f k.db ] || [ $((i % 20)) -lt 4 ]; then
		rm -f k.db*
		stock k.db "PRAGMA synchronous=OFF; CREATE TABLE k(k); INSERT INTO k VALUES(0);
		CREATE TABLE t(n, v); WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL
		SELECT x + 1 FROM c WHERE x < 40) INSERT INTO t SELECT x, '' FROM c;"
	fi
	stock k.db "PRAGMA synchronous=OFF; PRAGMA journal_mode=$mode" >log
	before=$(stock k.db 'SELECT k FROM k')
	kill_sql "$before" $level >kill.sql
	if [ $((i % 3)) -eq 0 ]; then
		{
			printf '.load %s\n.open k.db\n' "$load"
			cat kill.sql
		} >kill.load
		sqlite3 -batch <kill.load >said 2>errors &
	else
		LD_PRELOAD=$preload sqlite3 -batch \
			"file:k.db?mpio_direct=$((i % 2))" \
			<kill.sql >said 2>errors &
	fi
	pid=$!
	# Not before it has begun, but for some.
	tries=0
	while [ $((i % 10)) -ne 9 ] && [ $tries -lt 100 ] &&
		! grep -q '^[0-9]' said; do
		sleep 0.01
		tries=$((tries + 1))
	done
	sleep "0.0$((i * 7 % 5))"
	kill -9 $pid
	wait $pid 2>/dev/null
	after=$(stock k.db 'SELECT k FROM k')
	promised=$(tail -n 1 said)
	whole k.db "kill $i, $mode, $level"
	case $promised in '' | *[!0-9]*) promised=$before ;; esac
	[ "$after" -ge "$promised" ] && [ "$after" -le $((promised + 1)) ] ||
		fail "kill $i, $mode, $level: $after, and $promised was promised"
	[ "$after" -eq "$before" ] || killed=$((${killed:-0} + 1))
	i=$((i + 1))
done 2>/dev/null
[ "${killed:-0}" -ge $((kills / 2)) ] || fail "only ${killed:-0} kills hit work"
echo "ok - $kills times kill -9, $killed of them after commits"

# ---- The power cut ------------------------------------------------------

# Its journals need no disk: what is durable is for the simulated one to say.
shared=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d -p "$work")
timeout 60 "$build/mpiovfs-power" "$shared" || fail 'the power cut'
