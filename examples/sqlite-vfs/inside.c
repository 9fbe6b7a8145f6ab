/* SPDX-License-Identifier: MIT */
/*
 * What the sqlite3 program does not do: several connections of one process by
 * different VFSs, fork() with databases open, files that are replaced while they
 * are opened, and a default VFS without shared memory. Other processes look by
 * the sqlite3 program.
 *
 *     mpiovfs-inside DIRECTORY
 */
#include "mpiovfs.h"

#include <sqlite3.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void fail(const char *what)
{
	printf("FAILED: %s\n", what);
	exit(1);
}

static sqlite3 *open_at(const char *name)
{
	sqlite3 *db;

	if (sqlite3_open_v2(name, &db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
				    SQLITE_OPEN_URI,
			    NULL) != SQLITE_OK)
		fail(name);
	sqlite3_busy_timeout(db, 10000);
	return db;
}

static void run(sqlite3 *db, const char *sql)
{
	char *message = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
		printf("%s\n", message);
		fail(sql);
	}
}

/* Whether another process says so: its last line. */
static bool others_say(const char *command, const char *expected)
{
	char line[256] = "";
	FILE *pipe = popen(command, "r");

	if (pipe == NULL)
		fail(command);
	while (fgets(line, sizeof(line), pipe) != NULL)
		;
	(void)pclose(pipe);
	return strncmp(line, expected, strlen(expected)) == 0;
}

/* ---- Locks -------------------------------------------------------------- */

#define OTHER_WRITES "sqlite3 l.db \"INSERT INTO t VALUES('other')\" 2>&1"

/* A connection of another VFS keeps its lock when one of ours is closed. */
static void test_locks(void)
{
	sqlite3 *stock = open_at("file:l.db?vfs=unix");
	sqlite3 *ours;

	run(stock, "CREATE TABLE t(v); BEGIN EXCLUSIVE");
	ours = open_at("file:l.db?vfs=mpio");
	sqlite3_close(ours);
	if (others_say("sqlite3 l.db 'SELECT 1 FROM t' 2>&1", "1") ||
	    !others_say(OTHER_WRITES, "Error"))
		fail("a lock is gone");
	run(stock, "COMMIT");
	sqlite3_close(stock);
	ours = open_at("file:l.db?vfs=mpio");
	run(ours, "INSERT INTO t VALUES('ours')");
	sqlite3_close(ours);
	puts("ok - locks by another VFS outlive a connection");
}

/* ---- fork() ------------------------------------------------------------- */

#define ROWS                                                                   \
	"WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM c "     \
	"WHERE x < 2000) INSERT INTO t SELECT x, printf('%.*c', 1000, 'a'), "  \
	"0 FROM c;"
#define ADD "UPDATE t SET k = k + 1 WHERE n % 10 = 3; SELECT sum(k) FROM t;"

/* The child has connections of its own, to this file and to another one. */
static _Noreturn void be_child(const char *name, int wait_for)
{
	sqlite3 *db = open_at("file:other.db?vfs=mpio");
	char byte;

	run(db, "CREATE TABLE t(v)");
	sqlite3_close(db);
	(void)!read(wait_for, &byte, 1); /* until the parent goes on */
	db = open_at(name);
	run(db, ADD ADD);
	sqlite3_close(db);
	exit(0);
}

static void test_fork(const char *name)
{
	sqlite3 *db = open_at(name);
	int ends[2], status;
	pid_t child;

	run(db,
	    "PRAGMA synchronous=OFF; PRAGMA cache_size=10; DROP TABLE IF "
	    "EXISTS t; CREATE TABLE t(n INTEGER PRIMARY KEY, v, k);" ROWS ADD);
	fflush(stdout);
	if (pipe(ends) != 0)
		fail("pipe");
	child = fork();
	if (child == 0) {
		alarm(20);
		close(ends[1]);
		be_child(name, ends[0]);
	}
	close(ends[1]);
	run(db, ADD);
	if (waitpid(child, &status, 0) != child || status != 0)
		fail("a child after fork()");
	close(ends[0]);
	sqlite3_close(db);
	if (!others_say("sqlite3 f.db 'PRAGMA integrity_check' 2>&1", "ok") ||
	    !others_say("sqlite3 f.db 'SELECT sum(k) FROM t' 2>&1", "800"))
		fail("what parent and child wrote");
	unlink("other.db");
}

/* A child that was forked inside a transaction, and exits when it is over. */
static void test_exit(void)
{
	sqlite3 *db = open_at("file:e.db?vfs=mpio");
	int ends[2];
	pid_t child;

	run(db,
	    "PRAGMA cache_size=10; CREATE TABLE t(n INTEGER PRIMARY KEY, v, "
	    "k);" ROWS "BEGIN; UPDATE t SET v = printf('%.*c', 1000, 'b')");
	fflush(stdout);
	if (pipe(ends) != 0)
		fail("pipe");
	child = fork();
	if (child == 0) {
		char byte;

		close(ends[1]);
		sqlite3_close(open_at("file:other.db?vfs=mpio"));
		(void)!read(ends[0], &byte, 1);
		exit(0);
	}
	run(db, "COMMIT; UPDATE t SET v = printf('%.*c', 1000, 'c')");
	sqlite3_close(db);
	close(ends[1]);
	(void)waitpid(child, NULL, 0);
	close(ends[0]);
	if (!others_say("sqlite3 e.db \"SELECT count(*) FROM t WHERE v LIKE "
			"'c%'\" 2>&1",
			"2000"))
		fail("a child has written what its parent held");
}

/* ---- Another VFS below -------------------------------------------------- */

static void put_below(sqlite3_vfs *vfs)
{
	sqlite3_vfs_unregister(sqlite3_vfs_find("mpio"));
	sqlite3_vfs_register(vfs, 1);
	if (mpiovfs_register(1) != SQLITE_OK)
		fail(vfs->zName);
}

static sqlite3_vfs stock;

/* Another file takes its name when the database has just been opened. */
static int open_and_replace(sqlite3_vfs *vfs, const char *name,
			    sqlite3_file *file, int flags, int *flags_out)
{
	int rc = stock.xOpen(vfs, name, file, flags, flags_out);

	if (flags & SQLITE_OPEN_MAIN_DB)
		(void)rename("new.db", "old.db");
	return rc;
}

static int is_old(void *right, int n, char **values, char **names)
{
	(void)names;
	*(bool *)right = n == 1 && strcmp(values[0], "old") == 0;
	return 0;
}

/* What is read is what is locked. */
static void test_replaced(void)
{
	sqlite3_vfs *unix_vfs = sqlite3_vfs_find("unix"), replacing;
	bool right = false;
	sqlite3 *db;

	db = open_at("file:old.db?vfs=unix");
	run(db, "CREATE TABLE t(v); INSERT INTO t VALUES('old')");
	sqlite3_close(db);
	db = open_at("file:new.db?vfs=unix");
	run(db, "CREATE TABLE t(v); INSERT INTO t VALUES('new')");
	sqlite3_close(db);
	stock = replacing = *unix_vfs;
	replacing.zName = "replacing";
	replacing.xOpen = open_and_replace;
	put_below(&replacing);
	db = open_at("file:old.db?vfs=mpio");
	if (sqlite3_exec(db, "SELECT v FROM t", is_old, &right, NULL) !=
		    SQLITE_OK ||
	    !right)
		fail("a database that is replaced while it is opened");
	sqlite3_close(db);
	put_below(unix_vfs);
	sqlite3_vfs_unregister(&replacing);
}

static int count_files(void)
{
	DIR *listing = opendir("/proc/self/fd");
	int count = 0;

	while (listing != NULL && readdir(listing) != NULL)
		count++;
	if (listing != NULL)
		(void)closedir(listing);
	return count;
}

/* One name is that of the one file and of the other, by turns. */
static _Noreturn void take_turns(void)
{
	for (;;)
		(void)renameat2(AT_FDCWD, "turns.db", AT_FDCWD, "next.db",
				RENAME_EXCHANGE);
}

/* No descriptor is left, whichever of them is met by whom. */
static void test_turns(void)
{
	sqlite3 *held = open_at("file:held.db?vfs=mpio");
	sqlite3 *db = open_at("file:free.db?vfs=mpio");
	pid_t child;
	int before;

	run(held, "CREATE TABLE t(v)");
	run(db, "CREATE TABLE t(v)");
	sqlite3_close(db);
	if (link("held.db", "turns.db") != 0 || link("free.db", "next.db") != 0)
		fail("link");
	before = count_files();
	fflush(stdout);
	child = fork();
	if (child == 0)
		take_turns();
	for (int i = 0; i < 3000; i++) {
		if (sqlite3_open_v2("turns.db", &db, SQLITE_OPEN_READWRITE,
				    "mpio") == SQLITE_OK)
			(void)sqlite3_exec(db, "SELECT * FROM t", NULL, NULL,
					   NULL);
		sqlite3_close(db);
	}
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	if (count_files() > before)
		fail("descriptors are left of files that took turns");
	sqlite3_close(held);
	puts("ok - files that are replaced while they are opened");
}

static void test_dotfile(void)
{
	sqlite3 *db;

	put_below(sqlite3_vfs_find("unix-dotfile"));
	db = open_at("d.db");
	run(db, "CREATE TABLE t(v); INSERT INTO t VALUES(1); PRAGMA "
		"journal_mode=wal; PRAGMA mmap_size=1000000; SELECT * FROM t");
	sqlite3_close(db);
	puts("ok - on a VFS without shared memory");
}

int main(int argc, char **argv)
{
	static const char *const names[] = {
		"file:f.db?vfs=mpio&mpio_backend=posix",
		"file:f.db?vfs=mpio&mpio_backend=threads",
		"file:f.db?vfs=mpio",
	};

	if (argc != 2 || chdir(argv[1]) != 0) {
		fprintf(stderr, "usage: mpiovfs-inside DIRECTORY\n");
		return 1;
	}
	if (sqlite3_initialize() != SQLITE_OK ||
	    mpiovfs_register(0) != SQLITE_OK)
		fail("mpiovfs_register");
	test_locks();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		test_fork(names[i]);
	test_exit();
	puts("ok - fork() with databases open");
	test_replaced();
	test_turns();
	test_dotfile();
	return 0;
}
