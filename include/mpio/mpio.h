/* SPDX-License-Identifier: MIT */
/**
 * @file
 * libmpio: pages of a file in, few large well-ordered device I/Os out.
 *
 * This header includes all of the core. Start with mpio/read.h and
 * mpio/writeback.h (what it does), then mpio/mapping.h (what you give it).
 */
#ifndef MPIO_MPIO_H
#define MPIO_MPIO_H

#include <mpio/allocator.h>
#include <mpio/bio.h>
#include <mpio/device.h>
#include <mpio/error.h>
#include <mpio/errseq.h>
#include <mpio/event.h>
#include <mpio/extent.h>
#include <mpio/mapping.h>
#include <mpio/page.h>
#include <mpio/plan.h>
#include <mpio/queue.h>
#include <mpio/read.h>
#include <mpio/stats.h>
#include <mpio/version.h>
#include <mpio/writeback.h>

#endif
