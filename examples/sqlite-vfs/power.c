/* SPDX-License-Identifier: MIT */
/*
 * The power fails at each write and each flush of a small workload, on a
 * simulated disk: is every transaction that SQLite has promised there, and is
 * the database whole?
 *
 *     mpiovfs-power DIRECTORY [CUTS-AT-MOST]
 *
 * The database lies on the disk, by the VFS's raw device. Its journal is a file
 * of the default VFS, which knows no power cuts; so what it is when the power
 * fails is kept, once as it is, and once as it was when it was last synced.
 * With each of both every database that the cut may leave is recovered.
 */
#include "mpiovfs.h"

#include <mpio/mpio.h>
#include <mpio/open.h>
#include <mpio/simdisk.h>

#include <sqlite3.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRANSACTIONS 6u
#define STATES_MOST 16u
#define DRAWN 6u
#define NAME_MAX_ 512

/* A file's bytes; NULL: there is no file. */
struct image {
	char *bytes;
	size_t size;
};

static char database_uri[NAME_MAX_ + 64];
static char journal_path[NAME_MAX_ + 16];
static const sqlite3_io_methods *journal_methods;
static sqlite3_io_methods watched_methods;
static sqlite3_vfs watching;
static sqlite3_vfs *watched;
static struct image journal_synced; /* as it was last synced */
static struct image journals[2];    /* as they were when the power failed */
static uint64_t digests[TRANSACTIONS + 1];

static _Noreturn void give_up(const char *what, const char *why)
{
	printf("FAILED: %s: %s\n", what, why);
	exit(1);
}

/* ---- The journal -------------------------------------------------------- */

static void drop(struct image *image)
{
	free(image->bytes);
	*image = (struct image){0};
}

static void load(struct image *image)
{
	FILE *file = fopen(journal_path, "rb");
	long size;

	drop(image);
	if (file == NULL)
		return;
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	image->bytes = malloc((size_t)size + 1);
	if (image->bytes == NULL)
		give_up(journal_path, "no memory");
	image->size = fread(image->bytes, 1, (size_t)size, file);
	fclose(file);
}

static void store(const struct image *image)
{
	FILE *file;

	unlink(journal_path);
	if (image->bytes == NULL)
		return;
	file = fopen(journal_path, "wb");
	if (file == NULL ||
	    fwrite(image->bytes, 1, image->size, file) != image->size)
		give_up(journal_path, "cannot be written");
	fclose(file);
}

static int sync_watched(sqlite3_file *file, int flags)
{
	int rc = journal_methods->xSync(file, flags);

	load(&journal_synced);
	return rc;
}

static int open_watched(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
			int flags, int *flags_out)
{
	int rc = watched->xOpen(watched, name, file, flags, flags_out);

	(void)vfs;
	if (rc == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_JOURNAL)) {
		journal_methods = file->pMethods;
		watched_methods = *journal_methods;
		watched_methods.xSync = sync_watched;
		file->pMethods = &watched_methods;
		drop(&journal_synced);
	}
	return rc;
}

/* The VFS under test stands on this one, which stands on the default one. */
static void watch(void)
{
	if (sqlite3_initialize() != SQLITE_OK)
		give_up("SQLite", "does not start");
	watched = sqlite3_vfs_find(NULL);
	watching = *watched;
	watching.pNext = NULL;
	watching.zName = "watching";
	watching.xOpen = open_watched;
	if (sqlite3_vfs_register(&watching, 1) != SQLITE_OK ||
	    mpiovfs_register(1) != SQLITE_OK)
		give_up("the VFS", "cannot be registered");
}

/* Sees each event of the disk. */
static void see(void *ctx, const struct mpio_sim_entry *entry)
{
	(void)ctx;
	if (entry->what != MPIO_SIM_OFF)
		return;
	load(&journals[0]);
	drop(&journals[1]);
	if (journals[0].bytes == NULL || journal_synced.bytes == NULL)
		return; /* it was deleted, or never durable */
	journals[1].bytes = malloc(journal_synced.size + 1);
	if (journals[1].bytes == NULL)
		give_up(journal_path, "no memory");
	memcpy(journals[1].bytes, journal_synced.bytes, journal_synced.size);
	journals[1].size = journal_synced.size;
}

/* ---- The workload ------------------------------------------------------- */

static sqlite3 *open_database(void)
{
	sqlite3 *db;

	if (sqlite3_open_v2(database_uri, &db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
				    SQLITE_OPEN_URI,
			    NULL) != SQLITE_OK)
		give_up(database_uri, sqlite3_errmsg(db));
	return db;
}

/* Transaction k adds rows, changes some that were there, and drops others. */
static bool transact(sqlite3 *db, unsigned int k)
{
	char *sql;
	int rc;

	if (k == 1)
		sql = sqlite3_mprintf(
			"BEGIN; CREATE TABLE t(n INTEGER PRIMARY KEY, v BLOB);"
			"CREATE INDEX i ON t(v);"
			"INSERT INTO t VALUES(1, zeroblob(100)); COMMIT;");
	else
		sql = sqlite3_mprintf(
			"BEGIN; WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL "
			"SELECT x + 1 FROM c WHERE x < 12) INSERT INTO t "
			"SELECT %u * 100 + x, CAST(printf('%%.*c%%u', x * 70, "
			"'a', %u + x) AS BLOB) FROM c; UPDATE t SET v = v || "
			"'%u' WHERE n %% 5 = %u; DELETE FROM t WHERE n %% 11 = "
			"%u; COMMIT;",
			k, k, k, k % 5, k % 11);
	rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
	sqlite3_free(sql);
	return rc == SQLITE_OK;
}

static int add_to_digest(void *ctx, int n, char **values, char **names)
{
	uint64_t *digest = ctx;

	(void)names;
	for (int i = 0; i < n; i++) {
		for (const char *at = values[i]; at != NULL && *at; at++)
			*digest = (*digest ^ (unsigned char)*at) *
				  UINT64_C(0x100000001b3);
	}
	return 0;
}

/* What the database holds, in a number; 0: it cannot be read. */
static uint64_t digest_of(sqlite3 *db)
{
	uint64_t digest = UINT64_C(0xcbf29ce484222325);

	if (sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema",
			 add_to_digest, &digest, NULL) != SQLITE_OK)
		return 0;
	(void)sqlite3_exec(db, "SELECT n, hex(v) FROM t ORDER BY n",
			   add_to_digest, &digest, NULL);
	return digest;
}

/* Do transactions until one fails; how many were promised. */
static unsigned int work(sqlite3 *db, bool take_digests)
{
	unsigned int k;

	(void)sqlite3_exec(db, "PRAGMA synchronous=FULL; PRAGMA cache_size=8",
			   NULL, NULL, NULL);
	if (take_digests)
		digests[0] = digest_of(db);
	for (k = 1; k <= TRANSACTIONS; k++) {
		if (!transact(db, k))
			break;
		if (take_digests)
			digests[k] = digest_of(db);
	}
	return k - 1;
}

/* ---- Recovery ----------------------------------------------------------- */

static int is_ok(void *ctx, int n, char **values, char **names)
{
	(void)names;
	*(bool *)ctx = n == 1 && strcmp(values[0], "ok") == 0;
	return 0;
}

/* Which transaction the database is that of; -1: of none, or broken. */
static int recovered(void)
{
	sqlite3 *db = open_database();
	bool whole = false;
	uint64_t digest;
	int found = -1;

	(void)sqlite3_exec(db, "PRAGMA integrity_check", is_ok, &whole, NULL);
	digest = digest_of(db);
	for (int k = 0; k <= (int)TRANSACTIONS; k++) {
		if (whole && digest == digests[k])
			found = k;
	}
	if (!whole)
		printf("integrity_check: %s\n", sqlite3_errmsg(db));
	sqlite3_close(db);
	return found;
}

struct cut {
	struct mpio_sim *sim;
	const char *rule;
	unsigned int promised;
	unsigned int states; /* that were recovered */
};

static void recover(struct cut *cut, const struct mpio_sim_snapshot *off,
		    enum mpio_sim_cut_kind kind, uint64_t state)
{
	for (int i = 0; i < 2; i++) {
		int found;

		if (i == 1 && journals[1].bytes == NULL)
			continue;
		if (mpio_sim_restore(cut->sim, off) != 0 ||
		    mpio_sim_cut(cut->sim, kind, state) != 0)
			give_up(cut->rule, "the disk cannot be restored");
		store(&journals[i]);
		found = recovered();
		cut->states++;
		if (found >= (int)cut->promised &&
		    found <= (int)cut->promised + 1)
			continue;
		printf("FAILED: %s, state %d.%" PRIu64 ", journal %s: "
		       "transaction %d, and %u were promised\n",
		       cut->rule, (int)kind, state, i ? "as synced" : "as is",
		       found, cut->promised);
		exit(1);
	}
}

static void recover_all(struct cut *cut)
{
	struct mpio_sim_snapshot *off;
	uint64_t states = mpio_sim_cut_states(cut->sim, MPIO_SIM_WHOLE);

	if (mpio_sim_snapshot(cut->sim, &off) != 0)
		give_up(cut->rule, "no memory");
	mpio_sim_clear_rules(cut->sim);
	for (uint64_t i = 0; i < states && i < STATES_MOST; i++)
		recover(cut, off, MPIO_SIM_WHOLE, i);
	for (uint64_t i = 0; i < DRAWN; i++)
		recover(cut, off, MPIO_SIM_DRAWN, i);
	mpio_sim_forget(off);
}

/* ---- Cuts --------------------------------------------------------------- */

static struct mpio_sim *make_disk(const char *rule)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_sim_config config = {
		.allocator = &allocator,
		.size = 4u << 20,
		.seed = 1,
		.hook = see,
	};
	struct mpio_sim *sim;

	if (mpio_sim_open(&config, &sim) != 0 ||
	    (rule != NULL && mpio_sim_add_rules(sim, rule, NULL) != 0))
		give_up("the disk", "cannot be made");
	(void)mpiovfs_lend_device("disk", mpio_sim_device(sim));
	unlink(journal_path);
	drop(&journal_synced);
	return sim;
}

/* Cut at the n-th of such I/Os; how many states, 0: there is no such. */
static unsigned int cut_at(const char *event, unsigned int n)
{
	char rule[64];
	struct cut cut = {.rule = rule};
	sqlite3 *db;

	snprintf(rule, sizeof(rule), "%s:nth=%u:cut", event, n);
	cut.sim = make_disk(rule);
	db = open_database();
	cut.promised = work(db, false);
	sqlite3_close(db);
	if (mpio_sim_is_off(cut.sim))
		recover_all(&cut);
	(void)mpiovfs_lend_device("disk", NULL);
	mpio_sim_close(cut.sim);
	return cut.states;
}

static void cut_each(const char *event, unsigned int most)
{
	unsigned int cuts = 0, states = 0, more;

	while (cuts < most && (more = cut_at(event, cuts + 1)) != 0) {
		cuts++;
		states += more;
	}
	if (cuts == 0)
		give_up(event, "there was none");
	printf("ok - the power cut in each %s: %u cuts, %u states recovered\n",
	       event, cuts, states);
}

/* Nothing fails: what the database is after each transaction. */
static void learn(void)
{
	struct mpio_sim *sim = make_disk(NULL);
	sqlite3 *db = open_database();

	if (work(db, true) != TRANSACTIONS)
		give_up("the workload", sqlite3_errmsg(db));
	sqlite3_close(db);
	if (recovered() != (int)TRANSACTIONS)
		give_up("the workload", "is not there when opened again");
	(void)mpiovfs_lend_device("disk", NULL);
	mpio_sim_close(sim);
}

int main(int argc, char **argv)
{
	unsigned int most = argc > 2 ? (unsigned int)atoi(argv[2]) : UINT32_MAX;

	if (argc < 2 || strlen(argv[1]) > NAME_MAX_ - 16) {
		fprintf(stderr, "usage: mpiovfs-power DIRECTORY [CUTS]\n");
		return 2;
	}
	snprintf(database_uri, sizeof(database_uri),
		 "file:%s/power.db?mpio_device=disk", argv[1]);
	snprintf(journal_path, sizeof(journal_path), "%s/power.db-journal",
		 argv[1]);
	watch();
	learn();
	cut_each("write", most);
	cut_each("flush", most);
	return 0;
}
