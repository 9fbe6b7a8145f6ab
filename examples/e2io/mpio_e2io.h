/* SPDX-License-Identifier: MIT */
/*
 * An io_manager of libext2fs whose I/O goes through libmpio: to be passed where
 * unix_io_manager would be.
 *
 *     ext2fs_open(name, flags, 0, 0, mpio_io_manager, &fs);
 *
 * What it does and by what it is configured: README.md.
 */
#ifndef MPIO_E2IO_H
#define MPIO_E2IO_H

#include <ext2fs/ext2fs.h>

extern io_manager mpio_io_manager;

#endif
