/* SPDX-License-Identifier: MIT */
/*
 * The file of the tests.
 */
#include "tested_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *tested_name;

void tested_begin(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s FILE\n", argv[0]);
		exit(1);
	}
	tested_name = argv[1];
	initialize_ext2_error_table();
	setvbuf(stdout, NULL, _IOLBF, 0);
}

void tested_end(void)
{
	unlink(tested_name);
}

void tested_check(bool right, const char *what, const char *file, int line)
{
	if (right)
		return;
	printf("not ok - %s:%d: %s\n", file, line, what);
	exit(1);
}

void tested_fill(unsigned char *data, unsigned long long block,
		 unsigned int salt)
{
	for (size_t i = 0; i < BLOCK; i++)
		data[i] = (unsigned char)(block * 7 + i / 8 + salt);
}

bool tested_is_filled(const unsigned char *data, unsigned long long block,
		      unsigned int salt)
{
	unsigned char expected[BLOCK];

	tested_fill(expected, block, salt);
	return memcmp(data, expected, BLOCK) == 0;
}

void tested_make(void)
{
	unsigned char data[BLOCK];
	int fd = open(tested_name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	for (unsigned int i = 0; i < BLOCKS; i++) {
		tested_fill(data, i, 0);
		CHECK(write(fd, data, BLOCK) == BLOCK);
	}
	close(fd);
}

void tested_look(unsigned long long block, unsigned char *data)
{
	int fd = open(tested_name, O_RDONLY);

	CHECK(fd >= 0);
	CHECK(pread(fd, data, BLOCK, (off_t)(block * BLOCK)) == BLOCK);
	close(fd);
}

io_channel tested_open(const char *uri, int flags)
{
	io_channel io;

	if (uri != NULL)
		setenv("MPIO_E2IO_URI", uri, 1);
	else
		unsetenv("MPIO_E2IO_URI");
	CHECK(mpio_io_manager->open(tested_name, flags, &io) == 0);
	CHECK(io_channel_set_blksize(io, BLOCK) == 0);
	return io;
}
