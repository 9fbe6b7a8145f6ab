/* SPDX-License-Identifier: MIT */
/*
 * Report: what the tool tells its user.
 *
 * Messages and the progress line go to standard error; the progress line only
 * to a terminal, where it is redrawn ten times a second and wiped before
 * anything else is written. Names come from an image that may be hostile, so
 * they are never printed raw: control characters are escaped for people, and
 * all that JSON forbids for programs.
 */
#include "extfs.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MIB (1024.0 * 1024.0)

double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void report_open(struct report *report, bool quiet)
{
	memset(report, 0, sizeof(*report));
	report->progress = !quiet && isatty(STDERR_FILENO);
	report->began = now();
	report->drawn = report->began;
}

void report_wipe(struct report *report)
{
	if (report->shown)
		fputs("\r\033[K", stderr);
	report->shown = false;
}

void report_problem(struct report *report, const char *path, const char *format,
		    ...)
{
	va_list arguments;

	if (report->silent)
		return;
	report_wipe(report);
	fputs("mpio-extfs: ", stderr);
	if (path) {
		put_name(stderr, *path ? path : "/");
		fputs(": ", stderr);
	}
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

/* The progress line. */

static void put_duration(FILE *file, double seconds)
{
	unsigned long s = (unsigned long)(seconds + 0.5);

	if (s >= 3600)
		fprintf(file, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
	else
		fprintf(file, "%lu:%02lu", s / 60, s % 60);
}

static void draw(struct report *report)
{
	double seconds = report->drawn - report->began;
	double rate = (double)report->done / seconds;

	fprintf(stderr, "\r\033[K%.1f", (double)report->done / MIB);
	if (report->total)
		fprintf(stderr, " of %.1f MiB  %3.0f%%",
			(double)report->total / MIB,
			100.0 * (double)report->done / (double)report->total);
	else
		fputs(" MiB", stderr);
	fprintf(stderr, "  %.1f MiB/s", rate / MIB);
	if (report->total > report->done && rate > 0) {
		fputs("  ETA ", stderr);
		put_duration(stderr,
			     (double)(report->total - report->done) / rate);
	}
	if (report->files)
		fprintf(stderr, "  %" PRIu64 " files", report->files);
	fflush(stderr);
	report->shown = true;
}

void report_progress(struct report *report, uint64_t bytes)
{
	double time;

	report->done += bytes;
	if (!report->progress)
		return;
	time = now();
	if (time - report->drawn < 0.1)
		return;
	report->drawn = time;
	draw(report);
}

/* Names, for people and for programs. */

void put_name(FILE *file, const char *name)
{
	const unsigned char *c;

	for (c = (const unsigned char *)name; *c; c++) {
		if (*c < 0x20 || *c == 0x7f || *c == '\\')
			fprintf(file, "\\x%02x", *c);
		else
			fputc(*c, file);
	}
}

/* Bytes of the UTF-8 character that a string begins with; 0: it is none. */
static size_t utf8_length(const unsigned char *s)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length, i;
	uint32_t c;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc0 || s[0] > 0xf4)
		return 0;
	length = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	c = s[0] & (0x7fu >> length);
	for (i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fu);
	}
	if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return length;
}

void put_json_string(FILE *file, const char *string)
{
	const unsigned char *s = (const unsigned char *)string;
	size_t length;

	fputc('"', file);
	while (*s) {
		length = utf8_length(s);
		if (length == 0)
			fputs("\\ufffd", file);
		else if (*s < 0x20 || *s == 0x7f)
			fprintf(file, "\\u%04x", *s);
		else if (*s == '"' || *s == '\\')
			fprintf(file, "\\%c", *s);
		else
			fwrite(s, 1, length, file);
		s += length ? length : 1;
	}
	fputc('"', file);
}
