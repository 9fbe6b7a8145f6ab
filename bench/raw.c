/* SPDX-License-Identifier: MIT */
/*
 * mpio-bench raw: what a file's pages cost without the library. The bare loop
 * of somebody who knows where everything lies: it takes the same frames in the
 * same order, makes the same vectors of them, and keeps `depth` I/Os in flight
 * with the calls of libaio or liburing. No pages, no mapping, no errors but
 * the end.
 */
#include "raw.h"
#include "transfer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** What this build has; ended by NULL. */
static const struct raw_ops *const engines[] = {
#ifdef BENCH_LIBAIO
	&raw_libaio,
#endif
#ifdef BENCH_IO_URING
	&raw_io_uring,
#endif
	NULL,
};

struct loop {
	const struct transfer_options *options;
	const struct raw_ops *ops;
	void *state;
	int fd;
	struct map map;
	struct pool pool;
	struct raw_io *ios;
	struct raw_io *free;
	size_t in_flight;
	uint64_t pos; /* bytes; where the next I/O begins */
	uint64_t pieces;
	uint64_t count; /* I/Os */
};

/* ---- The loop ----------------------------------------------------------- */

/** Add a frame's memory. */
static void add(const struct loop *loop, struct raw_io *io, size_t frame)
{
	unsigned char *data = pool_data(&loop->pool, frame);
	struct iovec *last = io->vecs + io->count - 1;

	if (io->count != 0 &&
	    (unsigned char *)last->iov_base + last->iov_len == data)
		last->iov_len += PAGE_SIZE;
	else
		io->vecs[io->count++] =
			(struct iovec){.iov_base = data, .iov_len = PAGE_SIZE};
	io->frames[io->length / PAGE_SIZE] = (uint32_t)frame;
	io->length += PAGE_SIZE;
}

/** How long the next I/O may be. */
static uint64_t next_length(const struct loop *loop)
{
	uint64_t left = loop->map.size - loop->pos;
	uint64_t length = loop->options->io;
	uint64_t straight;

	(void)map_find(&loop->map, loop->pos, &straight);
	if (loop->map.places != NULL && length > straight)
		length = straight;
	return length < left ? length : left;
}

/** Take runs of frames, each of them a piece or a part of one. */
static void fill(struct loop *loop, struct raw_io *io)
{
	uint64_t length = next_length(loop);
	uint64_t straight;

	io->offset = map_find(&loop->map, loop->pos, &straight);
	io->count = 0;
	io->length = 0;
	while (io->length < length && io->count < loop->options->pieces) {
		size_t pages = (size_t)((length - io->length) / PAGE_SIZE);
		size_t first = pool_take(&loop->pool, pages);

		if (pages > loop->pool.run_pages)
			pages = loop->pool.run_pages;
		for (size_t i = 0; i < pages; i++)
			add(loop, io, first + i);
	}
	loop->pos += io->length;
	loop->pieces += io->count;
	loop->count++;
}

/** An I/O has ended: give its frames back. */
static bool take_back(struct loop *loop, struct raw_io *io)
{
	bool check = loop->options->verify && !loop->options->write;
	bool good = io->result == (int64_t)io->length;

	for (uint64_t at = 0; at < io->length; at += PAGE_SIZE) {
		size_t frame = io->frames[at / PAGE_SIZE];

		if (good && check)
			good = map_check(pool_data(&loop->pool, frame),
					 io->offset + at);
		pool_put(&loop->pool, frame);
	}
	if (!good)
		fprintf(stderr,
			"mpio-bench: %" PRIu64 " bytes at %" PRIu64
			": result %" PRId64 ", or wrong bytes\n",
			io->length, io->offset, io->result);
	io->next = loop->free;
	loop->free = io;
	loop->in_flight--;
	return good;
}

static bool run_loop(struct loop *loop)
{
	bool good = true;

	while (loop->pos < loop->map.size || loop->in_flight != 0) {
		struct raw_io *ended;

		while (loop->pos < loop->map.size && loop->free != NULL) {
			struct raw_io *io = loop->free;

			loop->free = io->next;
			fill(loop, io);
			loop->ops->queue(loop->state, io);
			loop->in_flight++;
		}
		ended = loop->ops->push(loop->state);
		if (ended == NULL) {
			fprintf(stderr, "mpio-bench: the system refuses\n");
			return false;
		}
		while (ended != NULL) {
			struct raw_io *next = ended->next;

			good = take_back(loop, ended) && good;
			ended = next;
		}
	}
	if (loop->options->write && fdatasync(loop->fd) != 0)
		good = false;
	return good;
}

/* ---- Around it ---------------------------------------------------------- */

/** Read 'ENGINE:PATH', perhaps with '?...' behind. */
static bool open_device(struct loop *loop, struct transfer_options *options)
{
	size_t length = strcspn(options->device, ":");
	char path[4096];
	off_t size;

	for (size_t i = 0; engines[i] != NULL; i++) {
		if (strlen(engines[i]->name) == length &&
		    memcmp(engines[i]->name, options->device, length) == 0)
			loop->ops = engines[i];
	}
	if (loop->ops == NULL || options->device[length] == '\0') {
		fprintf(stderr, "mpio-bench: '%s': no such engine here\n",
			options->device);
		return false;
	}
	transfer_path(options, path, sizeof(path));
	loop->fd = open(path, (options->write ? O_RDWR : O_RDONLY) | O_DIRECT);
	size = loop->fd < 0 ? -1 : lseek(loop->fd, 0, SEEK_END);
	if (size < 0) {
		perror(path);
		return false;
	}
	if (options->size == 0 || options->size > (uint64_t)size)
		options->size = (uint64_t)size;
	return true;
}

static bool make_ios(struct loop *loop)
{
	const struct transfer_options *options = loop->options;
	size_t pages = (size_t)(options->io / PAGE_SIZE);

	loop->ios = calloc(options->depth, sizeof(*loop->ios));
	if (loop->ios == NULL)
		return false;
	for (size_t i = 0; i < options->depth; i++) {
		struct raw_io *io = &loop->ios[i];

		io->vecs = calloc(pages, sizeof(*io->vecs));
		io->frames = calloc(pages, sizeof(*io->frames));
		if (io->vecs == NULL || io->frames == NULL)
			return false;
		io->next = loop->free;
		loop->free = io;
	}
	return true;
}

static bool loop_open(struct loop *loop, struct transfer_options *options)
{
	if (options->one)
		options->io = PAGE_SIZE;
	if (options->pieces == 0)
		options->pieces = 1024;
	if (!open_device(loop, options) || !map_open(&loop->map, options) ||
	    !pool_open(&loop->pool, options) || !make_ios(loop))
		return false;
	loop->state = loop->ops->open(loop->fd, (unsigned)options->depth,
				      options->write);
	if (loop->state == NULL)
		fprintf(stderr, "mpio-bench: %s cannot be had here\n",
			loop->ops->name);
	return loop->state != NULL;
}

static void loop_close(struct loop *loop)
{
	if (loop->state != NULL)
		loop->ops->close(loop->state);
	for (size_t i = 0; loop->ios != NULL && i < loop->options->depth; i++) {
		free(loop->ios[i].vecs);
		free(loop->ios[i].frames);
	}
	free(loop->ios);
	pool_close(&loop->pool);
	map_close(&loop->map);
	if (loop->fd >= 0)
		close(loop->fd);
}

int bench_raw(int argc, char **argv)
{
	struct transfer_options options = {0};
	struct transfer_result result = {0};
	struct loop loop = {.options = &options, .fd = -1};
	int code = transfer_options_parse(&options, argc, argv);

	if (code != -1)
		return code;
	code = BENCH_FAILED;
	if (loop_open(&loop, &options)) {
		transfer_clock(&result, true);
		if (run_loop(&loop))
			code = BENCH_OK;
		transfer_clock(&result, false);
		result.bytes = loop.map.size;
		result.ios = loop.count;
		result.pieces = loop.pieces;
		result.pieces_max = options.pieces;
		result.io_max = options.io;
		result.memory = loop.pool.frames.kind;
		if (code == BENCH_OK)
			transfer_print(argv[0], &options, &result);
	}
	loop_close(&loop);
	return code;
}
