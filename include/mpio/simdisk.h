/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Simdisk: a simulated disk, for tests of what is built on a disk.
 *
 * Seeded and deterministic: used by one thread, two runs of one program on
 * disks of one seed see the same bytes, errors and order of completions. Time
 * is virtual: an I/O takes what the configuration says, and a wait takes none.
 * Rules (mpio/fault.h) say what goes wrong. What happened is in a journal, and
 * one line (mpio_sim_replay()) opens the same disk again.
 *
 *     struct mpio_sim_config config = {.allocator = &allocator,
 *                                      .size = 1 << 20};
 *     mpio_faults_parse(&config.faults, "write:nth=7:errno=EIO", NULL);
 *     mpio_sim_open(&config, &sim);
 *     mpio_queue_open(mpio_sim_device(sim), &queue_config, &queue);
 *
 * Freestanding. An I/O is done when it ends, not when it is submitted: of two
 * that overlap and are in flight together, either may come first.
 *
 * Power cuts: a write is in the disk's cache until a flush that was submitted
 * after it had ended ends, or, if it asks for that (FUA), until it ends itself.
 * When the power fails, each write that is not durable may have reached the
 * medium, in part or in whole, or not at all: those in the cache and those in
 * flight. A PREFLUSH write in flight is there, or some of it, only if all is
 * that its flush covers; that may be there without it, in part or in whole, for
 * the flush may have been done or not. mpio_sim_cut() chooses among these
 * states; mpio_sim_snapshot() lets a test go through all that are enumerated,
 * below. Where writes in flight overlap, those have the one on top that was
 * submitted later, and where one was done while another was in flight, the one
 * that still is; the other way round they are among the drawn ones only, and
 * in none once the one that was done has left the cache:
 *
 *     mpio_sim_power_off(sim);
 *     mpio_sim_snapshot(sim, &snapshot);
 *     states = mpio_sim_cut_states(sim, MPIO_SIM_TEAR_ONE);
 *     for (uint64_t i = 0; i < states; i++) {
 *             mpio_sim_restore(sim, snapshot);
 *             mpio_sim_cut(sim, MPIO_SIM_TEAR_ONE, i);
 *             ... recover, and look whether all that was promised is there
 *     }
 *     mpio_sim_forget(snapshot);
 *
 * Break points: a rule with the action `hold` holds an I/O until
 * mpio_sim_release() lets it go, before it is done (`write:nth=3:hold`) or
 * before it ends (`complete:nth=3:hold`). Waiting for nothing but such I/Os is
 * -MPIO_EDEADLK, and for nothing but I/Os that never end -MPIO_ETIMEDOUT. (A
 * write that was done and has not ended counts as ended for a power cut.)
 *
 * Threads: with a lock, a disk may be shared, and each queue used by a thread
 * of its own; the order of their I/Os is then theirs. All functions but
 * mpio_sim_open(), mpio_sim_device() and mpio_sim_of() take the lock, and none
 * may be called from the hook.
 */
#ifndef MPIO_SIMDISK_H
#define MPIO_SIMDISK_H

#include <mpio/allocator.h>
#include <mpio/bio.h>
#include <mpio/device.h>
#include <mpio/fault.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mpio_sim;
struct mpio_sim_snapshot;

/* No cache: what has ended is durable, and the device knows no flush. */
#define MPIO_SIM_NO_CACHE (1u << 0)
/* It knows no fua and no preflush: the library does them by flushes. */
#define MPIO_SIM_NO_FUA (1u << 1)
#define MPIO_SIM_NO_DISCARD (1u << 2)

/** A plain lock; not recursive. */
struct mpio_sim_lock {
	void (*lock)(void *ctx);
	void (*unlock)(void *ctx);
	void *ctx;
};

enum mpio_sim_what {
	MPIO_SIM_SUBMIT, /* it was taken */
	MPIO_SIM_REFUSE, /* it was not: status */
	MPIO_SIM_DO,     /* its bytes were moved, or not: status */
	MPIO_SIM_END,    /* it has ended: status, and `length` bytes moved */
	MPIO_SIM_FAULT,  /* rules have fired: rules, actions */
	MPIO_SIM_RELEASE,
	MPIO_SIM_CANCEL,
	MPIO_SIM_DURABLE, /* a write left the cache for the medium */
	MPIO_SIM_LOST,    /* a write left the cache, and is nowhere */
	MPIO_SIM_OFF      /* the power failed */
};

/** What happened. What does not matter is 0. */
struct mpio_sim_entry {
	uint64_t number; /* of the entry, from 0 on */
	uint64_t time;   /* ns */
	uint64_t id;     /* of the I/O, in the order of their submission, from
			  * 1 on; a part of one that was torn has its own */
	uint64_t offset; /* bytes */
	uint32_t length; /* bytes */
	int32_t status;
	uint32_t rules;   /* bit i: the i-th rule */
	uint32_t actions; /* MPIO_FAULT_* actions */
	uint16_t flags;   /* MPIO_BIO_* flags */
	uint8_t op;       /* enum mpio_bio_op */
	uint8_t what;     /* enum mpio_sim_what */
};

/**
 * Something happened.
 *
 * @param ctx    as given when the disk was opened
 * @param entry  gone when this returns. The lock is held: the hook may call
 *               nothing of the disk and of its queues
 */
typedef void mpio_sim_hook_fn(void *ctx, const struct mpio_sim_entry *entry);

/** How a disk is to be. All zero is good, but for `allocator` and `size`. */
struct mpio_sim_config {
	uint64_t size; /* bytes, at most 2^63 - 1; what is never written reads
			* as zeros, and takes two pointers for each 256 KiB */
	uint64_t seed;
	struct mpio_limits limits; /* as the device is to have them; `features`
				    * but for READONLY are set by `flags` */
	uint32_t flags;            /* MPIO_SIM_* flags, above */
	/* An I/O takes `latency`, up to `jitter` more, by the seed, and
	 * `per_kib` for each KiB; a poll that finds nothing takes `poll`. All
	 * in ns. */
	uint32_t latency; /* 0: 50,000 */
	uint32_t jitter;  /* 0: 50,000; 1 is none */
	uint32_t per_kib; /* 0: 500 */
	uint32_t poll;    /* 0: 1,000 */
	/* The cache holds so much; the oldest write leaves it for the medium
	 * when there is more. 0: 16 MiB */
	uint32_t cache_bytes;
	uint32_t journal; /* entries that are kept, the newest, and so many
			   * faults; 56 bytes each; 0: 4096; most 2^24 */
	struct mpio_faults faults; /* copied */
	mpio_sim_hook_fn *hook;    /* sees each entry; NULL: none */
	void *hook_ctx;
	const struct mpio_sim_lock *lock;       /* copied; NULL: one thread */
	const struct mpio_allocator *allocator; /* copied; called with the
						 * lock held */
	/* Both work as long as there is the disk or a snapshot of it. */
};

/**
 * Make a disk, all zeros.
 *
 * @param config  read during the call only
 * @param[out] sim  the disk; untouched on failure
 * @return 0, or
 * @retval -MPIO_EINVAL  no allocator, no size, one or a journal that is too
 *                       large, a limit that is no power of two, or a rule that
 *                       cannot be
 * @retval -MPIO_ENOMEM  no memory
 */
int mpio_sim_open(const struct mpio_sim_config *config, struct mpio_sim **sim);

/**
 * Free a disk. Its queues are closed before; so does mpio_device_close().
 *
 * @param sim  gone after the call; NULL is allowed. Its snapshots stay.
 */
void mpio_sim_close(struct mpio_sim *sim);

/**
 * The disk as a device.
 *
 * @param sim  any
 * @return the device; it lives as long as the disk
 */
struct mpio_device *mpio_sim_device(struct mpio_sim *sim);

/**
 * The disk behind a device, as opened by name (`sim:64M?seed=7`).
 *
 * @param device  any
 * @return the disk, or NULL: this is none
 */
struct mpio_sim *mpio_sim_of(struct mpio_device *device);

/* ---- Rules -------------------------------------------------------------- */
/**
 * Add rules; they count from now on.
 *
 * @param sim    any
 * @param text   see mpio/fault.h
 * @param[out] error  what is wrong, on failure; may be NULL
 * @return 0, -MPIO_EINVAL or -MPIO_ENOSPC, as mpio_faults_parse()
 */
int mpio_sim_add_rules(struct mpio_sim *sim, const char *text,
		       struct mpio_fault_error *error);

/**
 * Drop all rules, and go back to state 1. What is held, delayed or never to
 * end stays so.
 *
 * @param sim  any
 */
void mpio_sim_clear_rules(struct mpio_sim *sim);

/**
 * Look at a rule: how often it was met, and has fired.
 *
 * @param sim    any
 * @param index  from 0 on, in the order in which they were added
 * @param[out] rule  a copy
 * @return 0, or
 * @retval -MPIO_ENOENT  there is no such rule
 */
int mpio_sim_rule(struct mpio_sim *sim, uint32_t index,
		  struct mpio_fault_rule *rule);

/* ---- Time and break points ---------------------------------------------- */
/**
 * The time.
 *
 * @param sim  any
 * @return ns since the disk was opened
 */
uint64_t mpio_sim_now(struct mpio_sim *sim);

/**
 * Let time pass. I/Os end in the next poll of their queue.
 *
 * @param sim  any
 * @param ns   so much
 */
void mpio_sim_advance(struct mpio_sim *sim, uint64_t ns);

/**
 * Which I/Os are held at break points.
 *
 * @param sim  any
 * @param[out] ids  the first `max` of them, ascending; may be NULL if it is 0
 * @param max  how many there is room for
 * @return how many are held
 */
uint32_t mpio_sim_held(struct mpio_sim *sim, uint64_t *ids, uint32_t max);

/**
 * Let go what is held; it goes on in the next poll of its queue.
 *
 * @param sim  any
 * @param id   of an I/O; 0: all
 * @return how many were let go
 */
uint32_t mpio_sim_release(struct mpio_sim *sim, uint64_t id);

/* ---- Power cuts and snapshots ------------------------------------------- */
/** What a power cut may do to the writes that are not durable. */
enum mpio_sim_cut_kind {
	MPIO_SIM_WHOLE,    /* each is there or not: 2^k states for k writes */
	MPIO_SIM_TEAR_ONE, /* the same, and in turn one of them torn */
	MPIO_SIM_TEAR_ALL, /* each torn at any place, independently */
	MPIO_SIM_DRAWN     /* 0: all are there; 1: none; 2: only the last;
			    * 3: all but one, by the seed; from 4 on by the
			    * seed, each torn at any of its sectors or in any
			    * of them, those in flight in any order. A PREFLUSH
			    * write that is there brings all that its flush
			    * covers; one left out takes those along whose
			    * flush covers it */
};

/** Not durable writes, up to which states are enumerated. */
#define MPIO_SIM_CUT_WRITES_MAX 10u

/**
 * The power fails. What is in flight ends with -MPIO_ENXIO in the next poll of
 * its queue, and so does all that comes, until mpio_sim_cut() is called. A rule
 * with the action `cut` does the same at a place of its own.
 *
 * @param sim  any
 */
void mpio_sim_power_off(struct mpio_sim *sim);

/**
 * Whether the power has failed.
 *
 * @param sim  any
 * @return true: nothing works until mpio_sim_cut()
 */
bool mpio_sim_is_off(struct mpio_sim *sim);

/**
 * How many writes are not durable: in the cache, or in flight when the power
 * failed. A discard counts as a write of zeros.
 *
 * @param sim  any
 * @return so many
 */
uint32_t mpio_sim_unflushed(struct mpio_sim *sim);

/**
 * How many states a cut may lead to. A write of n pieces (of the atomic unit,
 * or the logical block) can be torn in n - 1 places, after the first bytes.
 *
 *     WHOLE     2^k
 *     TEAR_ONE  2^k + 2^(k-1) * the sum of all (n - 1)
 *     TEAR_ALL  the product of all (n + 1)
 *
 * States may be alike: two writes of the same bytes to the same place, or what
 * a PREFLUSH write that is there brings anyhow.
 *
 * @param sim   any
 * @param kind  one of the three that are enumerated
 * @return so many; 0: more than MPIO_SIM_CUT_WRITES_MAX writes are not
 *         durable, or the number has more than 63 bits
 */
uint64_t mpio_sim_cut_states(struct mpio_sim *sim, enum mpio_sim_cut_kind kind);

/**
 * Cut the power, if it has not failed yet, and turn it on again: what is not
 * durable is gone, but for what the state says.
 *
 * @param sim    in flight there is nothing but what ended with -MPIO_ENXIO, or
 *               will
 * @param kind   see above
 * @param index  of the state: 0 to mpio_sim_cut_states() - 1; all, for DRAWN.
 *               State 0 is that nothing is there (DRAWN: all)
 * @return 0, or, and the power stays off,
 * @retval -MPIO_EINVAL  there is no such state
 * @retval -MPIO_ENOMEM  no memory, now or when the power failed
 */
int mpio_sim_cut(struct mpio_sim *sim, enum mpio_sim_cut_kind kind,
		 uint64_t index);

/**
 * Remember what is on the medium, in the cache, and whether the power is on.
 * Bytes are shared until they are written: it costs two pointers for each
 * 256 KiB of the disk, and so does going back to it. Clock, journal and rules
 * go on.
 *
 * @param sim  nothing is in flight, or what is does not matter
 * @param[out] snapshot  drop it with mpio_sim_forget(); untouched on failure
 * @return 0, or
 * @retval -MPIO_ENOMEM  no memory
 */
int mpio_sim_snapshot(struct mpio_sim *sim,
		      struct mpio_sim_snapshot **snapshot);

/**
 * Make a disk what it was.
 *
 * @param sim       of the same size; nothing is in flight
 * @param snapshot  of it, or of another disk with the same allocator and, if
 *                  threads are in play, the same lock; stays as it is
 * @return 0, or, the disk being unchanged,
 * @retval -MPIO_EINVAL  another size
 * @retval -MPIO_EBUSY   something is in flight
 * @retval -MPIO_ENOMEM  no memory
 */
int mpio_sim_restore(struct mpio_sim *sim,
		     const struct mpio_sim_snapshot *snapshot);

/**
 * Drop a snapshot.
 *
 * @param snapshot  gone after the call; NULL is allowed
 */
void mpio_sim_forget(struct mpio_sim_snapshot *snapshot);

/**
 * Read what a read would see, past all queues and rules.
 *
 * @param sim     any
 * @param offset  bytes
 * @param[out] to  the bytes
 * @param length  bytes
 * @return 0, or
 * @retval -MPIO_EINVAL  past the end
 */
int mpio_sim_peek(struct mpio_sim *sim, uint64_t offset, void *to,
		  size_t length);

/**
 * Write to the medium at once, past all queues and rules: a disk that has
 * something on it, or rots. Writes in the cache stay there, on top of it.
 *
 * @param sim     any
 * @param offset  bytes
 * @param from    the bytes
 * @param length  bytes
 * @return 0, or
 * @retval -MPIO_EINVAL  past the end
 * @retval -MPIO_ENOMEM  no memory; nothing was written
 */
int mpio_sim_poke(struct mpio_sim *sim, uint64_t offset, const void *from,
		  size_t length);

/* ---- What happened ------------------------------------------------------ */
/**
 * How many entries were written to the journal, or of them faults.
 *
 * @param sim  any
 * @return so many; the newest are kept
 */
uint64_t mpio_sim_journal_count(struct mpio_sim *sim);
uint64_t mpio_sim_fault_count(struct mpio_sim *sim);

/**
 * Look at an entry of the journal, or at one of the faults.
 *
 * @param sim    any
 * @param index  0 is the first since the disk was opened
 * @param[out] entry  a copy
 * @return 0, or
 * @retval -MPIO_ENODATA  it is kept no more
 * @retval -MPIO_ENOENT   it has not been written yet
 */
int mpio_sim_journal(struct mpio_sim *sim, uint64_t index,
		     struct mpio_sim_entry *entry);
int mpio_sim_fault(struct mpio_sim *sim, uint64_t index,
		   struct mpio_sim_entry *entry);

/**
 * Write an entry as a line, without its end:
 *
 *     12 at 104000: #7 write 8192+4096 fault errno, by rule 0
 *
 * @param entry  any
 * @param[out] text  as much of it as there is room for, ended by a NUL
 * @param size   bytes of room
 * @return bytes of the whole text, without the NUL
 */
size_t mpio_sim_entry_print(const struct mpio_sim_entry *entry, char *text,
			    size_t size);

/**
 * Write the one line that opens the same disk again, by mpio_device_open():
 *
 *     sim:1048576?seed=7&rules=write:nth=7:errno=EIO:sticky
 *
 * It has the configuration, but for hook, lock, journal and allocator, and all
 * rules that the disk has now, with the state that they began in; those that
 * were added later than at first are there from the beginning on.
 *
 * @param sim  any
 * @param[out] text  as much of it as there is room for, ended by a NUL
 * @param size  bytes of room
 * @return bytes of the whole text, without the NUL
 */
size_t mpio_sim_replay(struct mpio_sim *sim, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
