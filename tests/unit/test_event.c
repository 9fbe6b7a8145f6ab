/* SPDX-License-Identifier: MIT */
/*
 * The event hook: which events there are, in which order, and what they hold.
 */
#include "mock.h"

#include <inttypes.h>

/* Members that an event's type does not name are 0. */
static void check_members(struct rig *rig, const struct mpio_event *event)
{
	bool map = event->type == MPIO_EVENT_MAP;

	if (event->queue == NULL)
		trouble(rig, "event %d without a queue", (int)event->type);
	if (map != (event->mapping != NULL) || map != (event->extent != NULL) ||
	    map == (event->bio != NULL))
		trouble(rig, "event %d with other members", (int)event->type);
	if (!map && event->block != 0)
		trouble(rig, "event %d with a block", (int)event->type);
	if (event->type != MPIO_EVENT_CUT && event->cut != MPIO_CUT_NONE)
		trouble(rig, "event %d with a cut", (int)event->type);
	if (!map && event->type != MPIO_EVENT_END && event->status != 0)
		trouble(rig, "event %d with a status", (int)event->type);
	if (event->type != MPIO_EVENT_SUBMIT && event->retry != 0)
		trouble(rig, "event %d with retry", (int)event->type);
	if ((event->type != MPIO_EVENT_GAP) != (event->gap == 0))
		trouble(rig, "event %d with gap %u", (int)event->type,
			event->gap);
}

static void on_event(void *ctx, const struct mpio_event *event)
{
	struct rig *rig = ctx;
	const struct mpio_bio *bio = event->bio;
	uint64_t block = bio != NULL ? bio->offset / BLOCK : 0;
	uint32_t count = bio != NULL ? bio->length / BLOCK : 0;

	check_members(rig, event);
	switch (event->type) {
	case MPIO_EVENT_MAP:
		trace(rig, WATCH_CALLS, "MAP %" PRIu64 "+%" PRIu64 ":%d",
		      event->block, event->extent->count, event->status);
		break;
	case MPIO_EVENT_CUT:
		trace(rig, WATCH_CALLS, "CUT %" PRIu64 "+%u %s", block, count,
		      mpio_cut_name(event->cut));
		break;
	case MPIO_EVENT_GAP:
		trace(rig, WATCH_CALLS, "GAP %" PRIu64 "+%u over %u", block,
		      count, event->gap / BLOCK);
		break;
	case MPIO_EVENT_MERGE:
		trace(rig, WATCH_CALLS, "MERGE %" PRIu64 "+%u", block, count);
		break;
	case MPIO_EVENT_SUBMIT:
		trace(rig, WATCH_CALLS, "SUBMIT %" PRIu64 "+%u%s", block, count,
		      event->retry ? " again" : "");
		break;
	case MPIO_EVENT_END:
		trace(rig, WATCH_CALLS, "END %" PRIu64 "+%u:%d", block, count,
		      event->status);
		break;
	}
}

static void open_watched(struct rig *rig)
{
	rig->watch = WATCH_CALLS;
	rig->config.event = on_event;
	rig->config.event_ctx = rig;
	rig_open(rig);
}

static void a_read_is_mapped_cut_submitted_and_ended(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100);
	map_blocks(rig, 4, 4, 200);
	add_pages(rig, 0, 4, 2);
	open_watched(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "MAP 0+4:0, MAP 4+4:0, CUT 100+4 not adjacent, "
			  "SUBMIT 100+4, END 100+4:0, CUT 200+4 batch end, "
			  "SUBMIT 200+4, END 200+4:0");
}

static void a_failed_map_has_a_status(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 0)->error = -MPIO_EIO;
	add_pages(rig, 0, 4, 1);
	open_watched(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "MAP 0+4:-5");
}

static void a_retry_is_submitted_again(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 101, 1, -MPIO_EIO);
	map_blocks(rig, 0, 2, 100);
	add_pages(rig, 0, 1, 2);
	open_watched(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "MAP 0+2:0, CUT 100+2 batch end, SUBMIT 100+2, "
			  "END 100+2:-5, SUBMIT 100+1 again, END 100+1:0, "
			  "SUBMIT 101+1 again, END 101+1:-5");
}

static void a_passing_error_is_submitted_again(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 100, 1, -MPIO_EAGAIN)->times = 1;
	open_watched(rig);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 100, 1);
	assert_trace(rig, "SUBMIT 100+1, END 100+1:-11, SUBMIT 100+1 again, "
			  "END 100+1:0");
}

static void a_bio_used_again_is_no_retry(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 100, 2, 0);

	rig->config.bios = 2;
	fault->done = BLOCK;
	fault->times = 1;
	open_watched(rig);
	for (int i = 0; i < 2; i++)
		start_io(rig, rig->queue, MPIO_BIO_READ, 0, 100, 2);
	assert_trace(rig, "SUBMIT 100+2, END 100+2:0, SUBMIT 101+1 again, "
			  "END 101+1:0, SUBMIT 100+2, END 100+2:0");
}

static void a_plug_tells_what_it_joins(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 2, 100);
	add_pages(rig, 0, 1, 2);
	open_watched(rig);
	mpio_queue_plug(rig->queue);
	assert_int_equal(read_pages(rig, 0, 1, 0), 1);
	assert_int_equal(read_pages(rig, 1, 1, 0), 1);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "MAP 0+1:0, CUT 100+1 batch end, MAP 1+1:0, "
			  "CUT 101+1 batch end, MERGE 101+1, SUBMIT 100+2, "
			  "END 100+2:0");
}

static void a_refused_bio_is_ended_without_being_submitted(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.features = 0;
	open_watched(rig);
	start_io(rig, rig->queue, MPIO_BIO_DISCARD, 0, 7, 1);
	assert_trace(rig, "END 7+1:-95");
}

static void what_a_boundary_cuts_is_told(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 2, 100)->flags |= MPIO_EXTENT_BOUNDARY;
	map_blocks(rig, 2, 2, 102);
	add_pages(rig, 0, 4, 1);
	open_watched(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "MAP 0+2:0, CUT 100+2 boundary, SUBMIT 100+2, "
			  "END 100+2:0, MAP 2+2:0, CUT 102+2 batch end, "
			  "SUBMIT 102+2, END 102+2:0");
}

static void a_gap_is_told_before_it_is_crossed(void **state)
{
	struct rig *rig = *state;

	rig->config.gap_bytes = 8 * BLOCK;
	map_blocks(rig, 0, 4, 100);
	map_blocks(rig, 4, 4, 107);
	add_pages(rig, 0, 4, 2);
	open_watched(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "MAP 0+4:0, MAP 4+4:0, GAP 100+4 over 3, "
			  "CUT 100+11 batch end, SUBMIT 100+11, END 100+11:0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_read_is_mapped_cut_submitted_and_ended),
		RIG_TEST(a_failed_map_has_a_status),
		RIG_TEST(a_retry_is_submitted_again),
		RIG_TEST(a_passing_error_is_submitted_again),
		RIG_TEST(a_bio_used_again_is_no_retry),
		RIG_TEST(a_plug_tells_what_it_joins),
		RIG_TEST(a_refused_bio_is_ended_without_being_submitted),
		RIG_TEST(what_a_boundary_cuts_is_told),
		RIG_TEST(a_gap_is_told_before_it_is_crossed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
