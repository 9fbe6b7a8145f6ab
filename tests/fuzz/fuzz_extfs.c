/* SPDX-License-Identifier: MIT */
/*
 * The reader of ext2, ext3 and ext4 images (examples/extfs) on small images that
 * were damaged: each of the input's bytes but the first few goes somewhere
 * into the metadata. Whatever it finds there, it comes to an end, with one of
 * its exit codes, and reads nothing outside of the image.
 *
 * libext2fs is another's, and it does crash: what ends there is left, and is no
 * fault of the reader's. What was allocated then is lost; run this without a
 * look for leaks.
 */
#include "../../examples/extfs/extfs.h"
#include "extfs/memory_io.h"
#include "fuzz.h"

#include <dlfcn.h>
#include <limits.h>
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#define IMAGES_MAX 4u
#define CHUNK 64u
#define CHUNKS_MAX 4096u
#define CHANGES_MAX 32u

/* An image as it was made, and a copy that is damaged and mended. */
struct base {
	unsigned char *bytes;
	unsigned char *copy;
	uint32_t size;
	uint32_t chunks[CHUNKS_MAX]; /* places where there is metadata */
	uint32_t chunk_count;
};

static struct base bases[IMAGES_MAX];
static uint32_t base_count;
static struct job job;

/* ---- Crashes in libext2fs ----------------------------------------------- */

static sigjmp_buf before;
static unsigned long foreign_crashes;
static struct sigaction usual[32];

static bool is_foreign(const void *code)
{
	Dl_info info;

	return dladdr(code, &info) != 0 && info.dli_fname != NULL &&
	       strstr(info.dli_fname, "libext2fs") != NULL;
}

static const void *where(const ucontext_t *context)
{
#if defined(__x86_64__)
	return (const void *)context->uc_mcontext.gregs[REG_RIP];
#else
	(void)context;
	return NULL;
#endif
}

static void crashed(int number, siginfo_t *info, void *context)
{
	(void)info;
	if (!is_foreign(where(context))) {
		sigaction(number, &usual[number], NULL);
		return; /* to crash again */
	}
	foreign_crashes++;
	siglongjmp(before, 1);
}

static void tell(void)
{
	if (foreign_crashes != 0)
		fprintf(stderr, "libext2fs crashed %lu times\n",
			foreign_crashes);
}

static void watch(int number)
{
	struct sigaction action = {.sa_sigaction = crashed,
				   .sa_flags = SA_SIGINFO | SA_NODEFER};

	FUZZ_CHECK(sigaction(number, &action, &usual[number]) == 0);
}

/* ---- Images ------------------------------------------------------------- */

static uint32_t read_number(FILE *file)
{
	unsigned char bytes[4];

	if (fread(bytes, 1, 4, file) != 4)
		return 0;
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

static bool read_piece(FILE *file, struct base *base)
{
	const uint32_t even = UINT32_C(1) << 31;
	uint32_t at = read_number(file);
	uint32_t length = read_number(file);
	uint32_t n = length & ~even;

	if (length == 0)
		return false;
	FUZZ_CHECK(at <= base->size && n <= base->size - at);
	if (length & even)
		memset(base->bytes + at, fgetc(file), n);
	else
		FUZZ_CHECK(fread(base->bytes + at, 1, n, file) == n);
	return true;
}

/* Where there is something, but for the bytes of files. */
static void find_chunks(struct base *base)
{
	for (uint32_t at = 0; at + CHUNK <= base->size; at += CHUNK) {
		const unsigned char *chunk = base->bytes + at;
		bool is_even = true;

		for (uint32_t i = 1; i < CHUNK; i++)
			is_even = is_even && chunk[i] == chunk[0];
		if (!is_even && base->chunk_count < CHUNKS_MAX)
			base->chunks[base->chunk_count++] = at;
	}
	FUZZ_CHECK(base->chunk_count != 0);
}

/* Whatever is written. */
static ssize_t swallow(void *cookie, const char *bytes, size_t size)
{
	(void)cookie, (void)bytes;
	return (ssize_t)size;
}

/* write() past the stream, by the linker. */
ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	return fd == STDOUT_FILENO ? (ssize_t)size
				   : __real_write(fd, bytes, size);
}

/* What is shown is of no interest, and a system call takes longer than all. */
static void show_nothing(void)
{
	stdout = fopencookie(NULL, "w",
			     (cookie_io_functions_t){.write = swallow});
	FUZZ_CHECK(stdout != NULL);
}

static void load(void)
{
	FILE *file = fopen(FUZZ_IMAGES, "rb");

	FUZZ_CHECK(file != NULL);
	for (;;) {
		struct base *base = &bases[base_count];

		base->size = read_number(file);
		if (base->size == 0)
			break;
		FUZZ_CHECK(++base_count < IMAGES_MAX);
		base->bytes = calloc(1, base->size);
		FUZZ_CHECK(base->bytes != NULL);
		while (read_piece(file, base))
			;
		find_chunks(base);
		base->copy = malloc(base->size);
		FUZZ_CHECK(base->copy != NULL);
		memcpy(base->copy, base->bytes, base->size);
	}
	fclose(file);
	FUZZ_CHECK(base_count != 0);
	watch(SIGSEGV);
	watch(SIGFPE);
	watch(SIGBUS);
	FUZZ_CHECK(atexit(tell) == 0);
	/* Memory that is given back is wanted again at once. */
	(void)mallopt(M_MMAP_MAX, 0);
	(void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
	/* A huge page takes longer to clear than all else. */
	(void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	show_nothing();
}

/* ---- Damage ------------------------------------------------------------- */

/* The places that were changed. */
static uint32_t changed[CHANGES_MAX];
static uint32_t changed_count;

static void change(struct base *base, struct fuzz_input *in)
{
	uint32_t chunk = base->chunks[fuzz_number(in, 2) % base->chunk_count];
	uint32_t how = fuzz_byte(in);
	uint32_t at = chunk + how % CHUNK;
	unsigned n = how & 0x80 ? 1 : 4 - (at & 3);

	/* The superblock is judged as a whole: seldom. */
	if (at >= 1024 && at < 2048 && !(how & 0x40))
		return;
	changed[changed_count++] = at;
	for (; n-- > 0; at++)
		base->copy[at] = (unsigned char)fuzz_byte(in);
}

static void mend(struct base *base)
{
	while (changed_count > 0) {
		uint32_t at = changed[--changed_count];

		memcpy(base->copy + at, base->bytes + at, 4);
	}
}

/* ---- The reader --------------------------------------------------------- */

static int open_job(struct base *base, const struct options *options)
{
	int code;

	arena_reset();
	report_open(&job.report, true);
	job.report.silent = true;
	memory_io_show(base->copy, base->size);
	code = image_open(&job.image, "image", &job.report);
	if (code)
		return code;
	/* What source_open() makes of 'mem:', without the copy. */
	mpio_mem_init(&job.source.mem, base->copy, base->size);
	job.source.device = &job.source.mem.device;
	return reader_open(&job.reader, job.source.device,
			   job.image.fs->blocksize, options, &job.report);
}

static int run(uint32_t command, const struct options *options)
{
	static const char *const paths[] = {"/one",  "/frag", "/d/sparse",
					    "/long", "/tiny", "/d/large"};
	const char *path = paths[command / 4 % 6];
	struct node node;
	int code;

	switch (command & 3) {
	case 0:
		code = image_lookup(&job.image, "/", true, &node);
		return code ? code : tree_get(&job, &node, "/", NULL);
	case 1:
		return show_ls(&job, command & 4 ? "/d" : "/", options);
	case 2:
		return show_stat(&job, path, options);
	default:
		return show_cat(&job, path, options);
	}
}

/* An exit code, or -1: libext2fs has crashed. */
static int try(struct base *base, uint32_t command,
	       const struct options *options)
{
	int code;

	memset(&job, 0, sizeof(job));
	if (sigsetjmp(before, 0) != 0)
		return -1;
	code = open_job(base, options);
	if (!code)
		code = run(command, options);
	job_close(&job);
	return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	struct options options = {.window = 16384, .depth = 1};
	struct base *base;
	uint32_t command;
	bool whole;
	int code;

	if (base_count == 0)
		load();
	base = &bases[fuzz_below(&in, base_count)];
	command = fuzz_byte(&in);
	options.json = command & 0x80;
	options.page_at_a_time = command & 0x40;
	while (!fuzz_is_empty(&in) && changed_count < CHANGES_MAX)
		change(base, &in);
	whole = changed_count == 0;
	code = try(base, command, &options);
	mend(base);
	FUZZ_CHECK(code >= -1 && code <= REFUSED);
	if (whole)
		FUZZ_CHECK(code == DONE || (command & 3) != 0);
	return 0;
}
