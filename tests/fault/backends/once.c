/* SPDX-License-Identifier: MIT */
/*
 * A backend ends a bio once: a wrapper around mpio_bio_end(), since the core
 * would overlook it.
 */
#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

void __real_mpio_bio_end(struct mpio_bio *bio, int status);
void __wrap_mpio_bio_end(struct mpio_bio *bio, int status);

void __wrap_mpio_bio_end(struct mpio_bio *bio, int status)
{
	if (bio->state != MPIO__BIO_OFFERED && bio->state != MPIO__BIO_FLYING)
		fail_msg("a bio was ended that was not the device's");
	__real_mpio_bio_end(bio, status);
}
