/* SPDX-License-Identifier: MIT */
/*
 * In place of unix_io_manager: a variable that libext2fs exports, and that
 * programs and the library itself use by its name. A library that is loaded
 * before them gives them this one.
 */
#include "mpio_e2io.h"

extern struct struct_io_manager e2io_manager;

__attribute__((visibility("default"))) io_manager unix_io_manager =
	&e2io_manager;
