/* SPDX-License-Identifier: MIT */
/*
 * Stats: what the device says of itself and what the queue has counted, for
 * people (--stats) and for programs (--json).
 *
 * A rate is that of bytes somebody wanted: what was read only because it lay
 * in a gap is told apart.
 */
#include "extfs.h"

#include <inttypes.h>
#include <mpio/open.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1024.0 * 1024.0)

/* The device: lines of 'NAME: VALUE'. */

/* Cut the next line off a text; false: there is none. */
static bool next_line(char **text, char **name, char **value)
{
	char *end = strchr(*text, '\n');

	if (!end)
		return false;
	*end = '\0';
	*name = *text;
	*text = end + 1;
	*value = strstr(*name, ":");
	if (!*value)
		*value = end;
	else
		*(*value)++ = '\0';
	*value += strspn(*value, " ");
	return true;
}

/* NULL: no memory. */
static char *describe(struct mpio_device *device)
{
	size_t size = mpio_device_describe(device, NULL, 0) + 1;
	char *text = malloc(size);

	if (text)
		mpio_device_describe(device, text, size);
	return text;
}

void put_device(FILE *file, struct mpio_device *device)
{
	char *text = describe(device), *rest = text, *name, *value;

	while (rest && next_line(&rest, &name, &value))
		fprintf(file, "%s: %s\n", name, value);
	free(text);
}

void put_json_device(FILE *file, struct mpio_device *device)
{
	char *text = describe(device), *rest = text, *name, *value;
	bool first = true;

	fputc('{', file);
	while (rest && next_line(&rest, &name, &value)) {
		fputs(first ? "" : ", ", file);
		put_json_string(file, name);
		fputs(": ", file);
		put_json_string(file, value);
		first = false;
	}
	fputc('}', file);
	free(text);
}

/* The queue: figures. */

static double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

static double mib_wanted(const struct mpio_stats *stats)
{
	return (double)(stats->bytes_read - stats->bytes_wasted) / MIB;
}

void put_stats(FILE *file, const struct mpio_stats *stats, double seconds)
{
	int cut;

	fprintf(file,
		"%" PRIu64 " pages, %" PRIu64 " I/Os (%.1f pages each), "
		"%" PRIu64 " get_block calls\n",
		stats->pages_read, stats->reads,
		ratio((double)stats->pages_read, (double)stats->reads),
		stats->get_block_calls);
	fprintf(file,
		"%.1f MiB read in %.3f s (%.1f MiB/s), at most %" PRIu32
		" in flight\n",
		mib_wanted(stats), seconds, ratio(mib_wanted(stats), seconds),
		stats->in_flight_peak);
	if (stats->cuts[MPIO_CUT_GAP])
		fprintf(file,
			"%" PRIu64 " gaps read across, %.1f MiB in them\n",
			stats->cuts[MPIO_CUT_GAP],
			(double)stats->bytes_wasted / MIB);
	if (stats->bounces)
		fprintf(file,
			"%" PRIu64 " I/Os to misaligned memory, %.1f MiB\n",
			stats->bounces, (double)stats->bytes_bounced / MIB);
	fputs("I/Os ended by:", file);
	for (cut = 1; cut < MPIO_CUT_COUNT; cut++) {
		if (stats->cuts[cut] && cut != MPIO_CUT_GAP)
			fprintf(file, " %s %" PRIu64 ";",
				mpio_cut_name((enum mpio_cut)cut),
				stats->cuts[cut]);
	}
	fprintf(file, " %" PRIu64 " failed, %" PRIu64 " tried again\n",
		stats->errors, stats->retries);
}

static void put_json_cuts(FILE *file, const struct mpio_stats *stats)
{
	int cut;

	fputs("{", file);
	for (cut = 1; cut < MPIO_CUT_COUNT; cut++) {
		fputs(cut > 1 ? ", " : "", file);
		put_json_string(file, mpio_cut_name((enum mpio_cut)cut));
		fprintf(file, ": %" PRIu64, stats->cuts[cut]);
	}
	fputs("}", file);
}

void put_json_stats(FILE *file, const struct mpio_stats *stats, double seconds)
{
	fprintf(file,
		"{\"pages\": %" PRIu64 ", \"ios\": %" PRIu64
		", \"pages_per_io\": %.2f, \"get_block_calls\": %" PRIu64
		", \"bytes_read\": %" PRIu64 ", \"bytes_wasted\": %" PRIu64
		", \"read_seconds\": %.6f, \"mib_per_second\": %.1f",
		stats->pages_read, stats->reads,
		ratio((double)stats->pages_read, (double)stats->reads),
		stats->get_block_calls, stats->bytes_read, stats->bytes_wasted,
		seconds, ratio(mib_wanted(stats), seconds));
	fprintf(file,
		", \"segments\": %" PRIu64 ", \"merges\": %" PRIu64
		", \"bounces\": %" PRIu64 ", \"bytes_bounced\": %" PRIu64
		", \"memory_refused\": %" PRIu64 ", \"retries\": %" PRIu64
		", \"errors\": %" PRIu64 ", \"in_flight_peak\": %" PRIu32
		", \"cuts\": ",
		stats->segments, stats->merges, stats->bounces,
		stats->bytes_bounced, stats->memory_refused, stats->retries,
		stats->errors, stats->in_flight_peak);
	put_json_cuts(file, stats);
	fputs("}", file);
}

/* The cache and its files. */

void put_cached(FILE *file, const struct cached *cached)
{
	const struct mpio_file_stats *files = &cached->stats;
	struct mpio_cache_stats stats;

	if (!cached->cache)
		return;
	stats = mpio_cache_stats(cached->cache);
	fprintf(file,
		"%" PRIu32 " pages of cache: %" PRIu64 " hits, %" PRIu64
		" misses, %" PRIu64 " made room\n",
		stats.frames, stats.hits, stats.misses, stats.evicted);
	fprintf(file,
		"%.1f MiB read ahead in %" PRIu64 " windows, %.1f MiB of it "
		"wanted; %.1f MiB read straight\n",
		(double)files->ahead / MIB, files->windows,
		(double)files->wanted / MIB, (double)files->straight / MIB);
}

void put_json_cached(FILE *file, const struct cached *cached)
{
	const struct mpio_file_stats *files = &cached->stats;
	struct mpio_cache_stats stats;

	if (!cached->cache)
		return;
	stats = mpio_cache_stats(cached->cache);
	fprintf(file,
		", \"cache\": {\"frames\": %" PRIu32 ", \"hits\": %" PRIu64
		", \"misses\": %" PRIu64 ", \"evicted\": %" PRIu64
		", \"promoted\": %" PRIu64 ", \"runs\": %" PRIu64 "}",
		stats.frames, stats.hits, stats.misses, stats.evicted,
		stats.promoted, stats.runs);
	fprintf(file,
		", \"files_read\": {\"ahead\": %" PRIu64
		", \"wanted\": %" PRIu64 ", \"windows\": %" PRIu64
		", \"straight\": %" PRIu64 "}",
		files->ahead, files->wanted, files->windows, files->straight);
}
