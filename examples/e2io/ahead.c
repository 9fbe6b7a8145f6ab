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

static void fetch(struct channel *channel, uint64_t start, uint64_t end)
{
	uint64_t size = channel->disk->file.mapping.size;

	if (end > size)
		end = size;
	if (start < end)
		(void)mpio_file_advise(&channel->file, start, end,
				       MPIO_ADVICE_WILLNEED);
}

static uint32_t next_window(const struct channel *channel,
			    const struct reader *reader)
{
	uint32_t most = channel->disk->settings.ahead_bytes;
	uint32_t window =
		reader->window != 0 ? 2 * reader->window : FIRST_WINDOW;

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
	fetch(channel, from, from + reader->window);
	reader->ahead = from + reader->window;
	/* The first is used from its beginning. */
	reader->mark = from > pos ? from : from + reader->window / 2;
	reader->wanted = 0;
}

void channel_note_read(struct channel *channel, uint64_t pos, size_t length)
{
	struct reader *reader = find(channel, pos);

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
