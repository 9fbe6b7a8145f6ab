/* SPDX-License-Identifier: MIT */
/*
 * What the programs test_*.c share: a file of blocks that tell by their bytes
 * which they are, and channels to it.
 *
 *     test_NAME FILE
 *
 * FILE is made anew by each test, and removed at the end. A line is printed for
 * each test that is passed; at the first that is not, a program ends with 1.
 */
#ifndef TESTED_FILE_H
#define TESTED_FILE_H

#include "mpio_e2io.h"

#include <stdbool.h>

#define BLOCK 1024
#define BLOCKS 2048

#define CHECK(what) tested_check((what), #what, __FILE__, __LINE__)

extern const char *tested_name;

void tested_begin(int argc, char **argv);
void tested_end(void);
void tested_check(bool right, const char *what, const char *file, int line);

/* A block's bytes; another salt makes others. The file is made with 0. */
void tested_fill(unsigned char *data, unsigned long long block,
		 unsigned int salt);
bool tested_is_filled(const unsigned char *data, unsigned long long block,
		      unsigned int salt);
void tested_make(void);
/* What the file itself holds. */
void tested_look(unsigned long long block, unsigned char *data);
/* By a URI, or by its name. */
io_channel tested_open(const char *uri, int flags);

#endif
