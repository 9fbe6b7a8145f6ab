/* SPDX-License-Identifier: MIT */
/*
 * What a file handle reads ahead: which bytes the device is asked for, and
 * when. A file lies on the device as it is, so that each I/O tells its place in
 * the file. A demand read is an I/O that is sent while the reader is at its
 * bytes: he waits for it. All others were sent before he came, ahead; and each
 * page of those that nobody comes to was read in vain.
 */
#include <mpio/file.h>
#include <mpio/open.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)
#define PAGE (4 * KIB)
#define FILE_BYTES (256 * MIB)
#define PAGES (FILE_BYTES / PAGE)
#define PENDING_MAX 64u
/* Random places are before this one, and what is read from there ends before
 * the next one: there nothing is cached. */
#define JUMPS (192 * MIB)
#define QUIET (225 * MIB)

/* In a cache that is large beside the file much is there already, by chance. */
#define FEW_FRAMES 1024u

/* What is in vain at most: a quarter, and so much once. */
#define ALLOWANCE (512 * KIB)

struct rig {
	struct mpio_device device; /* first */
	struct mpio_bio *pending[PENDING_MAX];
	uint32_t pending_count;
	bool slow;      /* ends one, the oldest, for who waits */
	uint32_t alone; /* so often it was the only one */
	struct mpio_cache_mapping mapping;
	struct mpio_cache *cache;
	struct mpio_queue *queue;
	struct mpio_file file;
	uint64_t seed;

	/* The read going on. */
	uint64_t pos;
	uint64_t end;

	/* What the device has seen. */
	uint32_t ios;
	uint32_t demands;
	uint64_t bytes;
	uint64_t ahead;             /* bytes, in pages */
	uint64_t wanted;            /* of them */
	uint64_t last;              /* byte that was read, and 1 */
	unsigned char early[PAGES]; /* was read ahead; nobody came yet */
};

/* ---- The device and the engine ------------------------------------------ */

static void note_read(struct rig *rig, const struct mpio_bio *bio)
{
	uint64_t end = bio->offset + bio->length;

	rig->ios++;
	rig->bytes += bio->length;
	rig->last = end > rig->last ? end : rig->last;
	if (bio->offset < rig->end && end > rig->pos)
		rig->demands++;
	for (uint64_t at = bio->offset; at < end; at += PAGE) {
		bool early = at >= rig->end || at + PAGE <= rig->pos;

		rig->early[at / PAGE] = early;
		rig->ahead += early * PAGE;
	}
}

static int submit(struct mpio_device *device, void *channel,
		  struct mpio_bio *bio)
{
	struct rig *rig = (struct rig *)device;

	(void)channel;
	assert_in_range(rig->pending_count, 0, PENDING_MAX - 1);
	if (bio->op == MPIO_BIO_READ)
		note_read(rig, bio);
	rig->pending[rig->pending_count++] = bio;
	return 0;
}

/* The bytes do not matter here. */
static int reap(struct mpio_device *device, void *channel, int wait)
{
	struct rig *rig = (struct rig *)device;
	int n = (int)rig->pending_count;

	(void)channel;
	if (rig->slow && wait == 0)
		return 0;
	if (rig->slow && n > 0) {
		struct mpio_bio *bio = rig->pending[0];

		rig->alone += n == 1;
		memmove(rig->pending, rig->pending + 1,
			--rig->pending_count * sizeof(rig->pending[0]));
		mpio_bio_end(bio, 0);
		return 1;
	}
	while (rig->pending_count != 0)
		mpio_bio_end(rig->pending[--rig->pending_count], 0);
	return n;
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	(void)mapping;
	(void)page;
	(void)flags;
	extent->flags = MPIO_EXTENT_MAPPED;
	extent->block = block;
	return 0;
}

static const struct mpio_mapping_ops ops = {.get_block = get_block};

/* ---- The rig ------------------------------------------------------------ */

static struct rig *open_rig(uint32_t frames, uint32_t bytes_max,
			    const struct mpio_file_config *config)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config queue_config = {
		.bytes_max = bytes_max,
		.allocator = &allocator,
	};
	struct mpio_cache_config cache_config = {
		.frame_count = frames,
		.allocator = &allocator,
	};
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig->device = (struct mpio_device){
		.ops = {.submit = submit, .reap = reap},
		.size = FILE_BYTES,
	};
	assert_int_equal(
		mpio_queue_open(&rig->device, &queue_config, &rig->queue), 0);
	assert_int_equal(mpio_cache_open(&cache_config, &rig->cache), 0);
	rig->mapping.mapping = (struct mpio_mapping){
		.ops = &ops,
		.block_size = 512,
		.size = FILE_BYTES,
	};
	assert_int_equal(mpio_cache_attach(rig->cache, &rig->mapping), 0);
	assert_int_equal(
		mpio_file_open(&rig->file, &rig->mapping, rig->queue, config),
		0);
	return rig;
}

static void close_rig(struct rig *rig)
{
	mpio_file_close(&rig->file);
	assert_int_equal(mpio_cache_detach(&rig->mapping, rig->queue), 0);
	mpio_cache_close(rig->cache);
	mpio_queue_close(rig->queue);
	free(rig);
}

/* Read, and tell how much was read ahead meanwhile. */
static uint64_t read_at(struct rig *rig, uint64_t pos, uint64_t length)
{
	static unsigned char buffer[4 * 1024 * 1024];
	uint64_t size = mpio_file_size(&rig->file);
	uint64_t before = mpio_file_stats(&rig->file).ahead;
	uint64_t left = pos < size ? size - pos : 0;

	assert_in_range(length, 1, sizeof(buffer));
	if (left > length)
		left = length;
	rig->pos = pos;
	rig->end = pos + left;
	assert_int_equal(
		mpio_file_read(&rig->file, buffer, (size_t)length, pos), left);
	for (uint64_t at = pos / PAGE; at * PAGE < pos + left; at++) {
		rig->wanted += rig->early[at] * PAGE;
		rig->early[at] = 0;
	}
	rig->pos = rig->end = 0;
	mpio_queue_poll(rig->queue);
	return mpio_file_stats(&rig->file).ahead - before;
}

static void read_run(struct rig *rig, uint64_t from, uint64_t to,
		     uint64_t length)
{
	for (uint64_t pos = from; pos < to; pos += length)
		read_at(rig, pos, length);
}

/* Let nobody know of what was before, but the handle. */
static void forget_counts(struct rig *rig)
{
	rig->ios = 0;
	rig->demands = 0;
	rig->bytes = 0;
}

static uint64_t next_random(struct rig *rig)
{
	rig->seed ^= rig->seed << 13;
	rig->seed ^= rig->seed >> 7;
	rig->seed ^= rig->seed << 17;
	return rig->seed >> 11;
}

static void seed(struct rig *rig)
{
	const char *text = getenv("MPIO_SEED");

	rig->seed = text != NULL ? strtoull(text, NULL, 0)
				 : (uint64_t)time(NULL) * 2654435761u;
	rig->seed |= 1;
	print_message("MPIO_SEED=%" PRIu64 "\n", rig->seed);
}

/* ---- Windows ------------------------------------------------------------ */

/* Windows of a sequential run, in KiB; the last goes on. */
static void assert_windows(struct rig *rig, uint64_t pos, uint64_t length,
			   const uint32_t *expected, size_t count)
{
	size_t n = 0;

	for (uint64_t end = pos + 4 * MIB; pos < end; pos += length) {
		uint64_t bytes = read_at(rig, pos, length);

		if (bytes == 0)
			continue;
		/* The rest of a page that was begun counts, too. */
		assert_int_equal(bytes / PAGE, expected[n] * KIB / PAGE);
		n += n + 1 < count;
	}
	assert_int_equal(n, count - 1);
}

static void windows_double_from_the_beginning_of_the_file(void **state)
{
	static const uint32_t expected[] = {32, 64, 128, 256};
	struct rig *rig = open_rig(8192, 0, NULL);

	(void)state;
	assert_windows(rig, 0, 4 * KIB, expected, 4);
	assert_int_equal(rig->demands, 1);
	close_rig(rig);
}

static void elsewhere_from_the_third_read_on(void **state)
{
	static const uint32_t expected[] = {32, 64, 128, 256};
	struct rig *rig = open_rig(8192, 0, NULL);

	(void)state;
	assert_int_equal(read_at(rig, 20 * MIB, 4 * KIB), 0);
	assert_int_equal(read_at(rig, 20 * MIB + 4 * KIB, 4 * KIB), 0);
	assert_int_equal(rig->ios, 2);
	assert_windows(rig, 20 * MIB + 8 * KIB, 4 * KIB, expected, 4);
	assert_int_equal(rig->demands, 3);
	close_rig(rig);
}

static void small_reads_count_as_reads(void **state)
{
	static const uint32_t expected[] = {32, 64, 128, 256};
	struct rig *rig = open_rig(8192, 0, NULL);

	(void)state;
	read_run(rig, 20 * MIB, 20 * MIB + 200, 100);
	assert_int_equal(rig->ahead, 0);
	assert_windows(rig, 20 * MIB + 200, 100, expected, 4);
	close_rig(rig);
}

static void the_configuration_sets_them(void **state)
{
	static const uint32_t expected[] = {16, 32, 64};
	static const uint32_t fixed[] = {64};
	struct mpio_file_config config = {
		.readahead_min = 16 * KIB,
		.readahead_max = 64 * KIB - 100, /* goes up to pages */
	};
	struct rig *rig = open_rig(8192, 0, &config);

	(void)state;
	assert_windows(rig, 0, 4 * KIB, expected, 3);
	close_rig(rig);
	config.readahead_min = config.readahead_max;
	rig = open_rig(8192, 0, &config);
	assert_windows(rig, 0, 4 * KIB, fixed, 1);
	close_rig(rig);
}

static void they_are_no_larger_than_a_bio(void **state)
{
	static const uint32_t expected[] = {32, 64};
	struct rig *rig = open_rig(8192, 64 * KIB, NULL);

	(void)state;
	assert_windows(rig, 0, 4 * KIB, expected, 2);
	close_rig(rig);
}

static void nor_than_an_eighth_of_the_cache(void **state)
{
	static const uint32_t expected[] = {32, 64};
	static const uint32_t smaller[] = {8};
	struct rig *rig = open_rig(128, 0, NULL);

	(void)state;
	assert_windows(rig, 0, 4 * KIB, expected, 2);
	close_rig(rig);
	rig = open_rig(16, 0, NULL);
	assert_windows(rig, 0, 4 * KIB, smaller, 1);
	close_rig(rig);
}

/* ---- In time ------------------------------------------------------------ */

static void a_sequential_reader_waits_for_the_first_alone(void **state)
{
	static const uint64_t lengths[] = {
		100, 4 * KIB, 5000, 16 * KIB, 64 * KIB, 100 * KIB, 128 * KIB};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct rig *rig = open_rig(2048, 0, NULL);

		read_run(rig, 0, 8 * MIB, lengths[i]);
		assert_int_equal(rig->demands, 1);
		assert_in_range(rig->ios, 8 * MIB / (256 * KIB),
				8 * MIB / (256 * KIB) + 4);
		/* No byte twice, and not much behind. */
		assert_in_range(rig->bytes, 8 * MIB,
				8 * MIB + 2 * 256 * KIB + lengths[i]);
		close_rig(rig);
	}
}

static void so_in_the_midst_of_the_file(void **state)
{
	struct rig *rig = open_rig(2048, 0, NULL);

	(void)state;
	read_run(rig, 20 * MIB, 28 * MIB, 64 * KIB);
	assert_in_range(rig->demands, 1, 3);
	close_rig(rig);
}

/* Runs of 60 pages, and `left_out` ones between. Returns how many were. */
static uint64_t read_with_gaps(struct rig *rig, uint64_t left_out)
{
	uint64_t n = 0;

	for (uint64_t pos = 0; pos < 8 * MIB; pos += (60 + left_out) * PAGE) {
		read_run(rig, pos, pos + 60 * PAGE, PAGE);
		n += left_out;
	}
	return n - left_out; /* none behind the last run */
}

static void a_reader_may_leave_out_a_few_pages(void **state)
{
	(void)state;
	for (uint64_t left_out = 1; left_out <= 4; left_out++) {
		struct rig *rig = open_rig(2048, 0, NULL);
		uint64_t pages = read_with_gaps(rig, left_out);
		struct mpio_file_stats stats = mpio_file_stats(&rig->file);

		assert_int_equal(rig->demands, 1);
		assert_in_range(rig->ios, 8 * MIB / (256 * KIB),
				8 * MIB / (256 * KIB) + 5);
		/* Nobody wanted those. */
		assert_in_range(stats.wanted, 7 * MIB,
				stats.ahead - pages * PAGE);
		close_rig(rig);
	}
}

/* However long it went on before: what is left out stays below a quarter. */
static void who_leaves_out_most_gets_less_and_less(void **state)
{
	struct rig *rig = open_rig(2048, 0, NULL);
	struct mpio_file_stats stats;

	(void)state;
	rig->slow = true;
	read_run(rig, 0, 8 * MIB, PAGE);
	for (uint64_t pos = 8 * MIB; pos < FILE_BYTES; pos += 5 * PAGE)
		read_at(rig, pos, PAGE);
	stats = mpio_file_stats(&rig->file);
	assert_in_range(stats.ahead - stats.wanted, 1, stats.ahead / 4);
	close_rig(rig);
}

static void who_leaves_out_more_is_somewhere_else(void **state)
{
	struct rig *rig = open_rig(2048, 0, NULL);

	(void)state;
	read_with_gaps(rig, 5);
	assert_in_range(rig->demands, 100, 2048);
	close_rig(rig);
}

/* Larger than any window: two pieces of it are on their way at once. */
static void a_reader_of_large_pieces_reads_no_byte_twice(void **state)
{
	struct rig *rig = open_rig(4096, 0, NULL);

	(void)state;
	read_run(rig, 0, 32 * MIB, MIB);
	assert_in_range(rig->bytes, 32 * MIB, 33 * MIB);
	assert_in_range(rig->ios, 32, 32 * MIB / (256 * KIB) + 8);
	close_rig(rig);
}

static void interleave(uint32_t readers, uint64_t distance, uint64_t length)
{
	struct rig *rig = open_rig(8192, 0, NULL);

	for (uint64_t pos = 0; pos < 3 * MIB; pos += length) {
		/* So far apart, and each a little further. */
		for (uint32_t i = 0; i < readers; i++)
			read_at(rig, i * distance + i * i * 5 * PAGE + pos,
				length);
		/* Some of them have to wait for the ledger. */
		if (pos < MIB && pos + length >= MIB) {
			assert_in_range(rig->demands, readers, 6 * readers);
			rig->demands = 0;
		}
	}
	assert_int_equal(rig->demands, 0);
	assert_in_range(rig->bytes, readers * 3 * MIB,
			readers * (3 * MIB + 2 * 256 * KIB));
	close_rig(rig);
}

static void two_readers_are_told_apart(void **state)
{
	(void)state;
	interleave(2, 20 * MIB, 4 * KIB);
	interleave(2, 20 * MIB, 64 * KIB);
}

static void so_are_eight(void **state)
{
	(void)state;
	interleave(8, 20 * MIB, 4 * KIB);
	interleave(8, 20 * MIB, 20 * KIB);
	interleave(8, 4 * MIB, 64 * KIB);
}

static void and_eight_in_any_order(void **state)
{
	struct rig *rig = open_rig(8192, 0, NULL);
	uint64_t at[8] = {0};
	uint64_t sum = 0;

	(void)state;
	seed(rig);
	for (uint32_t i = 0; i < 4000; i++) {
		uint64_t reader = next_random(rig) % 8;
		uint64_t length = 1 + next_random(rig) % (16 * KIB);

		read_at(rig,
			reader * 30 * MIB + reader * reader * PAGE + at[reader],
			length);
		at[reader] += length;
		sum += length;
	}
	assert_in_range(rig->demands, 8, 32);
	assert_in_range(rig->bytes, sum, sum + 8 * 2 * 256 * KIB + 8 * PAGE);
	close_rig(rig);
}

/* Their places are as far from each other as steps are. */
static void eight_at_even_distances_are_still_sequential(void **state)
{
	struct rig *rig = open_rig(8192, 0, NULL);

	(void)state;
	for (uint64_t pos = 0; pos < 2 * MIB; pos += 16 * KIB) {
		for (uint32_t i = 0; i < 8; i++)
			read_at(rig, i * 20 * MIB + pos, 16 * KIB);
	}
	assert_in_range(rig->demands, 8, 128 * 8 / 10);
	assert_in_range(rig->ahead - rig->wanted, 0,
			rig->ahead / 4 + ALLOWANCE);
	close_rig(rig);
}

/* ---- Patterns ----------------------------------------------------------- */

static void steps_are_read_ahead(void **state)
{
	struct rig *rig = open_rig(2048, 0, NULL);

	(void)state;
	for (uint64_t i = 0; i < 400; i++)
		read_at(rig, MIB + i * 64 * KIB, 4 * KIB);
	assert_in_range(rig->demands, 3, 5);
	assert_in_range(rig->bytes, 400 * PAGE, 400 * PAGE + 2 * 256 * KIB);
	close_rig(rig);
}

static void a_window_has_64_steps_at_most(void **state)
{
	const struct mpio_file_config config = {.readahead_max = 1024 * 1024};
	struct rig *rig = open_rig(8192, 0, &config);
	uint64_t most = 0;

	(void)state;
	for (uint64_t pos = MIB; pos < 129 * MIB; pos += 64 * KIB) {
		uint64_t bytes = read_at(rig, pos, 4 * KIB);

		most = bytes > most ? bytes : most;
	}
	assert_int_equal(most, 64 * PAGE);
	close_rig(rig);
}

static void and_so_are_steps_down(void **state)
{
	struct rig *rig = open_rig(2048, 0, NULL);

	(void)state;
	for (uint64_t i = 0; i < 400; i++)
		read_at(rig, 30 * MIB - i * 64 * KIB, 4 * KIB);
	assert_in_range(rig->demands, 3, 5);
	assert_in_range(rig->bytes, 400 * PAGE, 400 * PAGE + 2 * 256 * KIB);
	close_rig(rig);
}

static void read_down(uint64_t from, uint64_t length)
{
	struct rig *rig = open_rig(2048, 0, NULL);

	for (uint64_t pos = from; pos >= length; pos -= length)
		read_at(rig, pos - length, length);
	assert_in_range(rig->demands, 1, 4);
	assert_in_range(rig->bytes, from / length * length, from);
	assert_in_range(rig->ios, from / (256 * KIB), from / (128 * KIB) + 8);
	close_rig(rig);
}

static void a_backward_scan_is_read_ahead(void **state)
{
	(void)state;
	read_down(8 * MIB, 4 * KIB);
	read_down(8 * MIB, 64 * KIB);
	read_down(8 * MIB + 3 * PAGE, 20 * KIB);
}

/* ---- The end of file ---------------------------------------------------- */

static void nothing_is_read_behind_the_end(void **state)
{
	static const uint64_t sizes[] = {1,         4 * KIB,   5000,
					 30 * KIB,  100 * KIB, 256 * KIB,
					 MIB + 100, MIB + PAGE};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct rig *rig = open_rig(2048, 0, NULL);
		uint64_t size = sizes[i];

		rig->mapping.mapping.size = size;
		read_run(rig, 0, size, 4 * KIB);
		read_at(rig, size, 4 * KIB);
		assert_int_equal(rig->last, (size + 511) / 512 * 512);
		assert_in_range(rig->bytes, size, size + 511);
		assert_true(mpio_file_stats(&rig->file).ahead <= size);
		close_rig(rig);
	}
}

static void nor_in_steps_or_backwards(void **state)
{
	struct rig *rig = open_rig(2048, 0, NULL);
	uint64_t size = 4 * MIB + 100;

	(void)state;
	rig->mapping.mapping.size = size;
	for (uint64_t pos = 0; pos < size; pos += 64 * KIB)
		read_at(rig, pos, 8 * KIB);
	assert_in_range(rig->last, size, size + 511);
	close_rig(rig);
	rig = open_rig(2048, 0, NULL);
	rig->mapping.mapping.size = size;
	for (uint64_t pos = size; pos >= 3000; pos -= 3000)
		read_at(rig, pos - 3000, 3000);
	assert_in_range(rig->last, size, size + 511);
	assert_in_range(rig->bytes, size - 3000, size + 511);
	close_rig(rig);
}

static void an_end_that_moves_up_is_followed(void **state)
{
	struct rig *rig = open_rig(2048, 0, NULL);

	(void)state;
	rig->mapping.mapping.size = 100 * KIB;
	read_run(rig, 0, 100 * KIB, 4 * KIB);
	assert_int_equal(mpio_file_truncate(&rig->file, 8 * MIB), 0);
	read_run(rig, 100 * KIB, 8 * MIB, 4 * KIB);
	assert_in_range(rig->demands, 1, 4);
	assert_in_range(rig->ios, 30, 8 * MIB / (256 * KIB) + 8);
	close_rig(rig);
}

/* ---- In vain ------------------------------------------------------------ */

/* A workload: runs of so many reads of such lengths, then a jump. */
struct workload {
	const char *name;
	uint32_t (*run)(struct rig *rig); /* how many reads */
	uint64_t length_max;
	bool any_length; /* less, too */
};

static uint32_t single(struct rig *rig)
{
	(void)rig;
	return 1;
}

static uint32_t two(struct rig *rig)
{
	(void)rig;
	return 2;
}

static uint32_t three(struct rig *rig)
{
	(void)rig;
	return 3;
}

static uint32_t four(struct rig *rig)
{
	(void)rig;
	return 4;
}

static uint32_t up_to_32(struct rig *rig)
{
	return 1 + (uint32_t)(next_random(rig) % 32);
}

static uint32_t halving(struct rig *rig)
{
	uint32_t n = 1;

	while (next_random(rig) % 4 != 0)
		n++;
	return n;
}

/* Mostly one, now and then very many. */
static uint32_t long_tail(struct rig *rig)
{
	uint32_t n = 1;

	while (n < 2048 && next_random(rig) % 2 == 0)
		n *= 2;
	return n;
}

static uint32_t one_or_100(struct rig *rig)
{
	return next_random(rig) % 4 == 0 ? 100 : 1;
}

static const struct workload workloads[] = {
	{"single reads", single, 4 * KIB, false},
	{"single large reads", single, 128 * KIB, true},
	{"two reads", two, 4 * KIB, false},
	{"three reads", three, 4 * KIB, false},
	{"four reads", four, 16 * KIB, false},
	{"up to 32 reads", up_to_32, 4 * KIB, false},
	{"up to 32 reads of any length", up_to_32, 32 * KIB, true},
	{"a few reads", halving, 4 * KIB, false},
	{"a few large reads", halving, 64 * KIB, false},
	{"few reads or very many", long_tail, 4 * KIB, false},
	{"few reads or very many, of any length", long_tail, 16 * KIB, true},
	{"one read or 100", one_or_100, 8 * KIB, false},
};

static void assert_little_in_vain(struct rig *rig, const char *name)
{
	struct mpio_file_stats stats = mpio_file_stats(&rig->file);
	uint64_t device = rig->ahead - rig->wanted;
	uint64_t told = stats.ahead - stats.wanted;

	print_message("%s: %" PRIu64 " KiB ahead, %" PRIu64
		      " in vain; told %" PRIu64 ", %" PRIu64 "\n",
		      name, rig->ahead / KIB, device / KIB, stats.ahead / KIB,
		      told / KIB);
	assert_true(stats.wanted <= stats.ahead);
	if (device > rig->ahead / 4 + ALLOWANCE)
		fail_msg("%s: of %" PRIu64 " bytes %" PRIu64 " in vain", name,
			 rig->ahead, device);
	if (told > stats.ahead / 4 + ALLOWANCE)
		fail_msg("%s: of %" PRIu64 " bytes %" PRIu64 " in vain, told",
			 name, stats.ahead, told);
}

static void do_workload(struct rig *rig, const struct workload *workload,
			uint32_t reads)
{
	while (reads != 0) {
		uint32_t n = workload->run(rig);
		uint64_t pos = next_random(rig) % (JUMPS / PAGE) * PAGE;

		for (; n != 0 && reads != 0; n--) {
			uint64_t length = workload->length_max;

			if (workload->any_length)
				length = 1 + next_random(rig) % length;
			read_at(rig, pos, length);
			pos += length;
			reads--;
		}
	}
}

static void little_is_read_in_vain(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		struct rig *rig = open_rig(FEW_FRAMES, 0, NULL);

		seed(rig);
		do_workload(rig, &workloads[i], 10000);
		assert_little_in_vain(rig, workloads[i].name);
		close_rig(rig);
	}
}

static void so_it_is_when_they_come_one_after_the_other(void **state)
{
	struct rig *rig = open_rig(FEW_FRAMES, 0, NULL);

	(void)state;
	seed(rig);
	for (uint32_t i = 0; i < 200; i++)
		do_workload(
			rig,
			&workloads[next_random(rig) %
				   (sizeof(workloads) / sizeof(workloads[0]))],
			200);
	assert_little_in_vain(rig, "all of them");
	close_rig(rig);
}

/* Scans that seem to go in steps, or backwards, and do not go on. */
static void patterns_that_end_are_guessed_little_in_vain(void **state)
{
	struct rig *rig = open_rig(FEW_FRAMES, 0, NULL);

	(void)state;
	seed(rig);
	for (uint32_t i = 0; i < 4000; i++) {
		uint64_t pos =
			32 * MIB + next_random(rig) % (100 * MIB / PAGE) * PAGE;
		uint64_t step = 1 + next_random(rig) % 40;
		uint64_t n = 1 + next_random(rig) % 6;
		bool down = next_random(rig) % 2 != 0;

		for (uint64_t j = 0; j < n; j++)
			read_at(rig,
				down ? pos - j * step * PAGE
				     : pos + j * step * PAGE,
				4 * KIB);
	}
	assert_little_in_vain(rig, "patterns that end");
	close_rig(rig);
}

/* The cache is large enough that nothing is lost before it is wanted. */
static void what_was_in_vain_does_not_keep_back_a_long_run(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		struct rig *rig = open_rig(4096, 0, NULL);
		uint64_t windows;

		seed(rig);
		do_workload(rig, &workloads[i], 5000);
		read_run(rig, QUIET, QUIET + 16 * MIB, 64 * KIB);
		forget_counts(rig);
		windows = mpio_file_stats(&rig->file).windows;
		read_run(rig, QUIET + 16 * MIB, QUIET + 24 * MIB, 64 * KIB);
		windows = mpio_file_stats(&rig->file).windows - windows;
		if (rig->demands != 0 || windows > 33)
			fail_msg("%s: %u demand reads, %" PRIu64 " windows",
				 workloads[i].name, (unsigned)rig->demands,
				 windows);
		assert_little_in_vain(rig, workloads[i].name);
		close_rig(rig);
	}
}

/* ---- Advice ------------------------------------------------------------- */

static void sequential_has_larger_windows_from_the_first_read_on(void **state)
{
	struct rig *rig = open_rig(8192, 0, NULL);
	uint64_t most = 0;

	(void)state;
	mpio_file_advise(&rig->file, 0, 0, MPIO_ADVICE_SEQUENTIAL);
	for (uint64_t pos = 40 * MIB; pos < 48 * MIB; pos += 4 * KIB) {
		uint64_t bytes = read_at(rig, pos, 4 * KIB);

		assert_true(bytes != 0 || pos != 40 * MIB);
		most = bytes > most ? bytes : most;
	}
	assert_int_equal(most, 512 * KIB);
	assert_int_equal(rig->demands, 1);
	close_rig(rig);
}

static void it_goes_against_the_ledger(void **state)
{
	struct rig *rig = open_rig(8192, 0, NULL);

	(void)state;
	seed(rig);
	do_workload(rig, &workloads[3], 5000);
	mpio_file_advise(&rig->file, 0, 0, MPIO_ADVICE_SEQUENTIAL);
	forget_counts(rig);
	read_run(rig, QUIET, QUIET + 2 * MIB, 4 * KIB);
	assert_in_range(rig->demands, 0, 1);
	close_rig(rig);
}

/* Who looks at a page again and again goes nowhere. */
static void the_same_bytes_again_are_no_sequence(void **state)
{
	struct rig *rig = open_rig(8192, 0, NULL);

	(void)state;
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(read_at(rig, QUIET, 4 * KIB), 0);
		assert_int_equal(read_at(rig, QUIET + 100, 20), 0);
	}
	/* But it is still where the next one is expected. */
	assert_int_equal(read_at(rig, QUIET + 4 * KIB, 4 * KIB), 0);
	assert_int_equal(read_at(rig, QUIET + 8 * KIB, 4 * KIB), 32 * KIB);
	close_rig(rig);
}

static void random_reads_nothing_ahead_and_normal_does_again(void **state)
{
	struct rig *rig = open_rig(8192, 0, NULL);

	(void)state;
	mpio_file_advise(&rig->file, 0, 0, MPIO_ADVICE_RANDOM);
	read_run(rig, 0, 2 * MIB, 4 * KIB);
	assert_int_equal(rig->ahead, 0);
	assert_int_equal(rig->bytes, 2 * MIB);
	assert_int_equal(mpio_file_stats(&rig->file).windows, 0);
	mpio_file_advise(&rig->file, 0, 0, MPIO_ADVICE_NORMAL);
	forget_counts(rig);
	read_run(rig, 2 * MIB, 8 * MIB, 4 * KIB);
	assert_in_range(rig->demands, 1, 3);
	close_rig(rig);
}

static void a_handle_knows_its_own_reads_alone(void **state)
{
	struct rig *rig = open_rig(8192, 0, NULL);
	struct mpio_file other;
	unsigned char byte;

	(void)state;
	assert_int_equal(
		mpio_file_open(&other, &rig->mapping, rig->queue, NULL), 0);
	read_run(rig, 0, 2 * MIB, 4 * KIB);
	assert_int_equal(mpio_file_read(&other, &byte, 1, 2 * MIB), 1);
	assert_int_equal(mpio_file_stats(&other).ahead, 0);
	mpio_file_close(&other);
	close_rig(rig);
}

static uint64_t on_its_way(const struct rig *rig)
{
	struct mpio_file_stats stats = mpio_file_stats(&rig->file);

	return stats.ahead - stats.wanted;
}

/* Two windows do for a fast device; a slow one gets up to eight in time. */
static void who_waits_for_the_device_has_more_on_its_way(void **state)
{
	struct rig *rig = open_rig(8192, 0, NULL);

	(void)state;
	read_run(rig, 0, 8 * MIB, 64 * KIB);
	assert_in_range(on_its_way(rig), 1, 2 * 256 * KIB);
	rig->slow = true;
	read_run(rig, 8 * MIB, 24 * MIB, 64 * KIB);
	assert_in_range(on_its_way(rig), 7 * 256 * KIB, 9 * 256 * KIB);
	close_rig(rig);
}

static void but_never_more_than_an_eighth_of_the_cache(void **state)
{
	struct rig *rig = open_rig(2048, 0, NULL); /* 8 MiB */

	(void)state;
	rig->slow = true;
	read_run(rig, 0, 24 * MIB, 64 * KIB);
	assert_in_range(on_its_way(rig), 768 * KIB, (1024 + 256) * KIB);
	close_rig(rig);
}

/* What is ahead of all shares it; else nobody finds what was read ahead. */
static void several_readers_do_not_drive_each_other_out(void **state)
{
	(void)state;
	for (uint64_t readers = 2; readers <= MPIO_FILE_READERS; readers *= 2) {
		struct rig *rig = open_rig(1024, 0, NULL);
		uint64_t step = FILE_BYTES / readers, most = 0;

		/* Pages that are used more than once stay. */
		for (uint32_t i = 0; i < 3; i++)
			read_run(rig, 0, 3 * MIB, 1 * MIB);
		rig->slow = true;
		rig->bytes = 0;
		for (uint64_t pos = 0; pos < 2 * MIB; pos += PAGE)
			for (uint64_t i = 0; i < readers; i++) {
				read_at(rig, i * step + 4 * MIB + pos, PAGE);
				if (on_its_way(rig) > most)
					most = on_its_way(rig);
			}
		assert_in_range(most, 1, 1024 * PAGE / 4);
		assert_in_range(rig->bytes, 1, readers * 5 * MIB / 2);
		close_rig(rig);
	}
}

/* Also if they came one after the other, and each was alone at first. */
static void who_was_alone_gives_way_to_others(void **state)
{
	struct rig *rig = open_rig(2048, 0, NULL); /* 8 MiB */
	uint64_t step = 32 * MIB, most = 0;

	(void)state;
	rig->slow = true;
	for (uint64_t i = 0; i < 4; i++)
		read_run(rig, i * step, i * step + 16 * MIB, 16 * KIB);
	for (uint64_t pos = 16 * MIB; pos < 24 * MIB; pos += 16 * KIB)
		for (uint64_t i = 0; i < 4; i++) {
			read_at(rig, i * step + pos, 16 * KIB);
			if (pos > 20 * MIB && on_its_way(rig) > most)
				most = on_its_way(rig);
		}
	assert_in_range(most, 1, 7 * MIB / 4);
	close_rig(rig);
}

/* A place of which the double is read next is no step. */
static void two_reads_are_no_steps(void **state)
{
	struct rig *rig = open_rig(2048, 0, NULL);

	(void)state;
	assert_int_equal(read_at(rig, 4 * MIB, 4 * KIB), 0);
	assert_int_equal(read_at(rig, 8 * MIB, 4 * KIB), 0);
	assert_in_range(read_at(rig, 12 * MIB, 4 * KIB), 4 * KIB, MIB);
	close_rig(rig);
}

static void steps_larger_than_a_window_are_not_read_ahead(void **state)
{
	const struct mpio_file_config config = {
		.readahead_max = 16 * 1024,
		.straight_min = UINT32_MAX,
	};
	struct rig *rig = open_rig(2048, 0, &config);

	(void)state;
	for (uint64_t i = 1; i < 20; i++)
		assert_int_equal(read_at(rig, i * 256 * KIB, 32 * KIB), 0);
	close_rig(rig);
}

/* But for the last of all. */
static void steps_down_are_read_ahead_to_the_first_byte(void **state)
{
	struct rig *rig = open_rig(2048, 0, NULL);

	(void)state;
	for (uint64_t pos = 6 * MIB; pos != 0; pos -= 64 * KIB)
		read_at(rig, pos, 4 * KIB);
	assert_in_range(rig->demands, 3, 5);
	close_rig(rig);
}

static void who_waits_in_steps_has_no_more_on_its_way(void **state)
{
	struct rig *rig = open_rig(8192, 0, NULL);

	(void)state;
	rig->slow = true;
	for (uint64_t pos = MIB; pos < 129 * MIB; pos += 64 * KIB) {
		read_at(rig, pos, 4 * KIB);
		assert_in_range(on_its_way(rig), 0, 2 * 64 * PAGE);
	}
	assert_in_range(on_its_way(rig), 1, 2 * 64 * PAGE);
	close_rig(rig);
}

/* Two pieces of a large read are on their way, each of them one I/O. */
static void only_for_the_last_piece_the_device_has_nothing_else(void **state)
{
	static const uint64_t lengths[] = {2 * MIB, 512 * KIB + PAGE};
	static const uint32_t ios[] = {8, 3};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct rig *rig = open_rig(8192, 256 * KIB, NULL);

		rig->slow = true;
		assert_int_equal(
			mpio_file_advise(&rig->file, 0, 0, MPIO_ADVICE_RANDOM),
			0);
		read_at(rig, QUIET, lengths[i]);
		assert_int_equal(rig->bytes, lengths[i]);
		assert_int_equal(rig->ios, ios[i]);
		assert_int_equal(rig->alone, 1);
		close_rig(rig);
	}
}

static void a_configuration_of_other_things_leaves_them_alone(void **state)
{
	static const uint32_t expected[] = {32, 64, 128, 256};
	const struct mpio_file_config config = {.straight_min = UINT32_MAX};
	struct rig *rig = open_rig(8192, 0, &config);

	(void)state;
	assert_windows(rig, 0, 4 * KIB, expected, 4);
	close_rig(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_double_from_the_beginning_of_the_file),
		cmocka_unit_test(elsewhere_from_the_third_read_on),
		cmocka_unit_test(small_reads_count_as_reads),
		cmocka_unit_test(the_configuration_sets_them),
		cmocka_unit_test(they_are_no_larger_than_a_bio),
		cmocka_unit_test(nor_than_an_eighth_of_the_cache),
		cmocka_unit_test(a_sequential_reader_waits_for_the_first_alone),
		cmocka_unit_test(so_in_the_midst_of_the_file),
		cmocka_unit_test(a_reader_may_leave_out_a_few_pages),
		cmocka_unit_test(who_leaves_out_most_gets_less_and_less),
		cmocka_unit_test(who_leaves_out_more_is_somewhere_else),
		cmocka_unit_test(a_reader_of_large_pieces_reads_no_byte_twice),
		cmocka_unit_test(two_readers_are_told_apart),
		cmocka_unit_test(so_are_eight),
		cmocka_unit_test(and_eight_in_any_order),
		cmocka_unit_test(eight_at_even_distances_are_still_sequential),
		cmocka_unit_test(steps_are_read_ahead),
		cmocka_unit_test(a_window_has_64_steps_at_most),
		cmocka_unit_test(and_so_are_steps_down),
		cmocka_unit_test(a_backward_scan_is_read_ahead),
		cmocka_unit_test(nothing_is_read_behind_the_end),
		cmocka_unit_test(nor_in_steps_or_backwards),
		cmocka_unit_test(an_end_that_moves_up_is_followed),
		cmocka_unit_test(little_is_read_in_vain),
		cmocka_unit_test(so_it_is_when_they_come_one_after_the_other),
		cmocka_unit_test(patterns_that_end_are_guessed_little_in_vain),
		cmocka_unit_test(
			what_was_in_vain_does_not_keep_back_a_long_run),
		cmocka_unit_test(
			sequential_has_larger_windows_from_the_first_read_on),
		cmocka_unit_test(it_goes_against_the_ledger),
		cmocka_unit_test(the_same_bytes_again_are_no_sequence),
		cmocka_unit_test(
			random_reads_nothing_ahead_and_normal_does_again),
		cmocka_unit_test(a_handle_knows_its_own_reads_alone),
		cmocka_unit_test(who_waits_for_the_device_has_more_on_its_way),
		cmocka_unit_test(but_never_more_than_an_eighth_of_the_cache),
		cmocka_unit_test(several_readers_do_not_drive_each_other_out),
		cmocka_unit_test(who_was_alone_gives_way_to_others),
		cmocka_unit_test(two_reads_are_no_steps),
		cmocka_unit_test(steps_larger_than_a_window_are_not_read_ahead),
		cmocka_unit_test(steps_down_are_read_ahead_to_the_first_byte),
		cmocka_unit_test(who_waits_in_steps_has_no_more_on_its_way),
		cmocka_unit_test(
			only_for_the_last_piece_the_device_has_nothing_else),
		cmocka_unit_test(
			a_configuration_of_other_things_leaves_them_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
