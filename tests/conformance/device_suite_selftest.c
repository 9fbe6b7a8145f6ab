/* SPDX-License-Identifier: MIT */
/*
 * Shows that the device suite can fail: devices that keep the contract pass all
 * of it, and a device that breaks it in one way fails in the test that is meant
 * to notice. Each broken one is tested in a process of its own, since it may
 * hang and end by the suite's deadline, or worse.
 */
#define _POSIX_C_SOURCE 200809L

#include "device_suite.h"
#include "device_suite_broken.h"

#include <mpio/error.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (4u << 20)

struct breakage {
	const char *name;
	const char *test; /* that is to notice */
	enum broken_how how;
	uint32_t modes;
};

/* Those that end by the deadline must name the I/Os, too. */
#define HANGS (1u << 31)

static const struct breakage breakages[] = {
	{"drops a write", "blocks", DROPS_WRITES, 0},
	{"reads the block behind", "blocks", READS_NEXT, 0},
	{"changes the memory of a write", "blocks", SPOILS_WRITES, 0},
	{"reads too far", "blocks", READS_TOO_FAR, 0},
	{"forgets the tail of a large write", "sizes", FORGETS_TAIL, 0},
	{"comes shorter than it says", "sizes", LIES_ABOUT_SHORT, 0},
	{"forgets the last of many pieces", "segments_limit", FORGETS_PIECE, 0},
	{"rounds odd pieces down", "odd_pieces", ROUNDS_PIECES, 0},
	{"swaps two pieces", "pages", SWAPS_PIECES, 0},
	{"takes 16 bits of a length", "neighbours", TRUNCATES_PIECES, 0},
	{"fails large bios", "bytes_limit", FAILS_LARGE, 0},
	{"forgets the last block", "end", FORGETS_LAST_BLOCK, 0},
	{"forgets an odd end", "odd_end", FORGETS_ODD_END, 0},
	{"discards a block more", "discard", DISCARDS_MORE, 0},
	{"is read only, and changes", "readonly", FLICKERS, BROKEN_READONLY},
	{"mixes the data of threads", "threads", SHARES_SCRATCH, 0},
	{"does not read announced memory", "register_memory", FORGETS_ANNOUNCED,
	 0},
	{"refuses memory, having taken some", "register_memory",
	 REFUSES_ONE_ANNOUNCED, 0},
	{"knows one thread", "hand_over", MINDS_THE_THREAD, BROKEN_ASYNC},
	{"drops writes when it is busy", "random", DROPS_WHEN_BUSY,
	 BROKEN_ASYNC},
	{"does a write behind a later one", "overlap", REORDERS, 0},
	{"does the last one first", "overlap_in_flight", LAST_COMES_FIRST,
	 BROKEN_ASYNC},
	{"flushes nothing", "flush", FLUSHES_NOTHING, BROKEN_VOLATILE},
	{"flushes nothing, for fua", "fua", FLUSHES_NOTHING, BROKEN_VOLATILE},
	{"ignores fua", "fua", IGNORES_FUA, BROKEN_VOLATILE | BROKEN_FUA},
	{"ignores preflush", "preflush", IGNORES_PREFLUSH,
	 BROKEN_VOLATILE | BROKEN_FUA},
	{"forgets the last of a batch", "plug", FORGETS_BATCH, BROKEN_ASYNC},
	{"forgets it, when it is closed", "close_plugged", FORGETS_BATCH,
	 BROKEN_ASYNC},
	{"loses the last one at the end", "close_in_flight", LOSES_AT_THE_END,
	 BROKEN_ASYNC},
	{"fails to reap", "poll_and_wait", FAILS_TO_REAP, BROKEN_ASYNC},
	{"ends a bio twice", "chain", ENDS_TWICE, BROKEN_ASYNC},
	{"never ends one bio", "queue_full", NEVER_ENDS, BROKEN_ASYNC | HANGS},
	{"ends bios outside", "contract", ENDS_OUTSIDE, BROKEN_ASYNC},
	{"miscounts what it ends", "contract", MISCOUNTS, BROKEN_ASYNC},
	{"does not wait when it should", "contract", WAITS_NOT, BROKEN_ASYNC},
	{"changes a bio", "contract", CHANGES_BIO, BROKEN_ASYNC},
	{"refuses when it is busy", "queue_full", REFUSES, BROKEN_ASYNC},
	{"has one channel for all", "two_queues", SHARES_CHANNEL, BROKEN_ASYNC},
	{"loses what is cancelled", "cancel", LOSES_CANCELLED,
	 BROKEN_ASYNC | HANGS},
	{"cancels, and says that it was done", "cancel", CANCELS_SILENTLY,
	 BROKEN_ASYNC},
	{"event descriptor is silent", "event_fd", FD_IS_SILENT,
	 BROKEN_ASYNC | HANGS},
	{"event descriptor misses some", "event_fd", FD_MISSES_SOME,
	 BROKEN_ASYNC | HANGS},
	{"event descriptor tells what came later", "event_fd_late",
	 FD_TELLS_WHEN_ASKED, BROKEN_ASYNC | HANGS},
	{"event descriptor is never quiet", "event_fd", FD_IS_LOUD,
	 BROKEN_ASYNC},
	{"leaks descriptors", "reopen", LEAKS_FILES, 0},
	{"describes what fits", "describe", DESCRIBES_SHORT, 0},
	{"does not end a line", "describe", DESCRIBES_BADLY, 0},
	{"has impossible limits", "limits", LIMITS_ODDLY, 0},
};

static const struct breakage honest[] = {
	{"synchronous", NULL, HONEST, 0},
	{"asynchronous", NULL, HONEST, BROKEN_ASYNC},
	{"with a cache", NULL, HONEST, BROKEN_ASYNC | BROKEN_VOLATILE},
	{"with a cache and fua", NULL, HONEST, BROKEN_VOLATILE | BROKEN_FUA},
	{"with tight limits", NULL, HONEST, BROKEN_ASYNC | BROKEN_TIGHT},
	{"ends some in commit", NULL, HONEST, BROKEN_COMMITS},
	{"read only", NULL, HONEST, BROKEN_READONLY},
	{"read only, asynchronous", NULL, HONEST,
	 BROKEN_READONLY | BROKEN_ASYNC},
	{"with one block a bio", NULL, HONEST, BROKEN_ASYNC | BROKEN_TIGHTEST},
};

/* ---- One device ---------------------------------------------------------- */

static int open_broken(void *ctx, uint64_t size, struct mpio_device **device)
{
	const struct breakage *breakage = ctx;
	struct broken *broken =
		broken_open(size, breakage->how, breakage->modes);

	if (broken == NULL)
		return -MPIO_ENOMEM;
	*device = &broken->device;
	return 0;
}

static void close_broken(void *ctx, struct mpio_device *device)
{
	(void)ctx;
	broken_close((struct broken *)device);
}

static void cut(void *ctx, struct mpio_device *device)
{
	(void)ctx;
	broken_cut((struct broken *)device);
}

static int run(const struct breakage *breakage, FILE *out)
{
	struct mpio_device_suite suite = {
		.name = breakage->name,
		.open = open_broken,
		.close = close_broken,
		.cut = breakage->modes & BROKEN_VOLATILE ? cut : NULL,
		.ctx = (void *)(uintptr_t)breakage,
		.size = SIZE,
		.flags = MPIO_DEVICE_SUITE_VOLATILE,
		.deadline = breakage->modes & HANGS ? 2 : 0,
		.seed = 1,
		.only = breakage->test,
	};

	/* An asynchronous one that is honest ends bios in another order. */
	if (breakage->how != HONEST || !(breakage->modes & BROKEN_ASYNC))
		suite.flags |= MPIO_DEVICE_SUITE_ORDERED;
	if (breakage->modes & BROKEN_COMMITS)
		suite.flags &= ~MPIO_DEVICE_SUITE_ORDERED;
	return mpio_device_suite_run(&suite, out);
}

/* ---- A broken one -------------------------------------------------------- */

/* What the suite said, in a process of its own. */
static char *listen_to(const struct breakage *breakage)
{
	static const size_t room = 65536;
	FILE *out = tmpfile();
	char *text = calloc(room, 1);
	pid_t child;
	int status;

	if (out == NULL || text == NULL)
		abort();
	fflush(stdout);
	child = fork();
	if (child == 0) {
		run(breakage, out);
		fflush(out);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		abort();
	rewind(out);
	text[fread(text, 1, room - 1, out)] = '\0';
	fclose(out);
	return text;
}

static bool is_found(const struct breakage *breakage, const char *text)
{
	bool hangs = (breakage->modes & HANGS) != 0;
	char line[80];

	snprintf(line, sizeof(line), "\nFAIL %s\n", breakage->test);
	return strstr(text, line) != NULL && strstr(text, "    ") != NULL &&
	       hangs == (strstr(text, "has not ended after") != NULL) &&
	       hangs == (strstr(text, ": in flight") != NULL);
}

int main(void)
{
	const size_t count = sizeof(breakages) / sizeof(breakages[0]);
	unsigned failures = 0;

	for (size_t i = 0; i < sizeof(honest) / sizeof(honest[0]); i++)
		failures += (unsigned)run(&honest[i], stdout);
	for (size_t i = 0; i < count; i++) {
		char *text = listen_to(&breakages[i]);
		bool found = is_found(&breakages[i], text);

		printf("%s: %s: %s\n", found ? "found" : "NOT FOUND",
		       breakages[i].test, breakages[i].name);
		if (!found)
			printf("%s", text);
		failures += !found;
		free(text);
	}
	printf("%zu breakages, %u failures\n", count, failures);
	return failures != 0;
}
