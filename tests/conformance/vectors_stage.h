/* SPDX-License-Identifier: MIT */
/*
 * The stage on which a scenario is run: what vectors_run.c, vectors_device.c
 * and vectors_engine.c share.
 */
#ifndef VECTORS_STAGE_H
#define VECTORS_STAGE_H

#include "vectors.h"

#include <mpio/mpio.h>

/** A page of the engine's; the library's page comes first. */
struct vectors_frame {
	struct mpio_page page;
	uint8_t *memory;    /* guard, data, guard */
	uint64_t *blocks;   /* per-block state, or NULL */
	uint8_t *allocated; /* for each block: was it, if its extent is new? */
	uint8_t *written;   /* for each block: an I/O wrote it */
	struct mpio_bio *held; /* the write it was under before the call */
	bool under;            /* ... and still is */
	unsigned finished;
};

enum { VECTORS_HELD_LENGTH = 512 };

struct vectors_stage {
	struct mpio_device device; /* first */
	const struct vectors_scenario *s;
	const struct vectors_plan *plan;
	struct vectors_result *r;
	struct vectors_disk disk;
	struct mpio_mapping mapping;
	struct mpio_queue *queue;
	void *queue_memory;
	struct vectors_frame *frames; /* parallel to the pages */
	struct mpio_page **pages;
	size_t last_page; /* whose memory an I/O had last */
	uint8_t held_data[VECTORS_HELD_LENGTH];
	bool recording; /* the call is going on */
	bool retry;     /* what comes next to the device is no first try */
};

/** The first fault is kept. */
void vectors_fault(struct vectors_stage *st, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
struct vectors_event *vectors_add_event(struct vectors_stage *st,
					enum vectors_event_type type);

extern const struct mpio_device_ops vectors_device_ops;
extern const struct mpio_mapping_ops vectors_mapping_ops;

/** The queue's event hook: tells which I/Os are retries. */
void vectors_on_event(void *ctx, const struct mpio_event *event);

#endif
