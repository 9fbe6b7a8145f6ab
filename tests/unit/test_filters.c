/* SPDX-License-Identifier: MIT */
/*
 * Filters over simulated disks: what goes through, what does not, and how they
 * are opened.
 */
#include "sim_rig.h"

#include <mpio/backends/mem.h>
#include <mpio/filters.h>

static struct sim_rig rig;
static struct mpio_sim *others[4]; /* further disks below */
static uint32_t other_count;
static struct mpio_filter_config config;

/* What the hook has seen, as lines. */
static char seen[4096];

static void see(void *ctx, const struct mpio_sim_entry *entry)
{
	struct mpio_sim_entry copy = *entry;
	size_t length = strlen(seen);

	(void)ctx;
	if (length + 128 > sizeof(seen))
		return;
	copy.time = 0;
	mpio_sim_entry_print(&copy, seen + length, sizeof(seen) - length - 2);
	strcat(seen, "\n");
}

/* The disk, as the rig is to have it; then a filter is put on it. */
static void begin_on_disk(const char *rules)
{
	sim_rig_make(&rig, rules);
	mpio_queue_close(rig.queue);
	rig.queue = NULL;
	other_count = 0;
	seen[0] = '\0';
	config = (struct mpio_filter_config){.allocator = &rig.allocator,
					     .lock = &rig.second,
					     .hook = see,
					     .seed = 3};
}

static void begin(const char *rules)
{
	sim_rig_init(&rig);
	begin_on_disk(rules);
}

static struct mpio_device *another(uint64_t size)
{
	struct mpio_sim_config other = rig.config;

	other.size = size;
	memset(&other.faults, 0, sizeof(other.faults));
	assert_int_equal(mpio_sim_open(&other, &others[other_count]), 0);
	return mpio_sim_device(others[other_count++]);
}

static void use(struct mpio_device *device)
{
	rig.device = device;
	sim_rig_open_queue(&rig);
}

static void done(void)
{
	mpio_queue_close(rig.queue);
	rig.queue = NULL;
	rig.device->ops.close(rig.device);
	while (other_count > 0)
		mpio_sim_close(others[--other_count]);
	sim_rig_close(&rig);
}

static void use_faults(const char *rules)
{
	struct mpio_faults faults = {0};
	struct mpio_device *device;

	begin("");
	assert_int_equal(mpio_faults_parse(&faults, rules, NULL), 0);
	assert_int_equal(
		mpio_filter_fault(rig.device, &config, &faults, &device), 0);
	use(device);
}

static void assert_other(uint32_t index, const char *letters)
{
	struct mpio_sim *sim = rig.sim;

	rig.sim = others[index];
	assert_sim(&rig, letters);
	rig.sim = sim;
}

/* ---- One device below ----------------------------------------------------- */

static void a_trace_shows_what_goes_through(void **state)
{
	struct mpio_device *device;
	char letters[5];

	(void)state;
	begin("");
	assert_int_equal(mpio_filter_trace(rig.device, &config, &device), 0);
	use(device);
	assert_int_equal(sim_put(&rig, 1, 2, 'a'), 0);
	assert_int_equal(sim_flush(&rig), 0);
	assert_int_equal(sim_get(&rig, 0, 4, letters), 0);
	assert_string_equal(letters, ".aa.");
	assert_string_equal(seen, "0 at 0: #1 write 512+1024 submit\n"
				  "1 at 0: #1 write 512+1024 do\n"
				  "2 at 0: #1 write 512+1024 end\n"
				  "3 at 0: #2 flush submit\n"
				  "4 at 0: #2 flush do\n"
				  "5 at 0: #2 flush end\n"
				  "6 at 0: #3 read 0+2048 submit\n"
				  "7 at 0: #3 read 0+2048 do\n"
				  "8 at 0: #3 read 0+2048 end\n");
	assert_int_equal(mpio_sim_unflushed(rig.sim), 0);
	done();
}

static void an_error_below_is_seen_above(void **state)
{
	struct mpio_device *device;

	(void)state;
	begin("write:nth=2:errno=ENOSPC,submit:nth=4:errno=EROFS,"
	      "flush:errno=EIO");
	assert_int_equal(mpio_filter_trace(rig.device, &config, &device), 0);
	use(device);
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	assert_int_equal(sim_put(&rig, 0, 1, 'b'), -MPIO_ENOSPC);
	assert_int_equal(sim_flush(&rig), -MPIO_EIO);
	assert_int_equal(sim_put(&rig, 0, 1, 'c'), -MPIO_EROFS);
	assert_sim(&rig, "a");
	done();
}

static void what_is_short_below_is_driven_on(void **state)
{
	struct mpio_device *device;

	(void)state;
	begin("write:nth=1:short=512,submit:nth=3:errno=EAGAIN");
	assert_int_equal(mpio_filter_trace(rig.device, &config, &device), 0);
	use(device);
	assert_int_equal(sim_put(&rig, 0, 4, 'a'), 0);
	assert_int_equal(sim_put(&rig, 4, 1, 'b'), 0);
	assert_sim(&rig, "aaaab");
	assert_int_equal(mpio_queue_stats(rig.queue)->submits, 2);
	done();
}

/* And not eight times for each that stands on another. */
static void what_is_tried_in_vain_below_is_not_tried_above(void **state)
{
	static const char *const rules[] = {"read:errno=EAGAIN",
					    "read:errno=EINTR"};
	struct mpio_fault_rule rule;
	struct mpio_device *devices[2];
	char letters[2];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		begin(rules[i]);
		assert_int_equal(
			mpio_filter_trace(rig.device, &config, &devices[0]), 0);
		assert_int_equal(
			mpio_filter_trace(devices[0], &config, &devices[1]), 0);
		use(devices[1]);
		assert_int_equal(sim_get(&rig, 0, 1, letters), -MPIO_ETIMEDOUT);
		assert_int_equal(mpio_sim_rule(rig.sim, 0, &rule), 0);
		assert_int_equal(rule.fired, 8);
		mpio_queue_close(rig.queue);
		rig.queue = NULL;
		devices[1]->ops.close(devices[1]);
		rig.device = devices[0];
		done();
	}
	/* A rule's own error stays what it is. */
	use_faults("read:errno=EAGAIN");
	assert_int_equal(sim_get(&rig, 0, 1, letters), -MPIO_EAGAIN);
	assert_int_equal(mpio_filter_rule(rig.device, 0, &rule), 0);
	assert_int_equal(rule.fired, 8);
	done();
}

static void what_comes_short_goes_down_in_whole_blocks(void **state)
{
	char letters[5];

	(void)state;
	use_faults("write:nth=1:short=1,write:nth=3:short=1000,"
		   "write:nth=5:short=4000,read:nth=1:short=1");
	assert_int_equal(sim_put(&rig, 0, 4, 'a'), 0);
	assert_int_equal(mpio_queue_stats(rig.queue)->submits, 2);
	assert_int_equal(sim_put(&rig, 4, 4, 'b'), 0);
	assert_int_equal(mpio_queue_stats(rig.queue)->submits, 4);
	assert_int_equal(sim_put(&rig, 8, 4, 'c'), -MPIO_EIO);
	assert_sim(&rig, "aaaabbbb....");
	assert_int_equal(sim_get(&rig, 0, 4, letters), 0);
	assert_string_equal(letters, "aaaa");
	done();
}

static void fua_goes_through(void **state)
{
	struct mpio_device *device;

	(void)state;
	begin("");
	assert_int_equal(mpio_filter_trace(rig.device, &config, &device), 0);
	use(device);
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	assert_int_equal(sim_put_flags(&rig, 1, 1, 'b', MPIO_BIO_FUA), 0);
	assert_int_equal(mpio_sim_unflushed(rig.sim), 1);
	assert_int_equal(sim_put_flags(&rig, 2, 1, 'c', MPIO_BIO_PREFLUSH), 0);
	assert_int_equal(mpio_sim_unflushed(rig.sim), 1);
	done();
}

/* The queue above has made flushes of it, and those below make no more. */
static void a_discards_flushes_are_not_doubled(void **state)
{
	struct mpio_device *device;
	struct mpio_sim_entry entry;
	uint32_t flushes = 0;

	(void)state;
	begin("");
	assert_int_equal(mpio_filter_trace(rig.device, &config, &device), 0);
	use(device);
	sim_start(&rig, MPIO_BIO_DISCARD, MPIO_BIO_FUA | MPIO_BIO_PREFLUSH, 0,
		  1, 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	for (uint64_t i = 0; i < mpio_sim_journal_count(rig.sim); i++) {
		assert_int_equal(mpio_sim_journal(rig.sim, i, &entry), 0);
		flushes += entry.op == MPIO_BIO_FLUSH &&
			   entry.what == MPIO_SIM_SUBMIT;
	}
	assert_int_equal(flushes, 2);
	assert_int_equal(mpio_sim_unflushed(rig.sim), 0);
	done();
}

/* A write behind a flush goes to one part; the flush, to all. */
static void a_preflush_is_of_all_parts(void **state)
{
	struct mpio_device *device;
	struct mpio_filter_part parts[2] = {{0}};

	(void)state;
	begin("");
	parts[0].device = rig.device;
	parts[1].device = another(RIG_SECTORS * SECTOR);
	assert_int_equal(mpio_filter_linear(parts, 2, &config, &device), 0);
	use(device);
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	assert_int_equal(sim_put_flags(&rig, RIG_SECTORS, 1, 'b',
				       MPIO_BIO_PREFLUSH | MPIO_BIO_FUA),
			 0);
	assert_int_equal(mpio_sim_unflushed(rig.sim), 0);
	assert_int_equal(mpio_sim_unflushed(others[0]), 0);
	done();
}

static void a_readonly_one_is_not_written(void **state)
{
	struct mpio_device *device;
	char letters[2];

	(void)state;
	begin("");
	assert_int_equal(mpio_filter_readonly(rig.device, &config, &device), 0);
	use(device);
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), -MPIO_EROFS);
	assert_int_equal(sim_get(&rig, 0, 1, letters), 0);
	assert_string_equal(letters, ".");
	done();
}

static void a_delay_is_an_order_of_its_own(void **state)
{
	int order[16];
	bool in_order = true;
	struct mpio_mem mem;
	static unsigned char bytes[16 * SECTOR];

	(void)state;
	for (int round = 0; round < 2; round++) {
		struct mpio_device *device;

		begin("");
		/* By itself, memory ends all inside submit. */
		mpio_mem_init(&mem, bytes, sizeof(bytes));
		assert_int_equal(mpio_filter_delay(&mem.device, &config, 1000,
						   5000, &device),
				 0);
		use(device);
		for (uint32_t i = 0; i < 16; i++)
			assert_int_equal(
				sim_start(&rig, MPIO_BIO_WRITE, 0, i, 1, 'a')
					->ends,
				0);
		assert_int_equal(mpio_queue_drain(rig.queue), 0);
		for (int i = 0; i < 16; i++) {
			in_order &= rig.ios[i].order == i + 1;
			if (round == 0)
				order[i] = rig.ios[i].order;
			assert_int_equal(rig.ios[i].order, order[i]);
		}
		done();
	}
	assert_false(in_order);
}

/* ---- Faults --------------------------------------------------------------- */

static void rules_hold_over_any_device(void **state)
{
	struct mpio_fault_rule rule;

	(void)state;
	use_faults("write:nth=2:errno=ENOSPC:sticky");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	assert_int_equal(sim_put(&rig, 1, 1, 'b'), -MPIO_ENOSPC);
	assert_int_equal(sim_put(&rig, 2, 1, 'c'), -MPIO_ENOSPC);
	assert_sim(&rig, "a..");
	assert_int_equal(mpio_filter_rule(rig.device, 0, &rule), 0);
	assert_int_equal(rule.seen, 3);
	assert_int_equal(rule.fired, 2);
	assert_int_equal(mpio_filter_rule(rig.device, 1, &rule), -MPIO_ENOENT);
	done();
}

static void bytes_go_astray(void **state)
{
	char letters[9];

	(void)state;
	use_faults("write:nth=1:torn=0xb5,write:nth=2:misdirect=4100,"
		   "write:nth=3:drop,write:nth=4:flip=4097,"
		   "write:nth=5:short=1024,write:nth=7:torn=1:errno=ENOSPC,"
		   "read:nth=1:flip=8,read:nth=2:misdirect=4096");
	assert_int_equal(sim_put(&rig, 0, 8, 'a'), 0);
	assert_sim(&rig, "a.a.aa.a");
	assert_int_equal(sim_put(&rig, 0, 1, 'b'), 0);
	assert_sim(&rig, "a.a.aa.ab");
	assert_int_equal(sim_put(&rig, 0, 8, 'c'), 0);
	assert_sim(&rig, "a.a.aa.ab");
	assert_int_equal(sim_put(&rig, 10, 2, 'd'), 0);
	assert_sim(&rig, "a.a.aa.ab.d!");
	assert_int_equal(sim_put(&rig, 12, 4, 'e'), 0);
	assert_sim(&rig, "a.a.aa.ab.d!eeee");
	assert_int_equal(sim_put(&rig, 16, 2, 'f'), -MPIO_ENOSPC);
	assert_sim(&rig, "a.a.aa.ab.d!eeeef.");
	assert_int_equal(sim_get(&rig, 12, 1, letters), 0);
	assert_string_equal(letters, "!");
	assert_int_equal(sim_get(&rig, 0, 1, letters), 0);
	assert_string_equal(letters, "b");
	assert_int_equal(sim_get(&rig, 0, 1, letters), 0);
	assert_string_equal(letters, "a");
	done();
}

static void ends_go_astray(void **state)
{
	(void)state;
	use_faults("submit:nth=1:errno=EAGAIN,write:nth=2:reorder,"
		   "complete:nth=4:dup,write:nth=6:inline,"
		   "complete:nth=6:errno=EROFS");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	for (uint32_t i = 1; i < 5; i++)
		sim_start(&rig, MPIO_BIO_WRITE, 0, i, 1, 'b');
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(rig.ios[1].order, 5);
	assert_int_equal(sim_start(&rig, MPIO_BIO_WRITE, 0, 5, 1, 'c')->status,
			 -MPIO_EROFS);
	assert_int_equal(rig.ios[5].ends, 1);
	assert_sim(&rig, "abbbbc");
	done();
}

/* Whichever of them it is, it ends behind the others. */
static void what_is_reordered_ends_last(void **state)
{
	(void)state;
	for (int n = 0; n < 5; n++) {
		char rules[] = "write:nth=1:reorder";

		rules[10] = (char)('1' + n);
		use_faults(rules);
		for (uint32_t i = 0; i < 5; i++)
			sim_start(&rig, MPIO_BIO_WRITE, 0, i, 1, 'a');
		assert_int_equal(mpio_queue_drain(rig.queue), 0);
		assert_int_equal(rig.ios[n].order, 5);
		done();
	}
	/* Of those that all want to be the last, none waits for another. */
	use_faults("submit:reorder");
	for (uint32_t i = 0; i < 5; i++)
		sim_start(&rig, MPIO_BIO_WRITE, 0, i, 1, 'a');
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	done();
}

static void completions_go_astray(void **state)
{
	(void)state;
	use_faults("complete:nth=1:short=512,complete:nth=3:never,"
		   "complete:nth=4:delay=1ms");
	assert_int_equal(sim_put(&rig, 0, 2, 'a'), 0);
	assert_int_equal(mpio_queue_stats(rig.queue)->submits, 2);
	sim_start(&rig, MPIO_BIO_WRITE, 0, 2, 1, 'b');
	assert_int_equal(mpio_queue_drain(rig.queue), -MPIO_ETIMEDOUT);
	assert_non_null(strstr(seen, "#1 write 0+1024 fault short, by rule 0"));
	assert_non_null(
		strstr(seen, "#3 write 1024+512 fault never, by rule 1"));
	assert_sim(&rig, "aab");
	assert_int_equal(sim_put(&rig, 3, 1, 'c'), 0);
	done();
}

static void a_bit_of_a_torn_write_is_inverted(void **state)
{
	unsigned char byte;

	(void)state;
	use_faults("write:torn=2:flip=4096");
	assert_int_equal(sim_put(&rig, 0, 2, 'a'), 0);
	assert_sim(&rig, ".!.");
	mpio_sim_peek(rig.sim, SECTOR, &byte, 1);
	assert_int_equal(byte, 'a' ^ 1);
	done();
}

static void note_status(struct mpio_bio *bio)
{
	*(int *)bio->ctx = bio->status;
	mpio_bio_put(bio);
}

/* Runs of many pieces of memory, more of them than there are large bios: each
 * waits for one. */
static void many_pieces_go_down_in_whole_blocks(void **state)
{
	static unsigned char bytes[16 * SECTOR];
	struct mpio_queue_config few = {.bios = 2, .allocator = &rig.allocator};
	struct mpio_bio *bio;
	int status = 1;

	(void)state;
	use_faults("write:torn=0x5555");
	mpio_queue_close(rig.queue);
	assert_int_equal(mpio_queue_open(rig.device, &few, &rig.queue), 0);
	memset(bytes, 'a', sizeof(bytes));
	bio = mpio_bio_get(rig.queue, MPIO_BIO_WRITE, 0);
	bio->offset = 0;
	bio->end_io = note_status;
	bio->ctx = &status;
	for (uint32_t i = 0; i < 256; i++)
		assert_int_equal(mpio_bio_add(bio, bytes + (255 - i) * 32, 32),
				 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(status, 0);
	assert_sim(&rig, "a.a.a.a.a.a.a.a.....");
	done();
}

/* Every n-th allocation fails; nothing is lost or leaked. */
static int budget;

static void *resize_some(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	if (new_size != 0 && budget-- <= 0)
		return NULL;
	return rig.allocator.resize(ctx, ptr, old_size, new_size);
}

static int use_with(int n)
{
	struct mpio_queue_config queue = {.allocator = &rig.allocator};
	struct mpio_allocator some = {.resize = resize_some, .ctx = &rig};
	struct mpio_device *lower = rig.device;
	struct mpio_faults faults = {0};
	char letters[2];
	int error;

	mpio_faults_parse(&faults, "write:flip=1", NULL);
	config.allocator = &some;
	budget = n;
	error = mpio_filter_fault(lower, &config, &faults, &rig.device);
	if (error != 0)
		return error;
	error = mpio_queue_open(rig.device, &queue, &rig.queue);
	if (error == 0) {
		error = sim_put(&rig, 0, 1, 'a');
		mpio_queue_close(rig.queue);
	}
	rig.device->ops.close(rig.device);
	if (error == 0)
		error = mpio_filter_verify(lower, lower, &config, &rig.device);
	if (error != 0)
		return error;
	error = mpio_queue_open(rig.device, &queue, &rig.queue);
	if (error == 0) {
		error = sim_get(&rig, 0, 1, letters);
		mpio_queue_close(rig.queue);
	}
	rig.device->ops.close(rig.device);
	return error;
}

static void want_of_memory_is_told(void **state)
{
	int failed = -1;
	int error;

	(void)state;
	do {
		begin("");
		error = use_with(++failed);
		assert_true(error == 0 || error == -MPIO_ENOMEM);
		rig.queue = NULL;
		sim_rig_close(&rig);
	} while (error != 0);
	assert_in_range(failed, 8, 20);
}

/* One that waits ends at once, one that is below if it can be stopped there. */
static void a_bio_is_cancelled_here_or_below(void **state)
{
	struct sim_io *io;

	(void)state;
	use_faults("write:nth=2:hold");
	io = sim_start(&rig, MPIO_BIO_WRITE, 0, 0, 1, 'a');
	mpio_bio_cancel(io->bio);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(io->status, -MPIO_ECANCELED);
	io = sim_start(&rig, MPIO_BIO_WRITE, 0, 1, 1, 'b');
	mpio_bio_cancel(io->bio);
	assert_int_equal(io->status, -MPIO_ECANCELED);
	assert_int_equal(sim_put(&rig, 2, 1, 'c'), 0);
	assert_sim(&rig, "..c");
	done();
}

static void an_io_is_held_until_it_is_let_go(void **state)
{
	struct sim_io *before;
	struct sim_io *after;

	(void)state;
	use_faults("write:nth=1:hold,complete:nth=1:hold,write:nth=3:never");
	before = sim_start(&rig, MPIO_BIO_WRITE, 0, 0, 1, 'a');
	after = sim_start(&rig, MPIO_BIO_WRITE, 0, 1, 1, 'b');
	assert_int_equal(mpio_queue_wait(rig.queue), -MPIO_EDEADLK);
	assert_sim(&rig, ".b");
	assert_int_equal(mpio_filter_release(rig.device, 1), 1);
	assert_int_equal(mpio_filter_release(rig.device, 1), 0);
	assert_int_equal(mpio_queue_wait(rig.queue), 1);
	assert_int_equal(before->ends, 1);
	assert_int_equal(after->ends, 0);
	assert_int_equal(mpio_filter_release(rig.device, 0), 1);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_sim(&rig, "ab");
	sim_start(&rig, MPIO_BIO_WRITE, 0, 2, 1, 'c');
	assert_int_equal(mpio_queue_drain(rig.queue), -MPIO_ETIMEDOUT);
	done();
}

static void a_filter_that_cannot_be_is_refused(void **state)
{
	struct mpio_faults faults = {0};
	struct mpio_device *device = NULL;
	const struct mpio_filter_part parts[] = {
		{.device = NULL},
	};

	(void)state;
	begin("");
	mpio_faults_parse(&faults, "write:cut", NULL);
	assert_int_equal(
		mpio_filter_fault(rig.device, &config, &faults, &device),
		-MPIO_EINVAL);
	faults.count = 0;
	mpio_faults_parse(&faults, "flush:lose", NULL);
	assert_int_equal(
		mpio_filter_fault(rig.device, &config, &faults, &device),
		-MPIO_EINVAL);
	assert_int_equal(mpio_filter_trace(NULL, &config, &device),
			 -MPIO_EINVAL);
	assert_int_equal(mpio_filter_linear(parts, 0, &config, &device),
			 -MPIO_EINVAL);
	assert_int_equal(mpio_filter_linear(parts, 1, &config, &device),
			 -MPIO_EINVAL);
	assert_int_equal(
		mpio_filter_verify(rig.device, another(4096), &config, &device),
		-MPIO_EINVAL);
	config.allocator = NULL;
	assert_int_equal(mpio_filter_readonly(rig.device, &config, &device),
			 -MPIO_EINVAL);
	assert_null(device);
	while (other_count > 0)
		mpio_sim_close(others[--other_count]);
	sim_rig_close(&rig);
}

/* ---- Several devices below ------------------------------------------------ */

static void a_partition_is_a_part(void **state)
{
	struct mpio_filter_part part;
	struct mpio_device *device;

	(void)state;
	begin("");
	part = (struct mpio_filter_part){rig.device, 4 * SECTOR, 8 * SECTOR};
	assert_int_equal(mpio_filter_linear(&part, 1, &config, &device), 0);
	assert_int_equal(device->size, 8 * SECTOR);
	use(device);
	assert_int_equal(sim_put(&rig, 0, 8, 'a'), 0);
	assert_int_equal(sim_put(&rig, 7, 1, 'b'), 0);
	assert_sim(&rig, "....aaaaaaab....");
	done();
}

static void parts_lie_one_behind_the_other(void **state)
{
	struct mpio_filter_part parts[3];
	struct mpio_device *device;
	char letters[17];

	(void)state;
	begin("");
	parts[0] = (struct mpio_filter_part){rig.device, 0, 2 * SECTOR};
	parts[1] = (struct mpio_filter_part){another(4 * SECTOR), SECTOR, 0};
	parts[2] =
		(struct mpio_filter_part){rig.device, 8 * SECTOR, 3 * SECTOR};
	assert_int_equal(mpio_filter_linear(parts, 3, &config, &device), 0);
	assert_int_equal(device->size, 8 * SECTOR);
	use(device);
	assert_int_equal(sim_put(&rig, 1, 6, 'a'), 0);
	assert_sim(&rig, ".a......aa..");
	assert_other(0, ".aaa");
	assert_int_equal(sim_get(&rig, 0, 8, letters), 0);
	assert_string_equal(letters, ".aaaaaa.");
	assert_int_equal(mpio_sim_unflushed(rig.sim), 2);
	assert_int_equal(sim_flush(&rig), 0);
	assert_int_equal(mpio_sim_unflushed(rig.sim), 0);
	assert_int_equal(mpio_sim_unflushed(others[0]), 0);
	sim_start(&rig, MPIO_BIO_DISCARD, 0, 1, 2, 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_sim(&rig, "........aa..");
	assert_other(0, "..aa");
	done();
}

/* Each backend in between takes it whole, or as much as a part has of it. */
static void a_discard_is_no_transfer(void **state)
{
	struct mpio_filter_part parts[2] = {{0}};
	struct mpio_device *linear;
	struct mpio_device *device;

	(void)state;
	sim_rig_init(&rig);
	rig.config.limits.bytes_max = SECTOR;
	begin_on_disk("");
	parts[0] = (struct mpio_filter_part){rig.device, 0, 8 * SECTOR};
	parts[1] = (struct mpio_filter_part){another(8 * SECTOR), 0, 0};
	assert_int_equal(mpio_filter_linear(parts, 2, &config, &linear), 0);
	assert_int_equal(mpio_filter_trace(linear, &config, &device), 0);
	use(device);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(sim_put(&rig, i, 1, 'a'), 0);
	sim_start(&rig, MPIO_BIO_DISCARD, 0, 1, 14, 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(rig.ios[rig.count - 1].status, 0);
	assert_sim(&rig, "a.......");
	assert_other(0, ".......a");
	mpio_queue_close(rig.queue);
	rig.queue = NULL;
	device->ops.close(device);
	rig.device = linear;
	done();
}

static void a_part_outside_its_device_is_refused(void **state)
{
	static const uint64_t bad[][2] = {{RIG_SECTORS * SECTOR, 0},
					  {0, RIG_SECTORS * SECTOR + 512},
					  {512, RIG_SECTORS * SECTOR},
					  {100, 512},
					  {0, 100}};
	struct mpio_device *device = NULL;

	(void)state;
	begin("");
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		const struct mpio_filter_part part = {rig.device, bad[i][0],
						      bad[i][1]};

		assert_int_equal(mpio_filter_linear(&part, 1, &config, &device),
				 -MPIO_EINVAL);
	}
	assert_null(device);
	sim_rig_close(&rig);
}

/* Of the rig's device and another one. */
static struct mpio_device *use_mirror(void)
{
	struct mpio_device *device;

	begin("");
	assert_int_equal(mpio_filter_verify(rig.device,
					    another(RIG_SECTORS * SECTOR),
					    &config, &device),
			 0);
	use(device);
	return device;
}

static void devices_are_compared(void **state)
{
	struct mpio_device *device;
	char letters[5];

	(void)state;
	device = use_mirror();
	assert_int_equal(sim_put(&rig, 1, 2, 'a'), 0);
	assert_sim(&rig, ".aa.");
	assert_other(0, ".aa.");
	assert_int_equal(sim_get(&rig, 0, 4, letters), 0);
	assert_string_equal(letters, ".aa.");
	assert_int_equal(mpio_sim_poke(others[0], 600, "x", 1), 0);
	assert_int_equal(mpio_filter_mismatches(device), 0);
	/* The byte lies below the cache. */
	assert_int_equal(sim_get(&rig, 0, 4, letters), 0);
	assert_int_equal(sim_flush(&rig), 0);
	assert_int_equal(mpio_sim_poke(others[0], 600, "x", 1), 0);
	assert_int_equal(sim_get(&rig, 0, 1, letters), 0);
	assert_int_equal(sim_get(&rig, 0, 4, letters), -MPIO_EILSEQ);
	assert_true(mpio_filter_mismatches(device) > 0);
	done();
}

/* Read sectors 0 to 3, the odd ones into the same memory. */
static int read_with_scrap(char letters[2])
{
	static unsigned char memory[3][SECTOR];
	static const int places[] = {0, 2, 1, 2};
	struct mpio_bio *bio = mpio_bio_get(rig.queue, MPIO_BIO_READ, 0);
	int status = 1;

	bio->offset = 0;
	bio->end_io = note_status;
	bio->ctx = &status;
	for (size_t i = 0; i < COUNT_OF(places); i++)
		assert_int_equal(mpio_bio_add(bio, memory[places[i]], SECTOR),
				 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	letters[0] = (char)memory[0][0];
	letters[1] = (char)memory[1][SECTOR - 1];
	return status;
}

/* As a read across gaps does, whose bytes nobody wants. */
static void memory_that_is_named_twice_is_compared_whole(void **state)
{
	struct mpio_device *device;
	char letters[2];

	(void)state;
	device = use_mirror();
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(sim_put(&rig, i, 1, (char)('a' + i)), 0);
	assert_int_equal(sim_flush(&rig), 0);
	assert_int_equal(read_with_scrap(letters), 0);
	assert_memory_equal(letters, "ac", 2);
	assert_int_equal(mpio_filter_mismatches(device), 0);
	/* What was read over is compared, too. */
	assert_int_equal(mpio_sim_poke(others[0], 600, "x", 1), 0);
	assert_int_equal(read_with_scrap(letters), -MPIO_EILSEQ);
	assert_memory_equal(letters, "ac", 2);
	assert_int_equal(mpio_filter_mismatches(device), 1);
	done();
}

static void count(void *ctx, const struct mpio_sim_entry *entry)
{
	*(uint32_t *)ctx += entry->what == MPIO_SIM_SUBMIT;
}

/* Memory that a device does not like would be gone around in pieces. */
static void what_is_compared_is_read_in_one_piece(void **state)
{
	enum { LENGTH = 512 * 1024 };
	struct mpio_device *device;
	unsigned char *memory;
	struct mpio_bio *bio;
	uint32_t ios = 0;

	(void)state;
	begin("");
	rig.config.limits.memory_alignment = 4096;
	rig.config.hook = count;
	rig.config.hook_ctx = &ios;
	assert_int_equal(mpio_filter_verify(another(LENGTH), another(LENGTH),
					    &config, &device),
			 0);
	use(device);
	memory = aligned_alloc(4096, LENGTH);
	assert_non_null(memory);
	bio = mpio_bio_get(rig.queue, MPIO_BIO_READ, 0);
	assert_non_null(bio);
	assert_int_equal(mpio_bio_add(bio, memory, LENGTH), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(ios, 2);
	assert_int_equal(mpio_filter_mismatches(device), 0);
	free(memory);
	done();
}

static void either_may_fail(void **state)
{
	struct mpio_device *device;
	char letters[2];

	(void)state;
	begin("");
	assert_int_equal(mpio_filter_verify(another(RIG_SECTORS * SECTOR),
					    rig.device, &config, &device),
			 0);
	use(device);
	assert_int_equal(mpio_sim_add_rules(rig.sim,
					    "read:nth=1:errno=ENOSPC,"
					    "flush:errno=EROFS",
					    NULL),
			 0);
	assert_int_equal(sim_get(&rig, 0, 1, letters), -MPIO_ENOSPC);
	assert_int_equal(sim_get(&rig, 0, 1, letters), 0);
	assert_int_equal(sim_flush(&rig), -MPIO_EROFS);
	assert_int_equal(mpio_filter_mismatches(device), 0);
	done();
}

/* Two writes of one sector are done in one order on both. */
static void mirrors_stay_mirrors(void **state)
{
	char letters[2];

	(void)state;
	(void)use_mirror();
	for (int round = 0; round < 20; round++) {
		sim_start(&rig, MPIO_BIO_WRITE, 0, 0, 1, 'a');
		sim_start(&rig, MPIO_BIO_WRITE, 0, 0, 1, 'b');
		sim_start(&rig, MPIO_BIO_READ, 0, 0, 1, '?');
		assert_int_equal(mpio_queue_drain(rig.queue), 0);
		assert_int_equal(sim_get(&rig, 0, 1, letters), 0);
		assert_string_equal(letters, "b");
		rig.count = 0;
	}
	done();
}

static void filters_stack(void **state)
{
	struct mpio_faults faults = {0};
	struct mpio_device *device;

	(void)state;
	begin("");
	config.flags = MPIO_FILTER_OWNS;
	mpio_faults_parse(&faults, "write:nth=2:drop", NULL);
	device = another(8 * SECTOR);
	assert_int_equal(mpio_filter_fault(device, &config, &faults, &device),
			 0);
	assert_int_equal(mpio_filter_delay(device, &config, 10, 10, &device),
			 0);
	assert_int_equal(mpio_filter_trace(device, &config, &device), 0);
	use(device);
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	assert_int_equal(sim_put(&rig, 1, 1, 'b'), 0);
	assert_other(0, "a.");
	other_count = 0; /* it goes with the filters */
	done();
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_trace_shows_what_goes_through),
		TEST(an_error_below_is_seen_above),
		TEST(what_is_short_below_is_driven_on),
		TEST(what_is_tried_in_vain_below_is_not_tried_above),
		TEST(what_comes_short_goes_down_in_whole_blocks),
		TEST(fua_goes_through),
		TEST(a_discards_flushes_are_not_doubled),
		TEST(a_preflush_is_of_all_parts),
		TEST(a_readonly_one_is_not_written),
		TEST(a_delay_is_an_order_of_its_own),
		TEST(rules_hold_over_any_device),
		TEST(bytes_go_astray),
		TEST(ends_go_astray),
		TEST(what_is_reordered_ends_last),
		TEST(completions_go_astray),
		TEST(a_bit_of_a_torn_write_is_inverted),
		TEST(many_pieces_go_down_in_whole_blocks),
		TEST(want_of_memory_is_told),
		TEST(a_bio_is_cancelled_here_or_below),
		TEST(an_io_is_held_until_it_is_let_go),
		TEST(a_filter_that_cannot_be_is_refused),
		TEST(a_partition_is_a_part),
		TEST(parts_lie_one_behind_the_other),
		TEST(a_discard_is_no_transfer),
		TEST(a_part_outside_its_device_is_refused),
		TEST(devices_are_compared),
		TEST(memory_that_is_named_twice_is_compared_whole),
		TEST(what_is_compared_is_read_in_one_piece),
		TEST(either_may_fail),
		TEST(mirrors_stay_mirrors),
		TEST(filters_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
