/* SPDX-License-Identifier: MIT */
/*
 * What the sources of the simulation share. A seed decides everything: what the
 * disks, the queues, the cache and the files are like, what goes wrong, and
 * what is done with all of it.
 *
 *     main.c     seeds, totals, repetition
 *     memory.c   an allocator that counts, and fails
 *     faults.c   which kinds of faults a seed has
 *     volume.c   disks and filters, and what is seen of them
 *     map.c      where blocks lie: get_block
 *     world.c    one run, from the beginning to the end
 *     raw.c      bios by hand
 *     pages.c    pages of a mapping without a cache: see pages.h
 *     files.c    files in a cache
 *     cached.c   pages of the cache by hand
 *
 * What must be is known from arrays of bytes, and from what was told to whom.
 */
#ifndef SIM_H
#define SIM_H

#include "../fuzz/promises.h"

#include <mpio/cache.h>
#include <mpio/file.h>
#include <mpio/filters.h>
#include <mpio/mpio.h>
#include <mpio/simdisk.h>
#include <mpio/stream.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VOLUMES 2u
#define FILTERS 2u
#define MAP_BLOCKS 64u
#define MAP_BYTES 32768u
#define VOLUME_BLOCKS 256u
#define MAPS_BYTES (128u << 10) /* of a volume; then come raw regions */
#define RAW_COUNT 4u
#define RAW_BYTES 8192u
#define VOLUME_BYTES (MAPS_BYTES + RAW_COUNT * RAW_BYTES)

/* What a byte is that nobody has touched. */
#define UNTOUCHED 0xa5

#define CHECK FUZZ_CHECK

/* ---- Kinds of faults: a seed has some of them -------------------------- */

enum kind {
	KIND_READ,     /* reads fail */
	KIND_WRITE,    /* writes fail */
	KIND_FLUSH,    /* flushes fail */
	KIND_SHORT,    /* transfers come short */
	KIND_TORN,     /* writes fail that were done in part */
	KIND_BAD,      /* a range cannot be read */
	KIND_REFUSED,  /* I/Os are not taken */
	KIND_PASSING,  /* I/Os fail, and not when they are tried again */
	KIND_COMPLETE, /* I/Os fail that were done */
	KIND_FLIP,     /* reads are wrong, and a checksum finds out */
	KIND_DELAY,
	KIND_REORDER,
	KIND_DUP,    /* I/Os end twice */
	KIND_INLINE, /* I/Os end inside submit */
	KIND_HOLD,   /* I/Os end when they are let go */
	KIND_NEVER,  /* I/Os do not end until the power fails */
	KIND_CUT,    /* the power fails */
	KIND_MAP,    /* get_block fails */
	KIND_FULL,   /* there is no room */
	KIND_LIE,    /* get_block says what cannot be */
	KIND_HOOK,   /* other functions of the engine fail */
	KIND_MEMORY, /* there is no memory */
	KINDS
};

/* ---- A run -------------------------------------------------------------- */

struct volume {
	uint32_t index;
	struct mpio_sim *sim;
	struct mpio_faults rules;
	uint8_t rule_kinds[MPIO_FAULT_RULES_MAX]; /* enum kind */
	struct mpio_device *filters[FILTERS];     /* the lowest first */
	uint32_t filter_count;
	struct mpio_device *top;
	struct mpio_device gate; /* what the queue is opened on */
	uint64_t from;           /* bytes; where it lies on the disk */
	struct mpio_queue *queue;
	uint64_t size;       /* bytes */
	uint32_t blocks;     /* of the maps; 0 is not used */
	uint32_t used_count; /* of them */
	uint32_t used_max;   /* more are not to be had */
	uint64_t last_ended; /* id of an I/O of the disk */
	uint64_t bad_from;   /* bytes; what cannot be read */
	uint64_t bad_end;
	uint64_t seen[8]; /* bytes; where the last reads ended */
	uint32_t seen_count;
	bool isolates;              /* only pages that have some of it fail */
	const unsigned char *first; /* what it held at first */
	bool used[VOLUME_BLOCKS];
	bool ever[VOLUME_BLOCKS]; /* used once */
};

struct totals {
	uint64_t seeds;
	uint64_t operations;
	uint64_t ios;
	uint64_t kinds[KINDS]; /* how often something of it happened */
	uint64_t reordered;
	uint64_t cuts;
	uint64_t power_cycles;
	uint64_t lost_closes;
	uint64_t syncs;   /* that returned 0 */
	uint64_t durable; /* blocks found after a cut, as promised */
	uint64_t told;    /* errors told by syncs */
	uint64_t allocations;
};

struct world {
	uint64_t seed;
	uint64_t random;
	uint64_t hash;
	uint32_t kinds; /* a bit for each kind that this seed has */
	bool trace;
	bool calm;       /* nothing goes wrong now */
	bool is_stuck;   /* something may not end by itself */
	uint64_t faults; /* that there were */
	uint64_t before; /* of them, before the call going on */
	uint64_t now;    /* operations so far */
	uint32_t plugs;
	/* Geometry. */
	uint32_t sector; /* of the devices */
	uint32_t block;  /* of the maps */
	uint32_t volume_count;
	bool is_odd; /* blocks are smaller than sectors */
	struct volume volumes[VOLUMES];
};

extern struct world world;
extern struct totals totals;

/* ---- main.c: chance, and what is seen ---------------------------------- */

uint64_t sim_random(void);
uint32_t below(uint64_t limit); /* 0 if that is 0 */
bool chance(uint32_t percent);
void sim_note(uint64_t word); /* it becomes part of the hash */
#define sim_say(...)                                                           \
	do {                                                                   \
		if (world.trace)                                               \
			sim_print(__VA_ARGS__);                                \
	} while (0)
void sim_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Bytes of noise: the same in each run. */
#define NOISE_BYTES (256u << 10)
extern unsigned char sim_noise[NOISE_BYTES];

/* ---- memory.c ----------------------------------------------------------- */

extern const struct mpio_allocator sim_allocator;
void memory_begin(void);
void memory_end(void); /* nothing may be left */
void memory_fail(uint32_t thousandth);

/* ---- faults.c ----------------------------------------------------------- */

extern const char *const kind_names[KINDS];
void faults_choose(void);
bool has_kind(enum kind kind);
/* What the disk of a volume is to do, and a filter. */
void faults_make_rules(struct volume *volume);
void faults_make_filter(struct mpio_faults *faults);
/* A seed in which nothing fails but what cannot be read. */
bool faults_are_bad_blocks(void);
/* Note that something of a kind happened. */
void fault_note(enum kind kind);
/* Whether a function of the engine is to fail. */
bool fault_now(enum kind kind, uint32_t percent);
/* Rules of a disk have fired. */
void fault_note_rules(const struct volume *volume, uint32_t rules);
bool fault_is_device(int error);
/* An error that the library tries again, and nobody is told. */
bool fault_is_passing(int error);
/* An error of a call that tells what it met itself. */
void sim_allow(int error);

/* ---- volume.c ----------------------------------------------------------- */

void volume_open(struct volume *volume, uint32_t index);
void volume_close(struct volume *volume);
void volume_calm(struct volume *volume); /* nothing goes wrong any more */
void volume_peek(const struct volume *volume, uint64_t offset, void *to,
		 size_t length);
void volume_check_unused(struct volume *volume);
/* Whether one of the last reads that were sent ended there. */
bool volume_has_seen(const struct volume *volume, uint64_t end);
/* Bytes of a block that the volume has. */
uint32_t volume_length(const struct volume *volume, uint32_t block);
/* A block, most likely behind `near`; 0: there is none. */
uint32_t volume_allocate(struct volume *volume, uint32_t near);
void volume_free(struct volume *volume, uint32_t block);
bool volume_is_off(void);

/* ---- map.c -------------------------------------------------------------- */

enum place_kind { HOLE, MAPPED, UNWRITTEN, FILLED };

struct place {
	uint8_t kind; /* enum place_kind */
	uint8_t volume;
	uint8_t key; /* what its bytes were sealed with */
	uint32_t block;
};

/* Where a file lies, what it holds, and what of that is durable. */
struct map {
	struct mpio_mapping *mapping;
	uint32_t blocks;   /* most */
	uint32_t boundary; /* after each so many; 0: none */
	bool choppy;       /* answers are short */
	bool makes_unwritten;
	bool says_new;
	uint64_t size; /* bytes */
	struct place places[MAP_BLOCKS];
	bool durable[MAP_BLOCKS];    /* `synced` is on the disk */
	bool was_mapped[MAP_BLOCKS]; /* when it was synced */
	bool unsure[MAP_BLOCKS];     /* bytes may be zeros as well */
	unsigned char bytes[MAP_BYTES];
	unsigned char synced[MAP_BYTES];
	uint64_t synced_size;
	bool may_lie;      /* in the call going on */
	uint64_t lie_from; /* blocks; what the answer before said, */
	uint64_t lie_end;  /* and the device has not */
};

void map_init(struct map *map, struct mpio_mapping *mapping,
	      struct mpio_mapping_ops *ops);
/* Blocks, holes and others up to the size, and the bytes that are there. */
void map_make(struct map *map);
/* Have some blocks be filled by get_block, or be cut by the volume's end. */
void map_make_odd(struct map *map);
/* Bytes that have no place behind the volume's end become zeros. */
void map_trim(struct map *map, struct mpio_page *page);
int map_get_block(struct map *map, struct mpio_page *page, uint64_t block,
		  uint32_t flags, struct mpio_extent *extent);
int map_written(struct map *map, uint64_t pos, uint32_t length,
		struct mpio_queue *queue, uint64_t offset);
/* What is there already, as one run; false: it is not in one. */
bool map_whole(const struct map *map, const struct mpio_page *page,
	       struct mpio_extent *extent);
/* What lies behind the end is given back. */
void map_cut(struct map *map);
/* Bytes were changed: they are not durable. */
void map_touch(struct map *map, uint64_t pos, uint64_t length);
/* Compare bytes of the file with those at `is`. */
bool map_matches(const struct map *map, uint64_t pos, const unsigned char *is,
		 size_t length);
void map_check(const struct map *map, uint64_t pos, const unsigned char *is,
	       size_t length);
/* What the disks hold now is the file, as far as `end`, from a block on. */
void map_check_disk(const struct map *map, uint64_t start, uint64_t end);
/* A sync has said so. */
void map_note_synced(struct map *map, uint64_t start, uint64_t end);
/* After the power failed. */
void map_check_durable(const struct map *map);

/* ---- world.c ------------------------------------------------------------ */

void world_run(uint64_t seed, bool trace);
/* Let end what is in flight, whatever it takes. */
void world_settle(void);
/* The same, if an error may come of something that does not end. */
bool world_unstick(int error);
int world_flush(void); /* all volumes */

/* ---- The rest ----------------------------------------------------------- */

void raw_begin(void);
void raw_use(void);
bool raw_bars(void); /* others may wait behind a flush */
void raw_check_durable(void);
void raw_end(void);
void raw_seen(const struct mpio_bio *bio); /* it is sent */
void raw_flushed(void);                    /* all that has ended is durable */
/* Begin I/Os before a queue is closed; one of them never ends. */
void raw_lose_one(void);
void raw_close_too_early(void);
void raw_check_lost(void);

void pages_begin(void);
void pages_use(void);
void pages_calm(void); /* write all, and read it again */
void pages_check_durable(void);
void pages_end(void);

void files_begin(void);
void files_use(void);
void files_calm(void);
void files_check_durable(void);
void files_end(bool drop);

struct sim_file;
void cached_use(struct sim_file *file);
struct mpio_cache_mapping *file_cached(struct sim_file *file);
struct map *file_map(struct sim_file *file);
struct mpio_cache *files_cache(void);
uint32_t files_page_size(void);
/* A walk over a file has told an error that all of its holders are to hear. */
void files_owe(struct sim_file *file, int error);

#endif
