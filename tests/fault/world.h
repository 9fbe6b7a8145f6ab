/* SPDX-License-Identifier: MIT */
/*
 * A world: what a scenario comes to in memory, and what is known about it.
 *
 *     world_new      lay it out, once for each scenario
 *     world_reset    all as at the beginning; nothing has been counted
 *     world_open     open the queues
 *     world_run      do the scenario's operation
 *     world_drain    wait for all that was started
 *     world_check    what must hold after any fault (check.c)
 *     world_settle   do what is left, so that all worlds end alike
 *     world_close    close the queues
 *
 * world.c lays out and resets, world_life.c has the rest. The engine's side, a
 * mapping's operations, stands in engine.c.
 */
#ifndef FAULT_WORLD_H
#define FAULT_WORLD_H

#include "scenario.h"

#define FRAMES_MAX 40u
#define BLOCKS_MAX 160u
#define RAWS_MAX 24u
#define SECTORS_MAX 512u
#define STATE_WORDS 2u
#define SECTOR 512u

/* Blocks of this world at the end of device 0, for metadata. */
#define METADATA_BLOCK(world)                                                  \
	((world)->devices[0].device.size / (world)->mapping.block_size - 1)

/* Where a block of the file lies now. */
struct place {
	enum run_kind kind;
	uint32_t block;
	uint32_t device;
	bool boundary;  /* the last one of a run that ends there */
	bool fresh;     /* was allocated when it was written */
	bool announced; /* by new_blocks */
};

/* An engine's descriptor of a page. */
struct frame {
	struct mpio_page page;
	uint64_t state[STATE_WORDS];
	unsigned char *shadow; /* as it leaves, if sealed */
	uint32_t generation;   /* of its bytes, if written */
	uint32_t handed;       /* how often it went to a read, */
	uint32_t read_ends;    /* and came back */
	uint32_t dirtied;      /* how often it became dirty, */
	uint32_t write_ends;   /* and was written, or was tried to */
	bool dirty_again;      /* became dirty while it is written */
	uint32_t accounted;
	bool redirtied; /* by HOOK_REDIRTY; once is enough */
	int status;     /* of the last end */
	int failure;    /* of the last end that had one */
};

struct raw {
	struct raw_io io;
	unsigned char *data;
	uint32_t started;
	uint32_t ends;
	int status;
};

/* What an allocator of this world has given out. */
struct heap {
	struct injector *injector;
	uint32_t calls;
	uint32_t blocks; /* now */
	size_t bytes;
};

struct world {
	const struct scenario *scenario;
	enum mock_mode mode; /* the scenario's, or another */
	struct injector injector;
	struct mock devices[DEVICES];
	uint32_t device_count;
	struct mpio_queue *queues[DEVICES];
	struct heap heap;
	struct mpio_allocator allocator;
	void *memory[DEVICES]; /* of the queues, if not the allocator's */
	size_t memory_size[DEVICES];

	struct mpio_mapping_ops ops;
	struct mpio_mapping mapping;
	struct mpio_errseq since; /* a cursor in its error sequence */
	struct place places[BLOCKS_MAX];
	uint32_t block_count; /* of all pages, those past the end too */
	struct frame frames[FRAMES_MAX];
	uint32_t frame_count;
	struct raw raws[RAWS_MAX];
	size_t raw_count;

	/* The engine's read_end, where an operation has its own around it. */
	void (*read_end)(struct mpio_mapping *mapping, struct mpio_page *page,
			 int status);
	/* Called at the end of each callback; NULL: nobody meddles. */
	void (*meddle)(struct world *world);
	/* Answers in get_block's place, where the injector says so. */
	void (*lie)(struct world *world, uint64_t wanted,
		    struct mpio_extent *extent);
	struct mpio_page *lied_page; /* that it was about */
	uint64_t lied_block;
	uint64_t lied_end;

	/* What came of it so far. */
	int returned;         /* the operation's */
	uint32_t page_errors; /* pages that ended with an error */
	uint32_t raw_errors;
	uint32_t write_errors; /* of the page errors */
	uint32_t hook_calls;

	/* How it was at first. */
	struct place places0[BLOCKS_MAX];
	unsigned char *disk0[DEVICES];
	unsigned char *arena0;
	unsigned char *model;             /* what reading all pages gives */
	bool owned[DEVICES][SECTORS_MAX]; /* may be written */

	/* How it is now. */
	unsigned char *disk[DEVICES];
	unsigned char *durable[DEVICES];
	unsigned char *arena; /* the pages' memory, with gaps */
	unsigned char *shadows;
	unsigned char *raw_memory;
	size_t arena_size;
	size_t raw_size;
};

/* Tags of bytes, so that no two things look alike. */
enum tag {
	TAG_DEVICE, /* and 1 for the second */
	TAG_INLINE = 8,
	TAG_METADATA,
	TAG_PAGE = 16, /* plus the generation */
	TAG_RAW = 32   /* plus the index */
};

/* The byte that belongs at a place. */
unsigned char content(uint32_t tag, uint64_t at);
/* What a sealed page's byte looks like on the device. */
unsigned char sealed(const struct world *world, unsigned char byte);

struct world *world_new(const struct scenario *scenario, enum mock_mode mode);
void world_free(struct world *world);
void world_reset(struct world *world, const struct fault *fault, uint64_t n);
int world_open(struct world *world);
/* How a queue of it is opened. */
struct mpio_queue_config world_config(const struct world *world,
				      uint32_t index);
void world_run(struct world *world);
void world_drain(struct world *world);
/* Its holder looks for errors, is told them once, and goes on. */
void world_forgive(struct world *world);
void world_settle(struct world *world);
void world_close(struct world *world);

/* The engine: fill in the mapping's operations (engine.c). */
void engine_init(struct world *world);
struct world *world_of(const struct mpio_mapping *mapping);
struct frame *frame_of(struct mpio_page *page);
/* Fill a page with the bytes of its next generation, and call it dirty. */
void frame_dirty(struct world *world, struct frame *frame);

/* A bio of its own, waited for; its status. */
int do_raw(struct mpio_queue *queue, enum mpio_bio_op op, uint64_t offset,
	   void *data, uint32_t length);

/* Pages, bios and calls that ended with an error. */
uint32_t world_errors(const struct world *world);

/* What must hold of each write, before it is done (check.c). */
void check_write(void *ctx, struct mock *mock, uint64_t offset,
		 uint32_t length);
/* What must hold when nothing is in flight (check.c). */
void world_check(const struct world *world);
/* All bios are back; the queues are open. */
void world_check_pools(struct world *world);

/* Images, bytes and states, to be compared with another world (check.c). */
struct snapshot;
struct snapshot *snapshot_take(const struct world *world);
void snapshot_free(struct snapshot *snapshot);
void snapshot_compare(const struct world *world,
		      const struct snapshot *snapshot);

#endif
