/* SPDX-License-Identifier: MIT */
/*
 * What the grounds that stand on a file share. The file has a name only until
 * the device is open, so nothing of it stays behind.
 */
#ifndef FAULT_GROUND_FILE_H
#define FAULT_GROUND_FILE_H

#include "../backends/faults.h" /* first: it asks for all of the system */

#include "upper.h"

/* Make the file; its name. */
const char *file_make(void);
/* The device has it, or not: the name goes. Hands the device on. */
struct mpio_device *file_opened(struct mpio_device *device);
void file_close(void);
void file_load(const unsigned char *image);
const unsigned char *file_image(void);

/*
 * The kind of a mishap, as faults.h has it. What it makes of reads, writes or
 * flushes is played by calls that block, too, if it is sticky: what fails for
 * ever fails whoever asks.
 */
int kind_of(const struct mishap *mishap);
struct fault blocking_fault(const struct mishap *mishap, uint64_t n);

bool file_can(const struct mishap *mishap);
/* Where what comes short, or is to be tried again, is done by calls that
 * block. */
enum consequence outcome_of_aio(const struct mishap *mishap);

#endif
