/* SPDX-License-Identifier: MIT */
/*
 * What the unit tests share: a rig of two mock devices, a queue or two, and a
 * mock engine with a block map and pages. A test sets the rig's fields, opens
 * it, uses the library, and compares what happened with a line of text:
 *
 *     map_blocks(rig, 0, 4, 100);
 *     add_pages(rig, 0, 4, 1);
 *     assert_int_equal(read_all(rig, 0), 1);
 *     assert_trace(rig, "map 0+4, read 100+4");
 *     assert_page(rig, 0, "a100 a101 a102 a103");
 *
 * The devices hold the library to its promises (mpio/device.h), the engine to
 * the rules for pages; what they find is trouble, and fails the test at its
 * end, as does a page that was not finished exactly once, a leak, or memory
 * asked for between opening a queue and closing it.
 *
 * Everything is counted in blocks of BLOCK bytes. Memory and disks are known
 * by what is in them, block by block:
 *
 *     a100, b100   what device a or b held there at first
 *     f3           what the engine wrote into block 3 of the mapping
 *     0            zeros          ?  never touched     i  put by get_block
 *     a100/512     the first 512 bytes of it, then zeros
 */
#ifndef MOCK_H
#define MOCK_H

#include <mpio/mpio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BLOCK 1024u
#define DISK_BLOCKS 1024u
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct rig;

/* ---- Devices ------------------------------------------------------------ */

/* Something that goes wrong with I/Os that touch some blocks. */
struct mock_fault {
	uint64_t block;
	uint64_t count; /* blocks */
	int status;     /* what they end with; 0: they come short */
	uint32_t done;  /* bytes that a short one moves */
	uint32_t times; /* so many of them; 0: all */
	uint32_t op;    /* 1 << enum mpio_bio_op; 0: reads and writes */
	bool is_over;
};

struct mock_device {
	struct mpio_device device; /* its limits and size may be changed */
	struct rig *rig;
	unsigned char *disk;
	char name; /* 'a' or 'b' */

	/* How it behaves. */
	bool asynchronous; /* set by mock_asynchronous() */
	bool lifo;         /* the last that was pushed ends first */
	bool slow;         /* ends something only when waited for */
	bool prompt;       /* ends all in commit */
	uint32_t reap_max; /* most that end in one reap; 0: all */
	uint32_t refuse;   /* so many submits are refused, with `refusal` */
	int refusal;
	int reap_error;     /* what reap returns, having done nothing */
	uint32_t lapses;    /* so many reaps fail with -MPIO_EREMOTEIO */
	int open_error;     /* what channel_open returns */
	int fd;             /* what event_fd returns */
	int register_error; /* what register_memory returns */
	struct mock_fault faults[16];
	uint32_t fault_count;

	/* What it has seen. */
	uint32_t depth;    /* asked for by channel_open */
	uint32_t channels; /* open now */
	uint32_t small;    /* I/Os in bios with little room */
	uint32_t large;
	struct mpio_bio *pending[256]; /* taken and not ended */
	uint32_t pending_count;
	uint32_t pending_most; /* at once */
	uint32_t pushed;       /* of them, by commit */
	void *registered;
	size_t registered_length;
};

void mock_init(struct mock_device *mock, struct rig *rig, char name);
void mock_free(struct mock_device *mock);
/* From now on bios end in reap, after they were pushed by commit. */
void mock_asynchronous(struct mock_device *mock);
/* It can cancel what was pushed, or take note of memory. */
void mock_cancelling(struct mock_device *mock);
void mock_registering(struct mock_device *mock);
/* I/Os on some blocks fail; the fault, for more. */
struct mock_fault *mock_fail(struct mock_device *mock, uint64_t block,
			     uint64_t count, int status);

/* ---- The engine --------------------------------------------------------- */

/* A run of blocks in the map. */
struct mock_extent {
	uint64_t first; /* blocks of the mapping */
	uint64_t count;
	uint64_t block; /* on the device */
	uint32_t flags; /* boundary: of its last block. New: unless CREATE
			 * has had a block, that is a hole. */
	int error;      /* what get_block returns instead */
	uint64_t cookie;
	struct mpio_queue *queue;
};

struct frame {
	struct mpio_page page; /* first */
	uint64_t bits[4];
	bool own_memory;
	uint32_t handed; /* so often to a read */
	uint32_t reads;  /* ends of them */
	uint32_t writes; /* ends of write-back */
	int status;      /* of the last end */
};

/* A bio of the test's own, without pages. */
struct mock_io {
	struct mpio_bio *bio; /* put back at its end */
	unsigned char *memory;
	bool submitted;
	uint32_t ends;
	int status;
};

/* What goes into the trace. */
#define WATCH_MAP (1u << 0)    /* map 0+4, alloc 0+4 */
#define WATCH_IO (1u << 1)     /* read 100+4, b:write 8+1, flush */
#define WATCH_HOOKS (1u << 2)  /* other callbacks, if set in rig->ops */
#define WATCH_END (1u << 3)    /* read_end 0, write_end 0:-5, end_io 0 */
#define WATCH_FLAGS (1u << 4)  /* read 100+4 sync */
#define WATCH_PIECES (1u << 5) /* read 100+4 in 2 */
#define WATCH_CALLS (1u << 6)  /* commit, reap, wait, refuse, cancel */

struct rig {
	struct mock_device a;
	struct mock_device b;
	bool two; /* open `other`, too */
	struct mpio_queue_config config;
	struct mpio_queue *queue; /* leads to a */
	struct mpio_queue *other; /* leads to b, of the same group */

	struct mpio_mapping mapping; /* its host is the rig */
	struct mpio_mapping_ops ops;
	struct mock_extent map[64];
	uint32_t map_count;
	bool allocated[DISK_BLOCKS]; /* blocks of the mapping */
	uint64_t answer_max;         /* most blocks in an answer; 0: any */
	bool holes_untold;           /* a hole's length is not told */
	/* Instead of the map. */
	int (*answer)(struct rig *rig, uint64_t block, uint32_t flags,
		      struct mpio_extent *extent);
	/* Before get_block does anything. */
	void (*before_map)(struct rig *rig, uint64_t block);
	/* At the end of read_end and write_end. */
	void (*after_end)(struct rig *rig, struct frame *frame);
	int hook_error; /* what verify and written return */
	bool (*is_valid)(struct rig *rig, uint64_t cookie);
	size_t names_max; /* most pages that next_dirty names; 0: any */

	struct frame frames[600];
	uint32_t frame_count;
	bool together; /* memory of pages lies together */
	unsigned char *arena;
	size_t arena_used;

	struct mock_io ios[64];
	uint32_t io_count;

	uint32_t watch;
	char trace[16384];
	char trouble[512];
	struct mpio_allocator allocator;
	size_t allocated_bytes;
	bool no_memory;
	bool is_open;
};

/* For cmocka: the state is the rig. */
int rig_set_up(void **state);
int rig_tear_down(void **state);
#define RIG_TEST(name)                                                         \
	cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

void rig_open(struct rig *rig);
void rig_engine_init(struct rig *rig); /* by rig_set_up() */

/* Blocks lie on the device from `block` on; the extent, for more. */
struct mock_extent *map_blocks(struct rig *rig, uint64_t first, uint64_t count,
			       uint64_t block);

/* Pages of `blocks` blocks each, behind each other from a block on. */
void add_pages(struct rig *rig, uint64_t first_block, uint32_t blocks,
	       uint32_t pages);
struct mpio_page *page_at(struct rig *rig, uint32_t index);
/* Give a page per-block state. */
void give_bits(struct rig *rig, uint32_t index);
/* Fill blocks with f-bytes, and make them uptodate but not dirty. */
void fill_blocks(struct rig *rig, uint32_t index, uint32_t first, uint32_t n);
/* Fill blocks, or a whole page, and make them dirty. */
void dirty_blocks(struct rig *rig, uint32_t index, uint32_t first, uint32_t n);
void dirty_page(struct rig *rig, uint32_t index);
void dirty_all(struct rig *rig);

/* Lock pages and hand them to mpio_readahead(). */
int read_pages(struct rig *rig, uint32_t first, uint32_t n, uint32_t flags);
int read_all(struct rig *rig, uint32_t flags);
int write_all(struct rig *rig, enum mpio_sync_mode mode);
int sync_all(struct rig *rig);

/* What most tests begin with: pages that lie from device block 100 on. */
void open_with_pages(struct rig *rig, uint32_t blocks, uint32_t pages);
/* The same on a device that ends bios only when it is waited for. */
void open_slow(struct rig *rig, uint32_t blocks, uint32_t pages);

/* Bios by hand; what is written are f-bytes by the block of the device. */
struct mock_io *make_io(struct rig *rig, struct mpio_queue *queue,
			enum mpio_bio_op op, uint32_t flags, uint64_t block,
			uint32_t count);
struct mock_io *start_io(struct rig *rig, struct mpio_queue *queue,
			 enum mpio_bio_op op, uint32_t flags, uint64_t block,
			 uint32_t count);
void submit_io(struct mock_io *io);

/* Hooks, to be put into rig->ops. */
void rig_new_blocks(struct mpio_mapping *mapping, struct mpio_queue *queue,
		    uint64_t block, uint64_t count);
void rig_boundary(struct mpio_mapping *mapping, struct mpio_queue *queue,
		  uint64_t block);
int rig_written(struct mpio_mapping *mapping, uint64_t pos, uint32_t length,
		struct mpio_queue *queue, uint64_t offset);
void rig_account(struct mpio_mapping *mapping, struct mpio_page *page,
		 uint32_t bytes);
int rig_verify(struct mpio_mapping *mapping, struct mpio_page *page);
bool rig_still_valid(struct mpio_mapping *mapping,
		     const struct mpio_extent *extent);

/* ---- What happened ------------------------------------------------------ */

void trace(struct rig *rig, uint32_t kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void trouble(struct rig *rig, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
uint32_t index_of(const struct rig *rig, const struct mpio_page *page);

/* Compare, and forget, what happened since the last time. */
#define assert_trace(rig, expected)                                            \
	assert_trace_at(rig, expected, __FILE__, __LINE__)
/* Words in this order: locked uptodate dirty writeback error mapped towrite
 * atomic; or 'none'. */
#define assert_flags(rig, index, expected)                                     \
	assert_flags_at(rig, index, expected, __FILE__, __LINE__)
#define assert_page(rig, index, expected)                                      \
	assert_data_at(page_at(rig, index)->data, expected, __FILE__, __LINE__)
#define assert_data(memory, expected)                                          \
	assert_data_at(memory, expected, __FILE__, __LINE__)
#define assert_disk(mock, block, expected)                                     \
	assert_data_at((mock)->disk + (block)*BLOCK, expected, __FILE__,       \
		       __LINE__)
/* A letter a block: u uptodate, d dirty (and uptodate), - neither, x dirty and
 * not uptodate. */
#define assert_bits(rig, index, expected)                                      \
	assert_bits_at(rig, index, expected, __FILE__, __LINE__)

/* What a page ended with the last time. */
#define assert_status(rig, index, expected)                                    \
	assert_int_equal((rig)->frames[index].status, expected)

void assert_trace_at(struct rig *rig, const char *expected, const char *file,
		     int line);
void assert_flags_at(struct rig *rig, uint32_t index, const char *expected,
		     const char *file, int line);
void assert_data_at(const void *memory, const char *expected, const char *file,
		    int line);
void assert_bits_at(struct rig *rig, uint32_t index, const char *expected,
		    const char *file, int line);

/* Bytes by their place. */
void pattern_fill(unsigned char *memory, char name, uint64_t offset,
		  size_t length);

#endif
