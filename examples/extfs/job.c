/* SPDX-License-Identifier: MIT */
/*
 * Job: what every command works with (the image's metadata, the device, the
 * reader), and the two ways in which commands read: a file into a sink, and
 * a symlink's target into memory.
 */
#include "extfs.h"

#include <string.h>

int job_open(struct job *job, const char *image, const struct options *options)
{
	struct report *report = &job->report;
	uint64_t size;
	int code;

	memset(job, 0, sizeof(*job));
	report_open(report, options->quiet);
	code = image_open(&job->image, image, report);
	if (!code)
		code = source_open(&job->source, options->backend, image,
				   report);
	if (!code)
		code = reader_open(&job->reader, job->source.device,
				   job->image.fs->blocksize, options, report);
	if (code) {
		job_close(job);
		return code;
	}
	size = ext2fs_blocks_count(job->image.fs->super) *
	       job->image.fs->blocksize;
	if (job->source.device->size < size)
		report_problem(report, image,
			       "warning: the device is shorter than the file "
			       "system (%llu of %llu bytes)",
			       (unsigned long long)job->source.device->size,
			       (unsigned long long)size);
	report->began = now(); /* loading is not reading */
	return DONE;
}

void job_close(struct job *job)
{
	report_wipe(&job->report);
	reader_close(&job->reader);
	source_close(&job->source);
	image_close(&job->image);
}

int job_map(struct job *job, const struct node *node, const char *path,
	    struct map *map)
{
	const char *refusal = image_refusal(node);

	if (refusal) {
		report_problem(&job->report, path, "%s", refusal);
		return REFUSED;
	}
	return map_open(map, &job->image, node, path);
}

int job_read(struct job *job, const struct node *node, const struct sink *sink)
{
	struct map map;
	int code;

	code = job_map(job, node, sink->path, &map);
	if (code)
		return code;
	code = reader_read(&job->reader, &map, sink);
	map_close(&map);
	return code;
}

static int target_data(void *ctx, uint64_t pos, const void *data, size_t length)
{
	memcpy((char *)ctx + pos, data, length);
	return DONE;
}

static int target_zeros(void *ctx, uint64_t pos, uint64_t length)
{
	memset((char *)ctx + pos, 0, (size_t)length);
	return DONE;
}

int job_target(struct job *job, const struct node *node, const char *path,
	       char *target)
{
	struct sink sink = {.path = path,
			    .ctx = target,
			    .data = target_data,
			    .zeros = target_zeros};
	const char *refusal = image_refusal(node);
	struct ext2_inode inode = node->raw;
	size_t size = (size_t)node->size;
	int code = DONE;

	target[0] = '\0';
	if (refusal) {
		report_problem(&job->report, path, "%s", refusal);
		return REFUSED;
	}
	if (node->size == 0 || node->size > TARGET_MAX) {
		report_problem(&job->report, path,
			       "damaged: a symlink of %llu bytes",
			       (unsigned long long)node->size);
		return DAMAGED;
	}
	if (ext2fs_is_fast_symlink(&inode) && size < sizeof(inode.i_block))
		memcpy(target, inode.i_block, size);
	else
		code = job_read(job, node, &sink);
	target[size] = '\0';
	if (!code && strlen(target) != size) {
		report_problem(&job->report, path,
			       "damaged: a NUL in a symlink");
		code = DAMAGED;
	}
	if (code)
		target[0] = '\0';
	return code;
}
