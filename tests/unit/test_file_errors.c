/* SPDX-License-Identifier: MIT */
/*
 * Who is told which error of writing back, and how often. Each row is a test:
 * what it shows, and what is done, in words of
 *
 *     oA cA      open and close a handle: A, B, C of one file, X, Y of another
 *     wA0        write page 0, with bytes that no write had before
 *     vA0 rA0    write a few bytes of page 0; read them
 *     sA sA0 sA2- sync: all, page 0, from page 2 on
 *     eA         ask for an error, without a sync
 *     dA0        advise DONTNEED for page 0
 *     tA2        truncate to 2 pages
 *     k          background work
 *     !w0 !r0    from now on the device fails to write or read page 0,
 *     !m0        get_block has no block for it (ENOSPC, unless told),
 *     !f         and flushes fail
 *     .          nothing fails any more
 *     D0 N0      what was written last to page 0 is on the device, or is not
 *     p2         2 pages are dirty
 *
 * with '=' and what it returns, if that is not 0, or, after '!', what it fails
 * with, if that is not EIO. Pages 0 to 4 are those of A, B and C, pages 5 to 9
 * those of X and Y.
 *
 * The rules are those of Linux's fsync since errors are kept in sequences,
 * where it has any. It differs from ours in that a page whose write failed is
 * clean there: a second fsync does not write it, and returns 0. Here it is
 * still dirty. What else differs is said where it matters.
 */
#include "cached.h"

#include <mpio/file.h>

#include <stdio.h>

#define PAGES 10u
#define HANDLES "ABCXY"
/* Where a page lies; apart, so that each is written by a bio of its own. */
#define BLOCK_OF(page) (100 + 16 * (uint64_t)(page))

struct row {
	const char *shows;
	const char *does;
};

static const struct row rows[] = {
	{"nothing fails", "oA wA0 wA1 p2 sA p0 D0 D1 sA"},
	{"a sync tells what it met, once", "oA wA0 !w0 sA=EIO N0 . sA"},
	/* The second sync writes the page; Linux's would not. */
	{"what failed is written by the next sync",
	 "oA wA0 !w0 sA=EIO p1 N0 . sA=0 p0 D0"},
	/* It fails again: a new error. Linux's returns 0. */
	{"what fails again is told again",
	 "oA wA0 !w0 sA=EIO sA=EIO p1 . sA=0 D0"},
	{"what fails otherwise is told so",
	 "oA wA0 !w0 sA=EIO . !w0=ENOSPC sA=ENOSPC . sA D0"},
	{"one bad page does not keep back the others",
	 "oA wA0 wA1 wA2 !w1 sA=EIO p1 D0 N1 D2 . sA D1"},
	{"a page that cannot be mapped comes before what the device meets",
	 "oA wA0 wA1 !w0=EROFS !m1 sA=ENOSPC p2 . sA D0 D1"},
	{"of two errors that the device meets one is told, and both pages stay",
	 "oA wA0 wA1 !w0=EROFS !w1=EROFS sA=EROFS p2 . sA D0 D1"},
	{"each handle is told once",
	 "oA oB oC wA0 !w0 sA=EIO . sB=EIO D0 sC=EIO sA sB sC"},
	{"who did not write is told, too", "oA oB wA0 !w0 sB=EIO . sA=EIO sA"},
	{"a handle that asks late is told only the newest",
	 "oA oB wA0 !w0 sA=EIO . !w0=ENOSPC sA=ENOSPC . sA sB=ENOSPC sB"},
	/* Linux has no page to fail the second time. */
	{"a sync that fails by itself tells the older error, too",
	 "oA wA0 !w0 k=EIO . !w0=ENOSPC sA=ENOSPC . sA D0"},
	{"background work leaves its error to the next sync",
	 "oA wA0 !w0 k=EIO p1 . sA=EIO D0 sA"},
	{"and to each handle", "oA oB wA0 !w0 k=EIO . sA=EIO sB=EIO sA sB D0"},
	{"also when it has written the page since",
	 "oA wA0 !w0 k=EIO . k p0 D0 sA=EIO sA"},
	{"of two of its errors the newest is told",
	 "oA wA0 !w0 k=EIO . !w0=EROFS k=EROFS . sA=EROFS sA D0"},
	{"of two pages, too",
	 "oA wA0 !w0 k=EIO . wA1 !m1 k=ENOSPC . k sA=ENOSPC sA D0 D1"},
	{"an error that nobody has seen waits for who opens later",
	 "oA wA0 !w0 k=EIO . oB sB=EIO D0 sB"},
	{"and the one who wrote is told all the same",
	 "oA wA0 !w0 k=EIO . oB sB=EIO sA=EIO sA sB"},
	{"an error that was seen does not",
	 "oA wA0 !w0 k=EIO . sA=EIO oB sB D0"},
	{"who opened before it was seen is told",
	 "oA wA0 !w0 k=EIO . oB sA=EIO oC sB=EIO sC sB"},
	{"who opens between two errors is told the second",
	 "oA wA0 !w0 sA=EIO . oB !w0=ENOSPC k=ENOSPC . sB=ENOSPC sA=ENOSPC "
	 "sB sA"},
	{"closing tells nothing, and keeps the error for the next",
	 "oA wA0 !w0 k=EIO cA . oB sB=EIO D0 cB oA sA"},
	{"a handle that is closed takes what it saw with it",
	 "oA wA0 !w0 sA=EIO cA . oB sB D0"},
	{"dirty pages of a handle that is closed fail for the next",
	 "oA wA0 cA !w0 oB sB=EIO . oC sC D0"},
	{"a handle that is opened again knows nothing of before",
	 "oA oB wA0 !w0 sB=EIO . cA oA sA D0"},
	{"without room a page waits for room",
	 "oA wA0 wA1 !m0 sA=ENOSPC p1 D1 . sA p0 D0"},
	{"background work without room leaves the error, too",
	 "oA wA0 !m0 k=ENOSPC p1 . oB sB=ENOSPC sA=ENOSPC D0 sA sB"},
	{"a quota is told as such", "oA wA0 !m0=EDQUOT sA=EDQUOT . sA D0"},
	{"a page that is written again after an error gets there",
	 "oA wA0 !w0 sA=EIO wA0 . sA D0"},
	{"an error of a page that is cut off is told",
	 "oA wA0 wA1 !w1 k=EIO tA1 . sA=EIO sA D0 N1 p0"},
	{"cutting off what would fail lets a sync succeed",
	 "oA wA0 wA1 !w1 sA=EIO tA1 sA p0 D0"},
	{"a sync of a range tells what it met",
	 "oA wA0 wA1 !w0 sA0=EIO p2 . sA0=0 p1 D0 N1 sA D1"},
	{"a sync of a range tells of other pages, once",
	 "oA wA3 !w3 k=EIO sA0=EIO p1 . sA D3"},
	{"a sync of a range leaves what would fail elsewhere",
	 "oA wA0 wA1 wA3 !w1 sA0 D0 p2 sA2- D3 p1 sA=EIO . sA D1"},
	{"who asks for an error is told once, and writes nothing",
	 "oA oB wA0 eA !w0 k=EIO eA=EIO eA p1 . sA D0 eB=EIO sB"},
	{"who has been told by a sync has nothing to ask for",
	 "oA wA0 !w0 sA=EIO eA . sA D0 eA"},
	{"a sync of a range that tells leaves nothing to tell",
	 "oA oB wA0 !w0 sA0=EIO . sA D0 sB0=EIO sB"},
	/* Linux forgets dirty pages neither, but tells nothing here. */
	{"DONTNEED tells what it met, and sync again",
	 "oA wA0 !w0 dA0=EIO p1 . sA=EIO D0 sA"},
	{"DONTNEED that succeeds does not take an error from sync",
	 "oA wA0 !w0 k=EIO . dA0 D0 p0 sA=EIO sA"},
	/* Linux tells a failed flush only to the fsync that sent it. */
	{"a flush that fails is told to each handle, once",
	 "oA oB wA0 !f sA=EIO p0 . sB=EIO sA sB"},
	{"and to who opens while nobody has seen it: that is nobody",
	 "oA wA0 !f sA=EIO . oB sB sA"},
	{"a flush that fails again is told again",
	 "oA wA0 !f sA=EIO sA=EIO . sA"},
	{"a sync with nothing to write flushes, and may fail",
	 "oA wA0 k p0 !f sA=EIO . sA"},
	{"a sync of a range flushes, too", "oA wA0 !f sA0=EIO . sA0 sA"},
	{"of a write and a flush that fail, the write is told",
	 "oA wA0 !w0=EROFS !f sA=EROFS . sA D0"},
	{"a handle of another file is not told",
	 "oA oX wA0 wX5 !w0 sX D5 sA=EIO . sX sA D0"},
	{"nor of what background work met there",
	 "oA oX wA0 wX5 !w0 k=EIO . sX D5 sA=EIO sX"},
	{"each file has errors of its own",
	 "oA oX oY wA0 wX5 !w0=EROFS !m5 sA=EROFS sX=ENOSPC . sY=ENOSPC sA sX "
	 "sY D0 D5"},
	/* As Linux: a file's flush is its own affair. */
	{"a flush that fails for a file is not told for another",
	 "oA oX wA0 wX5 !f sX=EIO . sA D0 sX"},
	/* Five dirty pages are too many here, so the fifth write helps. */
	{"who must help to write back is told by sync alone",
	 "oA wA0 wA1 wA2 wA3 !w0 wA4 . sA=EIO D0 D1 D2 D3 D4 sA"},
	{"one that helps leaves the error to others, too",
	 "oA oB wA0 wA1 wA2 wA3 !w0 wA4 . sB=EIO sA=EIO sB sA"},
	{"an error of reading is told by read alone",
	 "oA oB !r0 rA0=EIO sA sB . rA0"},
	{"and by a write of part of a block",
	 "oA oB !r0 vA0=EIO p0 sA sB . vA0 p1 sA sB"},
};

/* ---- What a row works on ------------------------------------------------ */

struct player {
	struct cached *cached;
	struct mpio_file handles[5];
	bool is_open[5];
	int no_room[PAGES];         /* what get_block returns */
	unsigned char bytes[PAGES]; /* what was written last */
	unsigned char last;         /* of all */
	unsigned char buffer[PAGE];
};

static struct player player;

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	uint64_t index = block / 4;
	uint64_t room = 4 - block % 4;

	(void)mapping;
	(void)page;
	assert_in_range(index, 0, PAGES - 1);
	if ((flags & MPIO_MAP_CREATE) && player.no_room[index] != 0)
		return player.no_room[index];
	extent->flags = MPIO_EXTENT_MAPPED;
	extent->block = BLOCK_OF(index) + block % 4;
	if (extent->count > room)
		extent->count = room;
	return 0;
}

/* ---- Words -------------------------------------------------------------- */

struct word {
	char verb;
	char what;      /* after '!' */
	int handle;     /* or -1 */
	uint32_t page;  /* or PAGES: none */
	bool open_end;  /* '-' after it */
	bool has_value; /* after '=' */
	int value;
};

static int value_of(const char *name, size_t length)
{
	static const struct {
		const char *name;
		int error;
	} names[] = {
		{"0", 0},
		{"EIO", -MPIO_EIO},
		{"ENOSPC", -MPIO_ENOSPC},
		{"EDQUOT", -MPIO_EDQUOT},
		{"EROFS", -MPIO_EROFS},
	};

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (strlen(names[i].name) == length &&
		    memcmp(names[i].name, name, length) == 0)
			return names[i].error;
	}
	fail_msg("no such value: %s", name);
	return 0;
}

static struct word parse(const char *text, size_t length)
{
	const char *end = text + length;
	struct word word = {.verb = *text++, .handle = -1, .page = PAGES};

	if (word.verb == '!')
		word.what = *text++;
	if (text != end && strchr(HANDLES, *text) != NULL)
		word.handle = (int)(strchr(HANDLES, *text++) - HANDLES);
	if (text != end && *text >= '0' && *text <= '9')
		word.page = (uint32_t)(*text++ - '0');
	if (text != end && *text == '-') {
		word.open_end = true;
		text++;
	}
	if (text != end && *text == '=') {
		word.has_value = true;
		word.value = value_of(text + 1, (size_t)(end - text - 1));
		text = end;
	}
	if (text != end)
		fail_msg("no such word: %.*s", (int)length, end - length);
	return word;
}

/* ---- What they do ------------------------------------------------------- */

static void fail_from_now_on(const struct word *word)
{
	int status = word->has_value ? word->value : -MPIO_EIO;
	uint64_t block = BLOCK_OF(word->page);

	if (word->what == 'm')
		player.no_room[word->page] =
			word->has_value ? word->value : -MPIO_ENOSPC;
	else
		mock_fail(&player.cached->rig->a, block, 4, status)->op =
			word->what == 'f'   ? 1u << MPIO_BIO_FLUSH
			: word->what == 'w' ? 1u << MPIO_BIO_WRITE
					    : 1u << MPIO_BIO_READ;
}

static void open_or_close(const struct word *word)
{
	struct cached *cached = player.cached;
	bool other = word->handle >= 3;
	struct mpio_file *file;

	assert_true(word->handle >= 0);
	file = &player.handles[word->handle];
	assert_int_equal(player.is_open[word->handle], word->verb == 'c');
	player.is_open[word->handle] = word->verb == 'o';
	if (word->verb == 'c')
		mpio_file_close(file);
	else
		assert_int_equal(
			mpio_file_open(file,
				       other ? &cached->other : &cached->file,
				       cached->rig->queue, NULL),
			0);
}

static int write_page(struct mpio_file *file, const struct word *word)
{
	uint64_t pos = (uint64_t)word->page * PAGE;
	size_t length = word->verb == 'w' ? PAGE : 10;
	int64_t n;

	memset(player.buffer, ++player.last, length);
	n = mpio_file_write(file, player.buffer, length, pos);
	if (n == (int64_t)length && word->verb == 'w')
		player.bytes[word->page] = player.last;
	return n == (int64_t)length ? 0 : (int)n;
}

static int read_page(struct mpio_file *file, const struct word *word)
{
	int64_t n = mpio_file_read(file, player.buffer, 10,
				   (uint64_t)word->page * PAGE);

	return n == 10 ? 0 : (int)n;
}

static int sync_pages(struct mpio_file *file, const struct word *word)
{
	uint64_t start = (uint64_t)word->page * PAGE;

	if (word->page == PAGES)
		return mpio_file_sync(file);
	return mpio_file_sync_range(file, start,
				    word->open_end ? 0 : start + PAGE);
}

/* What a call returned; a count is as good as 0. */
static int call(const struct word *word)
{
	struct cached *cached = player.cached;
	uint64_t pos = (uint64_t)word->page * PAGE;
	struct mpio_file *file;
	int n;

	if (word->verb == 'k') {
		n = mpio_cache_work(cached->cache, cached->rig->queue);
		return n < 0 ? n : 0;
	}
	assert_true(word->handle >= 0 && player.is_open[word->handle]);
	file = &player.handles[word->handle];
	switch (word->verb) {
	case 'w':
	case 'v':
		return write_page(file, word);
	case 'r':
		return read_page(file, word);
	case 's':
		return sync_pages(file, word);
	case 'e':
		return mpio_file_error(file);
	case 'd':
		return mpio_file_advise(file, pos, pos + PAGE,
					MPIO_ADVICE_DONTNEED);
	case 't':
		return mpio_file_truncate(file, pos);
	default:
		fail_msg("no such verb: %c", word->verb);
		return 0;
	}
}

static bool is_on_device(uint32_t page)
{
	const unsigned char *at =
		player.cached->rig->a.disk + BLOCK_OF(page) * BLOCK;

	for (uint32_t i = 0; i < PAGE; i++) {
		if (at[i] != player.bytes[page])
			return false;
	}
	return true;
}

static void play_word(const struct word *word)
{
	switch (word->verb) {
	case '!':
		fail_from_now_on(word);
		break;
	case '.':
		player.cached->rig->a.fault_count = 0;
		memset(player.no_room, 0, sizeof(player.no_room));
		break;
	case 'o':
	case 'c':
		open_or_close(word);
		break;
	case 'D':
	case 'N':
		assert_int_equal(is_on_device(word->page), word->verb == 'D');
		break;
	case 'p':
		assert_int_equal(mpio_cache_stats(player.cached->cache).dirty,
				 word->page);
		break;
	default:
		assert_int_equal(call(word), word->value);
	}
}

/* ---- Rows as tests ------------------------------------------------------ */

static int set_up(void **state)
{
	void *cached = NULL;
	struct rig *rig;

	(void)state; /* is the row, and stays so */

	if (cached_set_up(&cached) != 0)
		return -1;
	player = (struct player){.cached = cached};
	rig = player.cached->rig;
	rig->ops.get_block = get_block;
	player.cached->config.background_percent = 1;
	player.cached->config.limit_percent = 7;
	rig->watch = 0;
	cached_open(player.cached, 0, 64);
	assert_int_equal(
		mpio_cache_resize(&player.cached->file, rig->queue, 5 * PAGE),
		0);
	assert_int_equal(
		mpio_cache_resize(&player.cached->other, rig->queue, 10 * PAGE),
		0);
	return 0;
}

static int tear_down(void **state)
{
	void *cached = player.cached;
	struct rig *rig = player.cached->rig;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(player.handles); i++) {
		if (player.is_open[i])
			mpio_file_close(&player.handles[i]);
	}
	mpio_cache_drop(&player.cached->other, rig->queue, 0, UINT64_MAX);
	return cached_tear_down(&cached);
}

static void play(void **state)
{
	const struct row *row = *state;
	const char *at = row->does;

	while (*at != '\0') {
		size_t length = strcspn(at, " ");
		struct word word = parse(at, length);

		/* What a failing row had come to. */
		print_message("%.*s ", (int)length, at);
		play_word(&word);
		at += length;
		at += strspn(at, " ");
	}
	print_message("\n");
}

int main(void)
{
	struct CMUnitTest tests[COUNT_OF(rows)];

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		tests[i] = (struct CMUnitTest){
			.name = rows[i].shows,
			.test_func = play,
			.setup_func = set_up,
			.teardown_func = tear_down,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
