/* SPDX-License-Identifier: MIT */
/*
 * Ahead: reading in the order of the disk.
 *
 *        last           mark            ahead
 *     ....x.xx..xxx......|................|
 *                        +-- who comes past it starts the next window
 *
 * Programs ask for one block at a time, and come back to the blocks that say
 * where the next ones lie. What matters is how the places on the disk go on: a
 * file may lie in small pieces, with another file's between them, and yet go
 * up. To read what lies between costs less than another I/O, so a reader may
 * leave something out. One that uses less than a sixteenth of what was read
 * ahead of it has to begin anew.
 *
 * The file layer would ask for more, since it does not know whether what is
 * between lies together; so it is told to leave this to us.
 */
#include "e2io.h"

#define FIRST_WINDOW (128u << 10)
/* What a reader may leave out between two reads, or go back. */
#define GAP_MAX (128u << 10)
#define BACK_MAX (32u << 10)
/* Reads of which each went on, until more is expected. */
#define READS_SURE 4u
#define SHARE 16u

/*
 * Begin to read. If the queue has as much on its way as it can, wait until
 * something has ended. Nothing that goes wrong matters: it is read again when
 * it is wanted.
 */
static void fetch(struct disk *disk, uint64_t start, uint64_t end)
{
	uint32_t page = disk->settings.page_size;
	uint64_t size = disk->file.mapping.size;
	uint64_t most = disk->settings.cache_bytes / 4;

	if (end > size)
		end = size;
	if (end > start && end - start > most)
		end = start + most;
	start -= start % page;
	while (start < end) {
		uint32_t count = (uint32_t)((end - start + page - 1) / page);
		int begun = mpio_cache_readahead(&disk->file, disk->queue,
						 start, count, MPIO_READ_AHEAD);

		if (begun < 0)
			return;
		start += (uint64_t)begun * page;
		if (start < end && mpio_queue_wait(disk->queue) <= 0)
			return;
	}
}

/* ---- What is announced -------------------------------------------------- */

/*
 * A program announces block by block what it will want of an inode table, or
 * hundreds of directories. Ranges that are near each other become one.
 */
void disk_announce(struct disk *disk, uint64_t start, uint64_t end)
{
	struct range *announced = &disk->announced;

	if (start < announced->start || start > announced->end + GAP_MAX / 2)
		disk_send_announced(disk);
	if (announced->end == 0)
		announced->start = start;
	if (announced->end < end)
		announced->end = end;
}

void disk_send_announced(struct disk *disk)
{
	struct range range = disk->announced;

	if (range.end == 0)
		return;
	disk->announced = (struct range){0};
	fetch(disk, range.start, range.end);
}

/* ---- Who reads on and on ------------------------------------------------ */

static bool is_near(const struct reader *reader, uint64_t pos)
{
	uint64_t end =
		reader->ahead > reader->last ? reader->ahead : reader->last;

	return reader->reads != 0 && pos + BACK_MAX >= reader->last &&
	       pos <= end + GAP_MAX;
}

/* Who reads here; or who was quiet for longest, to begin anew. */
static struct reader *find(struct channel *channel, uint64_t pos)
{
	struct reader *oldest = &channel->readers[0];

	for (size_t i = 0; i < E2IO_READERS; i++) {
		struct reader *reader = &channel->readers[i];

		if (is_near(reader, pos))
			return reader;
		if (channel->reads - reader->used >
		    channel->reads - oldest->used)
			oldest = reader;
	}
	*oldest = (struct reader){.last = pos};
	return oldest;
}

static uint32_t next_window(const struct channel *channel,
			    const struct reader *reader)
{
	const struct settings *settings = &channel->disk->settings;
	uint32_t most = settings->ahead_bytes;
	uint32_t window =
		reader->window != 0 ? 2 * reader->window : FIRST_WINDOW;

	/* Two of them may be there that nobody has come to yet. */
	if (most > settings->cache_bytes / 8)
		most = (uint32_t)(settings->cache_bytes / 8);
	return window < most ? window : most;
}

/* The window that a read at `pos` calls for. */
static void start_window(struct channel *channel, struct reader *reader,
			 uint64_t pos)
{
	uint64_t from = reader->ahead > pos ? reader->ahead : pos;

	if (reader->window != 0 && reader->wanted < reader->window / SHARE) {
		*reader = (struct reader){.last = reader->last,
					  .used = reader->used};
		return;
	}
	reader->window = next_window(channel, reader);
	fetch(channel->disk, from, from + reader->window);
	reader->ahead = from + reader->window;
	/* The first is used from its beginning. */
	reader->mark = from > pos ? from : from + reader->window / 2;
	reader->wanted = 0;
}

/* ---- Who goes in steps -------------------------------------------------- */

/* Directories that were filled alike lie so, each in a group of its own. */
#define STEPS 16u

static bool was_lone(const struct channel *channel, uint64_t pos)
{
	for (size_t i = 0; i < E2IO_LONE; i++) {
		if (channel->lone[i] == pos)
			return true;
	}
	return false;
}

/* A read that is near no other: the fourth of equal distances? */
static uint64_t find_stride(const struct channel *channel, uint64_t pos)
{
	for (size_t i = 0; i < E2IO_LONE; i++) {
		uint64_t before = channel->lone[i];
		uint64_t stride = pos - before;

		if (before != 0 && before < pos && stride < before / 2 &&
		    was_lone(channel, before - stride) &&
		    was_lone(channel, before - 2 * stride))
			return stride;
	}
	return 0;
}

static void note_lone(struct channel *channel, uint64_t pos, size_t length)
{
	struct disk *disk = channel->disk;
	uint64_t stride = find_stride(channel, pos);

	channel->lone[channel->lone_next++ % E2IO_LONE] = pos;
	if (stride == 0 || length > FIRST_WINDOW)
		return;
	mpio_queue_plug(disk->queue);
	for (unsigned int i = 1; i <= STEPS; i++)
		fetch(disk, pos + i * stride, pos + i * stride + length);
	mpio_queue_unplug(disk->queue);
}

void channel_note_read(struct channel *channel, uint64_t pos, size_t length)
{
	struct reader *reader = find(channel, pos);

	if (reader->reads == 0)
		note_lone(channel, pos, length);
	reader->used = ++channel->reads;
	if (pos + length <= reader->last)
		return; /* the same again */
	reader->last = pos + length;
	reader->wanted += length;
	if (reader->reads < READS_SURE) {
		reader->reads++;
		return;
	}
	if (reader->window == 0 || reader->last > reader->mark)
		start_window(channel, reader, pos);
}
