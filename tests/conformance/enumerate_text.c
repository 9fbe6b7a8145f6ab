/* SPDX-License-Identifier: MIT */
/*
 * A trial as text: what a failure prints, and what --case reads.
 *
 *     op=read pages=2,2,2 state=ppp map=m3,m4b,-,n5k,u,F bs=512 size=3072 ...
 *
 * Each block is its kind (the characters of enum block_kind), the device block
 * where it lies, and 'b' for a boundary behind it, 'k' for its mark, 'q' for
 * the second device. A key that is left out is 0.
 */
#include "enumerate.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** The keys that are plain numbers. */
struct number {
	const char *key;
	size_t offset;
	size_t size;
};

#define NUMBER(key, member)                                                    \
	{                                                                      \
		key, offsetof(struct trial, member),                           \
			sizeof(((struct trial *)NULL)->member)                 \
	}

static const struct number numbers[] = {
	NUMBER("bs", block_size),   NUMBER("size", file_size),
	NUMBER("dev", device_size), NUMBER("pieces", pieces_max),
	NUMBER("parts", parts_max), NUMBER("bytes", bytes_max),
	NUMBER("bad", bad),         NUMBER("slices", slices),
	NUMBER("layout", layout),   NUMBER("engine", engine),
	NUMBER("nr", nr),           NUMBER("states", states),
	NUMBER("late", late),       NUMBER("isolate", isolate),
	NUMBER("single", single),   NUMBER("sync", sync),
};

enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

static uint32_t number_get(const struct trial *t, const struct number *n)
{
	const unsigned char *at = (const unsigned char *)t + n->offset;
	uint32_t value;

	if (n->size == 1)
		return *at;
	memcpy(&value, at, sizeof(value));
	return value;
}

static void number_set(struct trial *t, const struct number *n, uint32_t value)
{
	unsigned char *at = (unsigned char *)t + n->offset;

	if (n->size == 1)
		*at = (unsigned char)value;
	else
		memcpy(at, &value, sizeof(value));
}

static void print_block(const struct trial_block *block)
{
	putchar(block->kind);
	if (strchr("mnw", block->kind) != NULL)
		printf("%u", block->device);
	if (block->boundary)
		putchar('b');
	if (block->mark)
		putchar('k');
	if (block->queue != 0)
		putchar('q');
}

void trial_print(const struct trial *t)
{
	printf("op=%s pages=", t->op == TRIAL_READ ? "read" : "write");
	for (unsigned p = 0; p < t->page_count; p++)
		printf("%s%u", p != 0 ? "," : "", t->page_blocks[p]);
	printf(" state=");
	for (unsigned p = 0; p < t->page_count; p++)
		putchar(t->page_state[p]);
	printf(" map=");
	for (unsigned b = 0; b < t->block_count; b++) {
		if (b != 0)
			putchar(',');
		print_block(&t->block[b]);
	}
	for (unsigned i = 0; i < NUMBERS; i++) {
		uint32_t value = number_get(t, &numbers[i]);

		if (value != 0)
			printf(" %s=%u", numbers[i].key, value);
	}
	putchar('\n');
}

static int parse_pages(struct trial *t, const char *text)
{
	while (t->page_count < PAGES_MAX && *text >= '1' && *text <= '6') {
		t->page_blocks[t->page_count++] = (uint8_t)(*text++ - '0');
		t->block_count = (uint8_t)(t->block_count + text[-1] - '0');
		if (*text == ',')
			text++;
	}
	return *text == '\0' && t->block_count <= BLOCKS_MAX ? 0 : -1;
}

static int parse_states(struct trial *t, const char *text)
{
	if (strlen(text) > PAGES_MAX || strspn(text, "pdab") != strlen(text))
		return -1;
	memcpy(t->page_state, text, strlen(text));
	return 0;
}

static int parse_map(struct trial *t, const char *text)
{
	for (unsigned b = 0; b < BLOCKS_MAX && *text != '\0'; b++) {
		struct trial_block *block = &t->block[b];

		if (strchr("-mnwuiF", *text) == NULL)
			return -1;
		block->kind = (uint8_t)*text++;
		if (*text >= '0' && *text < '0' + DEVICE_BLOCKS)
			block->device = (uint8_t)(*text++ - '0');
		for (; *text == 'b' || *text == 'k' || *text == 'q'; text++) {
			block->boundary |= *text == 'b';
			block->mark |= *text == 'k';
			block->queue |= *text == 'q';
		}
		if (*text == ',')
			text++;
	}
	return *text == '\0' ? 0 : -1;
}

static int parse_number(struct trial *t, const char *key, size_t length,
			const char *text)
{
	for (unsigned i = 0; i < NUMBERS; i++) {
		if (strlen(numbers[i].key) == length &&
		    strncmp(numbers[i].key, key, length) == 0) {
			number_set(t, &numbers[i],
				   (uint32_t)strtoul(text, NULL, 0));
			return 0;
		}
	}
	return -1;
}

static int parse_word(struct trial *t, const char *word)
{
	const char *value = strchr(word, '=');
	size_t length;

	if (value == NULL)
		return -1;
	length = (size_t)(value++ - word);
	if (strncmp(word, "op=", 3) == 0) {
		t->op = *value == 'w' ? TRIAL_WRITE : TRIAL_READ;
		return 0;
	}
	if (strncmp(word, "pages=", 6) == 0)
		return parse_pages(t, value);
	if (strncmp(word, "state=", 6) == 0)
		return parse_states(t, value);
	if (strncmp(word, "map=", 4) == 0)
		return parse_map(t, value);
	return parse_number(t, word, length, value);
}

int trial_parse(struct trial *t, int argc, char **argv)
{
	memset(t, 0, sizeof(*t));
	memset(t->page_state, PAGE_WANTED, sizeof(t->page_state));
	for (unsigned b = 0; b < BLOCKS_MAX; b++)
		t->block[b].kind = KIND_HOLE;
	for (int i = 0; i < argc; i++)
		if (parse_word(t, argv[i]) != 0)
			return -1;
	if (t->page_count == 0 || t->block_size < UNIT ||
	    t->block_size > BLOCK_SIZE_MAX ||
	    t->device_size > DEVICE_BLOCKS * t->block_size)
		return -1;
	return 0;
}
