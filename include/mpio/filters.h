/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Filters: devices that stand on other devices, and do something to what goes
 * through. They stack in any order, on any device.
 *
 *     fault     goes wrong by rules, as the simulated disk does (mpio/fault.h)
 *     trace     shows each I/O to a function
 *     delay     takes virtual time, and so ends I/Os in an order of its own
 *     readonly  is not to be written
 *     linear    parts of devices, one behind the other: a partition, or several
 *               disks as one
 *     verify    two devices: writes to both, compares what they read
 *
 * By name (mpio/open.h):
 *
 *     fault:write:nth=7:errno=EIO:posix:PATH    rules, then the device
 *     trace:mem:64M                             to standard error
 *     delay:50us+100us:threads:PATH             so long, and up to so much more
 *     readonly:file:PATH
 *     linear:1M+64M:posix:PATH                  offset and length: a partition
 *     linear:mem:1M|mem:2M                      one behind the other
 *     verify:mem:1M|posix:PATH                  a '|' in a name is '%7c'
 *
 * Of several devices between '|', at most 16, none can be such a filter itself.
 * Filters know no options: those behind a '?' are of the device at the end.
 * Times are numbers of ns, or have us, ms or s behind them, and each is below
 * 4.3 s; a rule of `fault` may delay for longer.
 *
 * Freestanding. A filter has a queue of its own on each device below, for each
 * queue that is opened on it; so what comes short there is driven on, and what
 * fails in passing is tried again, before it is seen above. A read or a write
 * that was tried in vain, as often as mpio_bio_end() tells, is -MPIO_ETIMEDOUT
 * above, where it is not tried any more; but what the rules of a filter say of
 * it is told as it is.
 *
 * Threads: with a lock, a filter may be shared as any device, each of its
 * queues used by a thread of its own; without one it may be used by one thread.
 */
#ifndef MPIO_FILTERS_H
#define MPIO_FILTERS_H

#include <mpio/allocator.h>
#include <mpio/device.h>
#include <mpio/fault.h>
#include <mpio/simdisk.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The devices below are closed with the filter. */
#define MPIO_FILTER_OWNS (1u << 0)

/** What all filters take. All but `allocator` may be 0. */
struct mpio_filter_config {
	/* Copied. Called without the lock, by whatever thread opens, closes or
	 * uses a queue: an I/O may need memory for its bytes, a read that is
	 * compared for twice as many. */
	const struct mpio_allocator *allocator;
	const struct mpio_sim_lock *lock; /* copied; NULL: one thread */
	uint32_t flags;                   /* MPIO_FILTER_* flags */
	/* Sees what happens: SUBMIT, REFUSE, FAULT, DO, END, RELEASE, CANCEL;
	 * `time` is the virtual one of the queue. Called with the lock held,
	 * and may call nothing of the filter and its queues. */
	mpio_sim_hook_fn *hook;
	void *hook_ctx;
	uint64_t seed; /* of chance and of jitter */
};

/** A part of a device. */
struct mpio_filter_part {
	struct mpio_device *device;
	uint64_t offset; /* bytes, a multiple of the logical block */
	uint64_t length; /* bytes, so too but for the last part; 0: up to the
			  * device's end */
};

/**
 * Open a filter.
 *
 * @param lower   the device below; must stay open as long as the filter
 * @param config  read during the call only
 * @param[out] device  the filter; close it with `device->ops.close`, or with
 *                     mpio_device_close(). Untouched on failure, and then
 *                     `lower` stays the caller's, whatever the flags say
 * @return 0, or
 * @retval -MPIO_EINVAL  no allocator, no device, one without bytes or submit,
 *                       or what the function says
 * @retval -MPIO_ENOMEM  no memory
 */
int mpio_filter_trace(struct mpio_device *lower,
		      const struct mpio_filter_config *config,
		      struct mpio_device **device);
int mpio_filter_readonly(struct mpio_device *lower,
			 const struct mpio_filter_config *config,
			 struct mpio_device **device);

/**
 * Open a filter that goes wrong by rules.
 *
 * @param faults  copied; -MPIO_EINVAL for a rule that cannot be, or has `cut`
 *                or `lose`
 */
int mpio_filter_fault(struct mpio_device *lower,
		      const struct mpio_filter_config *config,
		      const struct mpio_faults *faults,
		      struct mpio_device **device);

/**
 * Open a filter that delays each I/O before it goes down.
 *
 * @param delay   ns of virtual time: a queue that is waited for, with nothing
 *                to be had below, does not wait but lets it pass, and a poll
 *                that finds nothing takes 1000 of it
 * @param jitter  up to so many ns more, by the seed
 */
int mpio_filter_delay(struct mpio_device *lower,
		      const struct mpio_filter_config *config, uint32_t delay,
		      uint32_t jitter, struct mpio_device **device);

/**
 * Open parts of devices as one. One of several parts does not offer PREFLUSH,
 * for a part can flush itself only: the library flushes all of them first. The
 * atomic unit is the largest that lies in one of each device, wherever the
 * parts begin; 0, if that is less than a block.
 *
 * @param parts  one behind the other; copied
 * @param n      how many; -MPIO_EINVAL for none or more than 1024, for a part
 *               that is not inside its device, or not of whole blocks, and for
 *               more than 2^63 - 1 bytes in all
 */
int mpio_filter_linear(const struct mpio_filter_part *parts, uint32_t n,
		       const struct mpio_filter_config *config,
		       struct mpio_device **device);

/**
 * Open two devices as one that compares them: a read that finds them different
 * fails with -MPIO_EILSEQ, one that fails on either fails. I/Os of one queue
 * that overlap are done one after the other. Those of two queues are not: a
 * block may not be written by one while another reads or writes it, for each
 * device does that in an order of its own, and then they are found, or stay,
 * different.
 *
 * @param first   what is read is its
 * @param second  of the same size, else -MPIO_EINVAL
 */
int mpio_filter_verify(struct mpio_device *first, struct mpio_device *second,
		       const struct mpio_filter_config *config,
		       struct mpio_device **device);

/**
 * How often a filter `verify` has found its devices different.
 *
 * @param device  a filter
 * @return so often
 */
uint64_t mpio_filter_mismatches(struct mpio_device *device);

/**
 * Look at a rule of a filter, as mpio_sim_rule().
 *
 * @param device  a filter
 * @param index   of the rule
 * @param[out] rule  a copy
 * @return 0, or
 * @retval -MPIO_ENOENT  there is no such rule
 */
int mpio_filter_rule(struct mpio_device *device, uint32_t index,
		     struct mpio_fault_rule *rule);

/**
 * Let go what is held at break points, as mpio_sim_release(): it goes on in
 * the next poll of its queue. Not while another thread uses that queue.
 *
 * @param device  a filter
 * @param id      of an I/O, as the hook sees it; 0: all
 * @return how many were let go
 */
uint32_t mpio_filter_release(struct mpio_device *device, uint64_t id);

#ifdef __cplusplus
}
#endif
#endif
