/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the VFS know of each other.
 *
 *     vfs.c        the VFS: opening, and what is handed on to the default one
 *     methods.c    a connection: locks, and all that SQLite says
 *     bytes.c      its bytes, in and out of the cache
 *     database.c   what all connections of a process to one file share: device,
 *                  queue, cache; bytes in and out
 *     plain.c      where blocks lie in a plain file, and who else has changed it
 *     raw.c        the same in a device: a partition, or a simulated disk
 *     options.c    URI parameters
 *     log.c        the write-ahead log, its writes gathered
 *     loadable.c   the ways into programs that know nothing of it
 *
 *     connection  connection        one each sqlite3_file
 *          \        /
 *          database                 one each inode, with a lock
 *          /   |   \
 *     store  cache  queue -> device
 */
#ifndef MPIOVFS_PRIVATE_H
#define MPIOVFS_PRIVATE_H

#ifdef MPIOVFS_LOADABLE
#include <sqlite3ext.h>
extern const sqlite3_api_routines *sqlite3_api;
#else
#include <sqlite3.h>
#endif

#include "mpiovfs.h"

#include <mpio/file.h>
#include <mpio/frames.h>
#include <mpio/mpio.h>
#include <mpio/open.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- Options ------------------------------------------------------------ */

struct options {
	char backend[16];   /* empty: the best that works */
	char device[512];   /* URI, or a lent device's name; empty: none */
	uint64_t cache;     /* bytes */
	uint64_t readahead; /* bytes, of the largest window */
	bool direct;
};

/* Those of the environment, and then those of a database's name. false: one
 * cannot be read, which was logged. */
bool options_read(struct options *options, const char *name);

/* ---- Where a database lies ---------------------------------------------- */

struct database;
struct connection;

/* All are called with the database's lock held. Results: 0 or a negative
 * errno. */
struct store_ops {
	int (*get_block)(struct mpio_mapping *mapping, struct mpio_page *page,
			 uint64_t block, uint32_t flags,
			 struct mpio_extent *extent);
	/* Whether others may have changed it since it was last looked at, and
	 * how large it is now; nothing is dirty. */
	int (*look)(struct database *database, bool *changed, uint64_t *size);
	/* All that was dirty is written: make the size what it is to be. */
	int (*settle)(struct database *database);
	/* The size moves down. */
	int (*cut)(struct connection *connection, uint64_t size);
	int (*flush)(struct connection *connection, int flags);
	/* There is to be room up to here. */
	int (*reserve)(struct database *database, uint64_t end);
};

extern const struct store_ops plain_ops;
extern const struct store_ops raw_ops;

/* When a plain file was last looked at; see plain.c. */
struct stamp {
	uint64_t size;
	int64_t mtime, ctime; /* ns */
	uint8_t counter[22];  /* of page 1, or zeros */
	bool known;
	bool settled; /* a change would have another time */
};

/* ---- Databases ---------------------------------------------------------- */

struct database {
	struct database *next;
	dev_t dev;
	ino_t ino;
	pid_t process;      /* that opened it */
	char name[512];     /* of the device, or empty */
	unsigned int users; /* connections */
	pthread_mutex_t lock;

	int fd;        /* of the plain file, or of what stands for the device */
	bool writable; /* the device is */
	bool lent;     /* the device is the program's */

	const struct store_ops *ops;
	struct mpio_device *device; /* NULL: all is left to the default VFS */
	struct mpio_queue *queue;
	struct mpio_cache *cache;
	struct mpio_cache_mapping mapping;
	struct mpio_mapping_ops mapping_ops;
	struct mpio_allocator allocator;
	struct mpio_frames frames;
	uint64_t readahead;

	uint64_t size; /* bytes; mapping.size is that in whole blocks */
	bool dirty;    /* something is to be written back, */
	const struct connection *writer; /* by who has written last */
	bool gathers;      /* a commit or checkpoint is going on, */
	bool checkpoints;  /* a checkpoint; */
	bool through;      /* but each of its writes has to go at once */
	int failed;        /* 0, or what SQLite was not told of the last one */
	uint64_t written;  /* bytes, since something was to be written back, */
	uint64_t held;     /* and of them those that are not yet */
	uint64_t reserved; /* bytes; up to here there is room; 0: who knows */
	uint64_t piece;    /* bytes; of the next reservation */
	bool reserves;     /* there was one */
	struct stamp stamp;
	uint64_t generation; /* of a device's superblock */

	/* Moves when the lock of the log's writer is taken or given up here; odd
	 * while it is held. */
	atomic_uint log_turn;
};

/* The database of a file, its device open. SQLITE_OK, or an error; NOTFOUND:
 * it is none of ours. */
int database_open(const char *path, bool writable,
		  const struct options *options, struct database **database);
/* That of a file that is open, with one user more; or NULL. */
struct database *database_find(const char *path);
/* One user less. */
void database_close(struct database *database);
/* It was opened before this process came out of fork(), which has no use of it:
 * not its ring, not its threads, not what it has not yet written. */
bool database_is_strange(const struct database *database);
/* Keep the list whole over fork(); once. */
void database_survive_fork(void);
/* Write back what exiting would lose. */
void database_rescue(void);

/* The device that was lent by that name, or NULL. */
struct mpio_device *lent_device(const char *name);

static inline uint64_t round_up(const struct database *database, uint64_t size)
{
	uint64_t mask = database->mapping.mapping.block_size - UINT64_C(1);

	return (size + mask) & ~mask;
}

/* ---- Connections -------------------------------------------------------- */

/* A VFS has one size for all its files. Of ours, the first bytes are this VFS's,
 * and behind them comes the default VFS's own file. */
#define FILE_ROOM 128

/* An open main database file. */
struct connection {
	sqlite3_file base;
	sqlite3_file *real;
	struct database *database; /* NULL: all is left to `real` */
	struct mpio_file *file;
	int level;      /* SQLITE_LOCK_* */
	int error;      /* the last errno */
	int unseen;     /* SQLITE_*: what the next read has to tell */
	int sync_flags; /* of the sync going on; 0: only write back */
	bool mapped;    /* mmap is on: `real` does everything */
	bool logs;      /* it has the lock of the log's writer */
};

/* Of one whose file below has methods of that version. */
const sqlite3_io_methods *connection_methods(int version);

/* A write-ahead log on top of the default VFS's file, which is open. */
void log_init(sqlite3_file *file, sqlite3_file *real, const char *name);

int connection_attach(struct connection *connection);
void connection_detach(struct connection *connection);

/*
 * What follows is called with the database's lock held, and gives SQLITE_*
 * results.
 */
/* Whether others have changed the file; if so, forget what is cached. */
int connection_look(struct connection *connection);
/* Write back; with flags of xSync, make it durable, too. */
int connection_sync(struct connection *connection, int sync_flags);
/* Write back, if it was this one that wrote: others will read. */
void connection_publish(struct connection *connection);
int connection_read(struct connection *connection, void *buffer, int n,
		    uint64_t pos);
int connection_write(struct connection *connection, const void *bytes, int n,
		     uint64_t pos);
int connection_truncate(struct connection *connection, uint64_t size);
void connection_begin_checkpoint(struct connection *connection);
void connection_end_checkpoint(struct connection *connection);
/* The default VFS may have made the file longer. */
void connection_see_size(struct connection *connection);

/* An errno of libmpio as an error of SQLite. */
int sqlite_error(struct connection *connection, int error, int otherwise);

#endif
