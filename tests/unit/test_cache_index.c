/* SPDX-License-Identifier: MIT */
/*
 * The index of the cache: random operations, compared with a sorted array.
 * MPIO_SEED in the environment plays a run again.
 */
#include "cache_private.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEYS_MAX 600u
#define NODES 4096u
#define LAST_KEY (((uint64_t)1 << 55) - 1)

struct entry {
	uint64_t key;
	uint32_t value;
	bool tags[MPIO__TAGS];
};

struct model {
	struct entry entries[KEYS_MAX];
	uint32_t count;
	struct mpio__node *nodes;
	uint32_t *slots;
	struct mpio__pool pool;
	uint32_t root;
	uint32_t height;
	struct mpio__index index;
	uint64_t seed;
};

static uint64_t next_random(struct model *model)
{
	model->seed ^= model->seed << 13;
	model->seed ^= model->seed >> 7;
	model->seed ^= model->seed << 17;
	return model->seed;
}

static void model_init(struct model *model, uint32_t nodes)
{
	const char *seed = getenv("MPIO_SEED");
	size_t slots_size = (nodes + 1) * MPIO__FANOUT * sizeof(uint32_t);

	memset(model, 0, sizeof(*model));
	model->seed = seed != NULL ? strtoull(seed, NULL, 0)
				   : (uint64_t)(uintptr_t)model * 2654435761u;
	model->seed |= 1;
	print_message("MPIO_SEED=%" PRIu64 "\n", model->seed);
	model->nodes = malloc(nodes * sizeof(struct mpio__node));
	model->slots = malloc(slots_size);
	assert_non_null(model->nodes);
	assert_non_null(model->slots);
	memset(model->nodes, 0xa5, nodes * sizeof(struct mpio__node));
	memset(model->slots, 0xa5, slots_size);
	mpio__pool_init(&model->pool, model->nodes, model->slots, nodes);
	model->index = (struct mpio__index){&model->pool, &model->root,
					    &model->height};
}

static void model_free(struct model *model)
{
	free(model->nodes);
	free(model->slots);
}

/* Keys near each other and far apart, at the ends of all levels. */
static uint64_t random_key(struct model *model)
{
	uint64_t base = (uint64_t)1 << next_random(model) % 55;

	switch (next_random(model) % 4) {
	case 0:
		return next_random(model) % 300;
	case 1:
		return base - 1 + next_random(model) % 3;
	case 2:
		return LAST_KEY - next_random(model) % 100;
	default:
		return 5000 + next_random(model) % 5000;
	}
}

/* The first entry at a key or behind it. */
static uint32_t lower_bound(const struct model *model, uint64_t key)
{
	uint32_t i = 0;

	while (i < model->count && model->entries[i].key < key)
		i++;
	return i;
}

static bool has(const struct model *model, uint32_t i, uint64_t key)
{
	return i < model->count && model->entries[i].key == key;
}

static uint32_t find(const struct model *model, uint64_t key)
{
	return (uint32_t)mpio__index_find(&model->pool, model->root,
					  model->height, key);
}

static void insert(struct model *model, uint64_t key)
{
	uint32_t i = lower_bound(model, key);
	struct entry *entry = &model->entries[i];

	if (has(model, i, key) || model->count == KEYS_MAX)
		return;
	memmove(entry + 1, entry, (model->count - i) * sizeof(*entry));
	*entry = (struct entry){.key = key,
				.value = (uint32_t)next_random(model) | 1};
	entry->tags[MPIO__TAG_ANY] = true;
	model->count++;
	assert_int_equal(mpio__index_insert(model->index, key, entry->value),
			 0);
}

static void remove_at(struct model *model, uint32_t i)
{
	struct entry *entry = &model->entries[i];

	mpio__index_remove(model->index, entry->key);
	model->count--;
	memmove(entry, entry + 1, (model->count - i) * sizeof(*entry));
}

static void copy_tag(struct model *model)
{
	uint64_t first = random_key(model);
	uint64_t last = random_key(model);

	if (first > last)
		return;
	mpio__index_copy_tag(model->index, first, last, MPIO__TAG_DIRTY,
			     MPIO__TAG_TOWRITE);
	for (uint32_t i = 0; i < model->count; i++) {
		struct entry *entry = &model->entries[i];

		if (entry->key >= first && entry->key <= last &&
		    entry->tags[MPIO__TAG_DIRTY])
			entry->tags[MPIO__TAG_TOWRITE] = true;
	}
}

static void compare(struct model *model)
{
	for (uint32_t tag = 0; tag < MPIO__TAGS; tag++) {
		uint64_t key = 0;
		uint32_t found;

		for (uint32_t i = 0; i < model->count; i++) {
			const struct entry *entry = &model->entries[i];

			if (!entry->tags[tag])
				continue;
			found = mpio__index_next(model->index, &key,
						 (enum mpio__tag)tag);
			assert_int_equal(found, entry->value);
			assert_true(key == entry->key);
			key++;
		}
		assert_int_equal(mpio__index_next(model->index, &key,
						  (enum mpio__tag)tag),
				 0);
	}
}

static void step(struct model *model)
{
	uint64_t key = random_key(model);
	uint32_t i = lower_bound(model, key);
	enum mpio__tag tag = (enum mpio__tag)(next_random(model) % 3);
	bool on = next_random(model) % 2;

	switch (next_random(model) % 8) {
	case 0:
	case 1:
		insert(model, key);
		break;
	case 2:
		if (i < model->count)
			remove_at(model, i);
		break;
	case 3:
		copy_tag(model);
		break;
	case 4:
		assert_int_equal(find(model, key),
				 has(model, i, key) ? model->entries[i].value
						    : 0);
		break;
	default:
		if (i == model->count)
			break;
		mpio__index_tag(model->index, model->entries[i].key, tag, on);
		model->entries[i].tags[tag] = on;
	}
}

static void it_does_what_a_sorted_array_does(void **state)
{
	static struct model model;

	(void)state;
	model_init(&model, NODES);
	for (uint32_t i = 0; i < 60000; i++) {
		step(&model);
		if (i % 16 == 0)
			compare(&model);
	}
	while (model.count != 0) {
		remove_at(&model,
			  (uint32_t)(next_random(&model) % model.count));
		compare(&model);
	}
	assert_int_equal(model.root, 0);
	assert_int_equal(model.height, 0);
	assert_int_equal(model.pool.free_count, NODES);
	model_free(&model);
}

/* A key that differs from one that is there above the root only, or below. */
static void a_key_that_is_not_there_is_not_found(void **state)
{
	static struct model model;

	(void)state;
	model_init(&model, NODES);
	assert_int_equal(find(&model, 0), 0);
	assert_int_equal(find(&model, 1), 0);
	for (uint32_t height = 1; height <= 10; height++) {
		uint64_t end =
			height < 10 ? (uint64_t)1 << 6 * height : LAST_KEY + 1;

		assert_int_equal(mpio__index_insert(model.index, end - 1, 5),
				 0);
		assert_int_equal(model.height, height);
		assert_int_equal(find(&model, end - 1), 5);
		assert_int_equal(find(&model, 2 * end - 1), 0);
		for (uint32_t i = 0; i < 6 * height && i < 55; i++)
			assert_int_equal(
				find(&model, (end - 1) ^ (uint64_t)1 << i), 0);
		mpio__index_remove(model.index, end - 1);
		assert_int_equal(find(&model, end - 1), 0);
	}
	model_free(&model);
}

static void without_nodes_an_insertion_changes_nothing(void **state)
{
	static struct model model;

	(void)state;
	model_init(&model, 12);
	insert(&model, 3);
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t count = model.pool.free_count;
		uint64_t key = random_key(&model);

		if (has(&model, lower_bound(&model, key), key))
			continue;
		if (mpio__index_insert(model.index, key, 7) == 0)
			mpio__index_remove(model.index, key);
		compare(&model);
		assert_int_equal(model.pool.free_count, count);
	}
	model_free(&model);
}

/* Nodes that a walk over the tagged looks at, by their tags. */
static void a_walk_goes_only_where_it_finds_something(void **state)
{
	static struct model model;
	uint64_t key = 0;
	uint32_t found = 0;

	(void)state;
	model_init(&model, NODES);
	for (uint32_t i = 0; i < 200000; i++)
		assert_int_equal(mpio__index_insert(model.index, i, i + 1), 0);
	mpio__index_tag(model.index, 70000, MPIO__TAG_DIRTY, true);
	/* Clean nodes are poisoned: to look into one would crash. */
	for (uint32_t i = 0; i < NODES; i++) {
		if (model.nodes[i].tags[MPIO__TAG_DIRTY] != 0)
			continue;
		memset(&model.slots[(i + 1) * MPIO__FANOUT], 0xff,
		       MPIO__FANOUT * sizeof(uint32_t));
		model.nodes[i].tags[MPIO__TAG_DIRTY] = UINT64_MAX;
	}
	while (mpio__index_next(model.index, &key, MPIO__TAG_DIRTY) != 0) {
		assert_int_equal(key, 70000);
		found++;
		key++;
	}
	assert_int_equal(found, 1);
	model_free(&model);
}

/* The last node, or none, is enough for a key that has its leaf. */
static void where_a_leaf_is_no_node_is_needed(void **state)
{
	static struct model model;

	(void)state;
	for (uint32_t height = 2; height <= 5; height++) {
		uint64_t key = (uint64_t)1 << MPIO__FANOUT_BITS * (height - 1);

		model_init(&model, height);
		assert_int_equal(mpio__index_insert(model.index, key, 1), 0);
		assert_int_equal(model.height, height);
		assert_int_equal(model.pool.free_count, 0);
		assert_int_equal(mpio__index_insert(model.index, key + 1, 2),
				 0);
		assert_int_equal(
			mpio__index_insert(model.index, key + MPIO__FANOUT, 3),
			-MPIO_ENOMEM);
		model_free(&model);
	}
}

/* Nothing takes its place: it is no root that leads to another. */
static void the_first_page_alone_stays_where_it_is(void **state)
{
	static struct model model;

	(void)state;
	model_init(&model, 4);
	for (uint64_t key = 0; key < 70; key += 23)
		assert_int_equal(
			mpio__index_insert(model.index, key, (uint32_t)key + 7),
			0);
	for (uint64_t key = 69; key > 0; key -= 23)
		mpio__index_remove(model.index, key);
	assert_int_equal(model.height, 1);
	assert_int_equal(model.pool.free_count, 3);
	assert_int_equal(
		mpio__index_find(&model.pool, model.root, model.height, 0), 7);
	mpio__index_remove(model.index, 0);
	assert_int_equal(model.pool.free_count, 4);
	model_free(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_does_what_a_sorted_array_does),
		cmocka_unit_test(a_key_that_is_not_there_is_not_found),
		cmocka_unit_test(without_nodes_an_insertion_changes_nothing),
		cmocka_unit_test(a_walk_goes_only_where_it_finds_something),
		cmocka_unit_test(where_a_leaf_is_no_node_is_needed),
		cmocka_unit_test(the_first_page_alone_stays_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
