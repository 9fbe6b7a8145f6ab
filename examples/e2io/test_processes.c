/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a channel that is open when its program forks or exits.
 */
#include "tested_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_fork(void)
{
	unsigned char data[BLOCK];
	io_channel io;
	int status = 1;
	pid_t child;

	tested_make();
	/* Of a pool of threads the child has none. */
	setenv("MPIO_E2IO", "backend=threads", 1);
	io = tested_open(NULL, IO_FLAG_RW);
	unsetenv("MPIO_E2IO");
	CHECK(io_channel_read_blk64(io, 1, 1, data) == 0);
	tested_fill(data, 20, 1);
	CHECK(io_channel_write_blk64(io, 20, 1, data) == 0);
	child = fork();
	if (child == 0) {
		alarm(20);
		tested_fill(data, 21, 1);
		if (io_channel_write_blk64(io, 21, 1, data) != 0 ||
		    io_channel_read_blk64(io, 20, 1, data) != 0 ||
		    !tested_is_filled(data, 20, 1))
			_exit(1);
		_exit(io_channel_close(io) == 0 ? 0 : 2);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(status == 0);
	tested_look(20, data);
	CHECK(tested_is_filled(data, 20, 1));
	tested_look(21, data);
	CHECK(tested_is_filled(data, 21, 1));
	CHECK(io_channel_close(io) == 0);
	tested_look(21, data);
	CHECK(tested_is_filled(data, 21, 1));
	puts("ok - a daemon goes on with what its parent opened");
}

/* A child that reads, and exits when its parent has written once more. */
static void test_fork_to_read(void)
{
	unsigned char data[BLOCK];
	int status = 1, ready[2];
	io_channel io;
	pid_t child;

	tested_make();
	io = tested_open(NULL, IO_FLAG_RW);
	tested_fill(data, 5, 1);
	CHECK(io_channel_write_blk64(io, 5, 1, data) == 0);
	CHECK(pipe(ready) == 0);
	child = fork();
	if (child == 0) {
		alarm(20);
		close(ready[1]);
		if (io_channel_read_blk64(io, 9, 1, data) != 0 ||
		    read(ready[0], data, 1) != 0)
			_exit(2);
		exit(0);
	}
	CHECK(child > 0);
	tested_fill(data, 5, 2);
	CHECK(io_channel_write_blk64(io, 5, 1, data) == 0);
	CHECK(io_channel_flush(io) == 0);
	close(ready[0]);
	close(ready[1]);
	/* A sanitizer has a code of its own: the parent's queue is not freed. */
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	      WEXITSTATUS(status) != 2);
	tested_look(5, data);
	CHECK(tested_is_filled(data, 5, 2));
	CHECK(io_channel_close(io) == 0);
	puts("ok - a child that only reads undoes nothing");
}

/* The child gets no queue of its own, and has to do without. */
static _Noreturn void close_what_is_gone(io_channel io)
{
	char away[4096];
	errcode_t result;

	alarm(20);
	snprintf(away, sizeof(away), "%s.away", tested_name);
	if (rename(tested_name, away) != 0)
		_exit(1);
	if (io_channel_set_options(io, "cache=off") == 0)
		_exit(2);
	result = io_channel_close(io);
	_exit(rename(away, tested_name) == 0 && result != 0 ? 0 : 3);
}

/* It leaves its parent's alone. */
static void test_fork_in_vain(const char *settings)
{
	unsigned char data[BLOCK];
	int status = 1;
	io_channel io;
	pid_t child;

	tested_make();
	setenv("MPIO_E2IO", settings, 1);
	io = tested_open(NULL, IO_FLAG_RW);
	unsetenv("MPIO_E2IO");
	CHECK(io_channel_read_blk64(io, 1, 1, data) == 0);
	child = fork();
	if (child == 0)
		close_what_is_gone(io);
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(status == 0);
	tested_fill(data, 40, 1);
	CHECK(io_channel_write_blk64(io, 40, 1, data) == 0);
	CHECK(io_channel_flush(io) == 0);
	CHECK(io_channel_read_blk64(io, BLOCKS - 1, 1, data) == 0);
	CHECK(tested_is_filled(data, BLOCKS - 1, 0));
	CHECK(io_channel_close(io) == 0);
	tested_look(40, data);
	CHECK(tested_is_filled(data, 40, 1));
}

static void test_exit(void)
{
	unsigned char data[BLOCK];
	int status = 1;
	pid_t child;

	tested_make();
	child = fork();
	if (child == 0) {
		io_channel io = tested_open(NULL, IO_FLAG_RW);

		tested_fill(data, 30, 1);
		exit(io_channel_write_blk64(io, 30, 1, data) == 0 ? 0 : 1);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
	tested_look(30, data);
	CHECK(tested_is_filled(data, 30, 1));
	puts("ok - what an exit leaves open is written");
}

int main(int argc, char **argv)
{
	tested_begin(argc, argv);
	test_fork();
	test_fork_to_read();
	test_fork_in_vain("backend=threads");
	test_fork_in_vain("backend=file");
	puts("ok - a child that finds nothing to go on with closes its own");
	test_exit();
	tested_end();
	return 0;
}
