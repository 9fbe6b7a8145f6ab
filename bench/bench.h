/* SPDX-License-Identifier: MIT */
/*
 * What the parts of mpio-bench share: its commands, and the engine that the
 * `plan` command measures the library with.
 */
#ifndef MPIO_BENCH_BENCH_H
#define MPIO_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Exit codes of every command. */
enum bench_exit {
	BENCH_OK = 0,
	BENCH_FAILED = 1, /* measured, but what came out is wrong */
	BENCH_USAGE = 2
};

/** Where the memory of an engine's pages lies. */
enum engine_frames {
	ENGINE_SCATTERED, /* no page's memory touches the next one's */
	ENGINE_RUNS       /* the memory of all pages is one piece */
};

/** One run of the engine. */
struct engine_config {
	bool write;             /* write dirty pages back, else read ahead */
	bool sync;              /* MPIO_SYNC_ALL; of a write */
	uint32_t block_size;    /* bytes */
	uint32_t extent_blocks; /* in an extent; power of two */
	enum engine_frames frames;
	size_t pages;
	size_t batch; /* pages in one mpio_readahead(), looked at ahead by
		       * mpio_writepages() */
};

/** What a run took; counted by the device, but for `maps`. */
struct engine_result {
	uint64_t ios;
	uint64_t vecs;        /* pieces of memory in them */
	uint64_t maps;        /* calls of get_block */
	uint64_t nanoseconds; /* all of it, by the wall clock */
};

/**
 * Take every page through the library once, and check that each has ended
 * once and in the right state, and that the device got all bytes.
 *
 * @param config  what to run
 * @param[out] result  what it took
 * @return whether all was right; if not, the reason was printed
 */
bool engine_run(const struct engine_config *config,
		struct engine_result *result);

/**
 * Read a number off the command line.
 *
 * @param option  whose argument it is, for the message
 * @param text    digits
 * @param max     the most that is allowed; the least is 1
 * @param[out] value  the number; untouched on failure
 * @return whether it is one; if not, that was printed
 */
bool bench_number(const char *option, const char *text, size_t max,
		  size_t *value);

/** A command: `argv[0]` is its name; returns enum bench_exit. */
int bench_plan(int argc, char **argv);
int bench_read(int argc, char **argv);
int bench_write(int argc, char **argv);
int bench_cache(int argc, char **argv);
int bench_raw(int argc, char **argv);
int bench_file_read(int argc, char **argv);
int bench_file_sync(int argc, char **argv);
int bench_hand_read(int argc, char **argv);
int bench_hand_sync(int argc, char **argv);

#endif
