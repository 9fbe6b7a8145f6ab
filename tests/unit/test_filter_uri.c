/* SPDX-License-Identifier: MIT */
/*
 * Simulated disks and filters by name.
 */
#define _POSIX_C_SOURCE 200809L

#include "mock.h"

#include <mpio/filters.h>
#include <mpio/open.h>
#include <mpio/simdisk.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define SECTOR 512u

static struct mpio_device *device;
static struct mpio_queue *queue;

static void open_queue(void)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.allocator = &allocator};

	assert_int_equal(mpio_queue_open(device, &config, &queue), 0);
}

static void open_uri(const char *uri)
{
	int error = mpio_device_open(uri, &device);

	if (error != 0)
		fail_msg("%s: %s", uri, mpio_strerror(error));
	open_queue();
}

static void close_all(void)
{
	mpio_queue_close(queue);
	mpio_device_close(device);
}

static int ends[32];
static int end_count;

static void end_io(struct mpio_bio *bio)
{
	ends[end_count++] = (int)(bio->offset / SECTOR);
	*(int *)bio->ctx = bio->status;
	mpio_bio_put(bio);
}

/* An I/O of a sector; its status is there when it has ended. */
static void start(enum mpio_bio_op op, uint64_t sector, unsigned char *bytes,
		  int *status)
{
	struct mpio_bio *bio = mpio_bio_get(queue, op, 0);

	assert_non_null(bio);
	*status = 1;
	bio->offset = sector * SECTOR;
	bio->end_io = end_io;
	bio->ctx = status;
	assert_int_equal(mpio_bio_add(bio, bytes, SECTOR), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
}

static int write_sector(uint64_t sector, unsigned char letter)
{
	unsigned char bytes[SECTOR];
	int status;

	memset(bytes, letter, sizeof(bytes));
	start(MPIO_BIO_WRITE, sector, bytes, &status);
	assert_int_equal(mpio_queue_drain(queue), 0);
	end_count = 0;
	return status;
}

static int letter_at(uint64_t sector)
{
	unsigned char bytes[SECTOR] = "";
	int status;

	start(MPIO_BIO_READ, sector, bytes, &status);
	assert_int_equal(mpio_queue_drain(queue), 0);
	end_count = 0;
	return status != 0 ? status : bytes[0];
}

static void names_are_opened(void **state)
{
	static const struct {
		const char *uri;
		uint64_t size;
	} good[] = {
		{"sim:1M", 1 << 20},
		{"sim:4099?seed=7&latency=10&jitter=1&per_kib=1&poll=5"
		 "&cache_bytes=4K&cache=1&fua=0&discard=0&block=1K&align=512"
		 "&atomic=4K&segments=16&bytes=64K&gap=4K",
		 4099},
		{"sim:4K?latency=50us&jitter=2ms&per_kib=3ns&poll=1s", 4096},
		{"sim:64K?rules=write:nth=7:errno=EIO:sticky,read:p=0.5:drop",
		 65536},
		{"fault:write:nth=7:errno=EIO:sticky:mem:64K", 65536},
		{"fault:write:drop,read:every=2:delay=5us:sim:64K?seed=3",
		 65536},
		{"fault:write:drop:delay:5us:mem:64K", 65536},
		{"delay:5us:mem:64K", 65536},
		{"delay:5+7ms:mem:64K", 65536},
		{"readonly:mem:64K", 65536},
		{"linear:4K+8K:mem:64K", 8192},
		{"linear:mem:64K|sim:4K|mem:100", 65536 + 4096 + 100},
		{"linear:4K+8K:linear:mem:8K|mem:8K", 8192},
		{"verify:mem:64K|readonly:sim:64K?seed=4", 65536},
		{"delay:1:delay:1:delay:1:delay:1:delay:1:delay:1:mem:64K",
		 65536},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		open_uri(good[i].uri);
		assert_int_equal(device->size, good[i].size);
		assert_in_range(letter_at(0), 0, 1);
		close_all();
	}
}

static void bad_names_are_refused(void **state)
{
	static const struct {
		const char *uri;
		int error;
	} bad[] = {
		{"sim:", -MPIO_EINVAL},
		{"sim:0", -MPIO_EINVAL},
		{"sim:1X", -MPIO_EINVAL},
		{"sim:1M?seed=x", -MPIO_EINVAL},
		{"sim:1M?color=1", -MPIO_EINVAL},
		{"sim:1M?cache=2", -MPIO_EINVAL},
		{"sim:1M?block=1000", -MPIO_EINVAL},
		{"sim:1M?latency=8G", -MPIO_EINVAL},
		{"sim:1M?latency=5s", -MPIO_EINVAL},
		{"sim:1M?rules=write", -MPIO_EINVAL},
		{"fault:mem:64K", -MPIO_EINVAL},
		{"fault:write:drop", -MPIO_EINVAL},
		{"fault:write:drop:", -MPIO_EINVAL},
		{"fault:write:cut:mem:64K", -MPIO_EINVAL},
		{"fault:write:drop:nowhere:64K", -MPIO_ENODEV},
		{"trace:", -MPIO_EINVAL},
		{"trace:mem", -MPIO_EINVAL},
		{"delay:mem:64K", -MPIO_EINVAL},
		{"delay:5", -MPIO_EINVAL},
		{"delay:5h:mem:64K", -MPIO_EINVAL},
		{"delay:5s:mem:64K", -MPIO_EINVAL},
		{"delay:1+:mem:64K", -MPIO_EINVAL},
		{"readonly:nowhere:64K", -MPIO_ENODEV},
		{"readonly:mem:64K?x=1", -MPIO_EINVAL},
		{"linear:4K:mem:64K", -MPIO_EINVAL},
		{"linear:4K+64K:mem:64K", -MPIO_EINVAL},
		{"linear:4K+0:mem:64K", -MPIO_EINVAL},
		{"linear:mem:100|mem:64K", -MPIO_EINVAL},
		{"linear:mem:64K|", -MPIO_EINVAL},
		{"linear:mem:64K|nowhere:1", -MPIO_ENODEV},
		{"verify:mem:64K", -MPIO_EINVAL},
		{"verify:mem:64K|mem:32K", -MPIO_EINVAL},
		{"verify:mem:64K|mem:64K|mem:64K", -MPIO_EINVAL},
		{"verify:mem:4K|mem:x", -MPIO_EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		int error;

		device = NULL;
		error = mpio_device_open(bad[i].uri, &device);
		if (error != bad[i].error || device != NULL)
			fail_msg("%s: %d", bad[i].uri, error);
	}
}

static void a_tower_has_an_end(void **state)
{
	char uri[8 * 20 + 8] = "";
	int filters = 0;

	(void)state;
	for (; filters < 16; filters++)
		memcpy(uri + 6 * filters, "trace:", 7);
	memcpy(uri + 6 * filters, "mem:4K", 7);
	assert_int_equal(mpio_device_open(uri, &device), 0);
	mpio_device_close(device);
	memcpy(uri + 6 * filters, "trace:mem:4K", 13);
	assert_int_equal(mpio_device_open(uri, &device), -MPIO_EINVAL);
}

static void a_filter_does_what_its_name_says(void **state)
{
	(void)state;
	open_uri("fault:write:nth=2:errno=ENOSPC:mem:64K");
	assert_int_equal(write_sector(0, 'a'), 0);
	assert_int_equal(write_sector(1, 'b'), -MPIO_ENOSPC);
	assert_int_equal(letter_at(0), 'a');
	assert_int_equal(letter_at(1), 0);
	close_all();
	open_uri("readonly:mem:64K");
	assert_int_equal(write_sector(0, 'a'), -MPIO_EROFS);
	close_all();
	open_uri("linear:4K+8K:linear:mem:8K|mem:8K");
	assert_int_equal(write_sector(7, 'a'), 0);
	assert_int_equal(write_sector(8, 'b'), 0);
	assert_int_equal(letter_at(7), 'a');
	assert_int_equal(letter_at(8), 'b');
	close_all();
}

static void options_and_escapes_reach_the_end(void **state)
{
	char path[64];
	char uri[160];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/mpio %%|?.%ld", (long)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 65536), 0);
	assert_int_equal(pwrite(fd, "xyz", 3, 8192 + 512), 3);
	close(fd);
	snprintf(uri, sizeof(uri),
		 "linear:readonly:posix:/tmp/mpio %%25%%7c%%3f.%ld?readonly=1|"
		 "linear:4K+8K:mem:64K",
		 (long)getpid());
	open_uri(uri);
	assert_int_equal(device->size, 65536 + 8192);
	assert_int_equal(letter_at(17), 'x');
	assert_int_equal(write_sector(17, 'a'), -MPIO_EROFS);
	close_all();
	unlink(path);
}

static void a_filter_tells_what_it_stands_on(void **state)
{
	char text[1024];

	(void)state;
	open_uri("delay:5us:sim:64K?seed=9&rules=write:drop");
	mpio_device_describe(device, text, sizeof(text));
	assert_non_null(strstr(text, "backend: delay\nbackend: sim\n"
				     "replay: sim:65536?seed=9"
				     "&rules=write:drop\n"));
	assert_null(mpio_sim_of(device));
	close_all();
}

static void a_trace_is_printed(void **state)
{
	char text[1024] = "";
	FILE *file = tmpfile();
	int saved = dup(2);
	size_t length;

	(void)state;
	assert_non_null(file);
	fflush(stderr);
	dup2(fileno(file), 2);
	open_uri("trace:mem:64K");
	write_sector(1, 'a');
	close_all();
	fflush(stderr);
	dup2(saved, 2);
	close(saved);
	rewind(file);
	length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[length] = '\0';
	assert_string_equal(text, "0 at 0: #1 write 512+512 submit\n"
				  "1 at 0: #1 write 512+512 do\n"
				  "2 at 0: #1 write 512+512 end\n");
}

/* What a run of one disk comes to, as text. */
static void play(char *text, size_t size)
{
	static unsigned char bytes[24][SECTOR];
	struct mpio_sim *sim = mpio_sim_of(device);
	int statuses[24];
	int length = 0;

	assert_non_null(sim);
	end_count = 0;
	for (uint32_t i = 0; i < 24; i++)
		start(MPIO_BIO_WRITE, i, bytes[i], &statuses[i]);
	assert_int_equal(mpio_queue_drain(queue), 0);
	for (int i = 0; i < 24; i++)
		length += snprintf(text + length, size - (size_t)length,
				   "%d:%d ", ends[i], statuses[i]);
	snprintf(text + length, size - (size_t)length, "%llu",
		 (unsigned long long)mpio_sim_now(sim));
}

static void a_line_opens_the_same_disk_again(void **state)
{
	static const char *const uris[] = {
		"sim:64K?seed=7",
		"sim:64K?seed=8&latency=5&jitter=70000&rules=write:p=0.25:"
		"errno=ENOSPC:delay=3us,complete:every=3:reorder",
		"sim:64K?seed=9&block=512&atomic=4K&fua=0&cache=0&discard=0"
		"&readonly=0&align=8&segments=9&bytes=4K&per_kib=3&poll=9"
		"&gap=512&cache_bytes=64K&rules=write:range=1K+2K:drop",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(uris); i++) {
		char line[512];
		char again[512];
		char first[1024];
		char second[1024];

		open_uri(uris[i]);
		mpio_sim_replay(mpio_sim_of(device), line, sizeof(line));
		play(first, sizeof(first));
		close_all();
		open_uri(line);
		mpio_sim_replay(mpio_sim_of(device), again, sizeof(again));
		assert_string_equal(again, line);
		play(second, sizeof(second));
		assert_string_equal(second, first);
		close_all();
	}
}

/* Opens the disk that the line of `device` names, in its place. */
static void open_again(const char *expected)
{
	char line[256];

	mpio_sim_replay(mpio_sim_of(device), line, sizeof(line));
	assert_string_equal(line, expected);
	close_all();
	open_uri(line);
}

static void a_line_has_the_state_of_rules_at_first(void **state)
{
	const struct mpio_allocator libc = mpio_allocator_libc();
	struct mpio_sim_config config = {
		.size = 65536, .allocator = &libc, .faults.state = 3};
	struct mpio_sim *sim;

	(void)state;
	assert_int_equal(mpio_faults_parse(&config.faults,
					   "read:state=3:errno=EROFS:set=2",
					   NULL),
			 0);
	assert_int_equal(mpio_sim_open(&config, &sim), 0);
	device = mpio_sim_device(sim);
	open_queue();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(letter_at(0), -MPIO_EROFS);
		assert_int_equal(letter_at(0), 0);
		open_again("sim:65536?seed=0&state=3"
			   "&rules=read:state=3:errno=EROFS:set=2");
	}
	/* Rules that come behind others are gone begin in the first. */
	mpio_sim_clear_rules(mpio_sim_of(device));
	assert_int_equal(mpio_sim_add_rules(mpio_sim_of(device),
					    "read:state=1:errno=EROFS", NULL),
			 0);
	open_again("sim:65536?seed=0&rules=read:state=1:errno=EROFS");
	assert_int_equal(letter_at(0), -MPIO_EROFS);
	close_all();
}

static void the_last_option_counts_but_rules_add_up(void **state)
{
	struct mpio_fault_rule rule;
	struct mpio_sim *sim;

	(void)state;
	open_uri("sim:64K?rules=write:nth=1:errno=EIO&block=512"
		 "&rules=write:nth=2:errno=ENOSPC&block=1K");
	sim = mpio_sim_of(device);
	assert_int_equal(device->limits.logical_block_size, 1024);
	assert_int_equal(mpio_sim_rule(sim, 0, &rule), 0);
	assert_int_equal(rule.error, MPIO_EIO);
	assert_int_equal(mpio_sim_rule(sim, 1, &rule), 0);
	assert_int_equal(rule.error, MPIO_ENOSPC);
	assert_int_equal(mpio_sim_rule(sim, 2, &rule), -MPIO_ENOENT);
	close_all();
}

/* Its lock does so, too; whatever the disk is closed by. */
static void a_snapshot_outlives_a_disk_opened_by_name(void **state)
{
	struct mpio_sim_snapshot *snapshots[2];

	(void)state;
	for (int by_device = 0; by_device < 2; by_device++) {
		struct mpio_sim *sim;

		open_uri("sim:64K");
		sim = mpio_sim_of(device);
		assert_int_equal(write_sector(0, 'a'), 0);
		for (size_t i = 0; i < COUNT_OF(snapshots); i++)
			assert_int_equal(mpio_sim_snapshot(sim, &snapshots[i]),
					 0);
		mpio_queue_close(queue);
		if (by_device)
			mpio_device_close(device);
		else
			mpio_sim_close(sim);
		mpio_sim_forget(snapshots[0]);
		open_uri("sim:64K?seed=2");
		assert_int_equal(
			mpio_sim_restore(mpio_sim_of(device), snapshots[1]), 0);
		assert_int_equal(letter_at(0), 'a');
		mpio_sim_forget(snapshots[1]);
		close_all();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_opened),
		cmocka_unit_test(bad_names_are_refused),
		cmocka_unit_test(a_tower_has_an_end),
		cmocka_unit_test(a_filter_does_what_its_name_says),
		cmocka_unit_test(options_and_escapes_reach_the_end),
		cmocka_unit_test(a_filter_tells_what_it_stands_on),
		cmocka_unit_test(a_trace_is_printed),
		cmocka_unit_test(a_line_opens_the_same_disk_again),
		cmocka_unit_test(a_line_has_the_state_of_rules_at_first),
		cmocka_unit_test(the_last_option_counts_but_rules_add_up),
		cmocka_unit_test(a_snapshot_outlives_a_disk_opened_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
