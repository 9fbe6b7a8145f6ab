/* SPDX-License-Identifier: MIT */
/*
 * Index: which frame holds the page at a position.
 *
 * A radix tree of 64-way nodes over page numbers. It is as high as its largest
 * key needs, and a node is there only if something is below it:
 *
 *     height 2            root  [ 0 ] [   ] [ 2 ] ...     keys by 64
 *                               /             \
 *     level 0      [ 0 ] [ 1 ] [ 2 ] ..    [   ] [ 129 ] ..    frames
 *
 * Each node has a bitmap a tag that says which slots have something below
 * with that tag. So a walk in order goes down only where it finds something,
 * and takes the next slot from one word: its cost is that of what it finds.
 *
 * Nodes come from a fixed pool. Keys are page numbers, 55 bits or less.
 */
#include "cache_private.h"

#define BITS MPIO__FANOUT_BITS

static struct mpio__node *node_at(struct mpio__index index, uint32_t number)
{
	return &index.pool->nodes[(number >> BITS) - 1];
}

/* What a node leads to at a slot. */
static uint32_t *slot_at(struct mpio__index index, uint32_t number,
			 uint32_t slot)
{
	return &index.pool->slots[number + slot];
}

static uint32_t slot_of(uint64_t key, uint32_t level)
{
	return (uint32_t)(key >> BITS * level) & (MPIO__FANOUT - 1);
}

static uint64_t bit_of(uint32_t slot)
{
	return (uint64_t)1 << slot;
}

/* Those of a slot and of all behind it. */
static uint64_t bits_from(uint32_t slot)
{
	return ~(bit_of(slot) - 1);
}

/* The lowest bit of a word that is not 0; a builtin may call a helper. */
static uint32_t lowest(uint64_t word)
{
	uint32_t n = 0;

	for (uint32_t step = 32; step != 0; step /= 2) {
		if ((word & (bit_of(step) - 1)) == 0) {
			word >>= step;
			n += step;
		}
	}
	return n;
}

/* Whether a tree of some height has room for a key. */
static bool has_room(uint32_t height, uint64_t key)
{
	return height != 0 && key >> BITS * height == 0;
}

/* ---- The pool ----------------------------------------------------------- */

void mpio__pool_init(struct mpio__pool *pool, struct mpio__node *nodes,
		     uint32_t *slots, uint32_t count)
{
	pool->nodes = nodes;
	pool->slots = slots;
	memset(slots, 0, MPIO__FANOUT * sizeof(*slots));
	pool->free = 0;
	pool->free_count = count;
	pool->keep = 0;
	for (uint32_t i = count; i > 0; i--) {
		nodes[i - 1].parent = pool->free;
		pool->free = i << BITS;
	}
}

static uint32_t node_take(struct mpio__index index, uint32_t parent,
			  uint32_t slot)
{
	uint32_t number = index.pool->free;
	struct mpio__node *node = node_at(index, number);

	index.pool->free = node->parent;
	index.pool->free_count--;
	memset(node, 0, sizeof(*node));
	memset(slot_at(index, number, 0), 0, MPIO__FANOUT * sizeof(uint32_t));
	node->parent = parent;
	node->slot = slot;
	return number;
}

static void node_give(struct mpio__index index, uint32_t number)
{
	node_at(index, number)->parent = index.pool->free;
	index.pool->free = number;
	index.pool->free_count++;
}

/* ---- Finding ------------------------------------------------------------ */

/* The node at level 0 of a key that is there. */
static uint32_t leaf_of(struct mpio__index index, uint64_t key)
{
	return (uint32_t)mpio__index_find(index.pool, *index.root,
					  *index.height - 1, key >> BITS);
}

uint32_t mpio__index_next(struct mpio__index index, uint64_t *key,
			  enum mpio__tag tag)
{
	uint64_t at = *key;
	uint32_t height = *index.height;
	uint32_t level;
	uint32_t number = *index.root;

	if (!has_room(height, at))
		return 0;
	level = height - 1;
	for (;;) {
		const struct mpio__node *node = node_at(index, number);
		uint32_t slot = slot_of(at, level);
		uint64_t rest = node->tags[tag] & bits_from(slot);

		if (rest == 0) {
			/* Behind this node; perhaps behind its parent, too. */
			at = ((at >> BITS * (level + 1)) + 1)
			     << BITS * (level + 1);
			do {
				number = node_at(index, number)->parent;
				level++;
			} while (number != 0 && slot_of(at, level) == 0);
			if (number == 0)
				return 0;
			continue;
		}
		if (lowest(rest) != slot) {
			slot = lowest(rest);
			at = at >> BITS * (level + 1) << BITS * (level + 1) |
			     (uint64_t)slot << BITS * level;
		}
		number = *slot_at(index, number, slot);
		if (level == 0)
			break;
		level--;
	}
	*key = at;
	return number;
}

/* ---- Tags --------------------------------------------------------------- */

/* A slot of a node got a tag: tell all above that do not know. */
static void tag_up(struct mpio__index index, uint32_t number, uint64_t bits,
		   enum mpio__tag tag)
{
	while (number != 0) {
		struct mpio__node *node = node_at(index, number);
		bool known = node->tags[tag] != 0;

		node->tags[tag] |= bits;
		if (known)
			break;
		bits = bit_of(node->slot);
		number = node->parent;
	}
}

/* A slot lost a tag: tell all above for whom it was the last. */
static void untag_up(struct mpio__index index, uint32_t number, uint32_t slot,
		     enum mpio__tag tag)
{
	while (number != 0) {
		struct mpio__node *node = node_at(index, number);

		if (!(node->tags[tag] & bit_of(slot)))
			break;
		node->tags[tag] &= ~bit_of(slot);
		if (node->tags[tag] != 0)
			break;
		slot = node->slot;
		number = node->parent;
	}
}

void mpio__index_tag(struct mpio__index index, uint64_t key, enum mpio__tag tag,
		     bool on)
{
	uint32_t leaf = leaf_of(index, key);

	if (on)
		tag_up(index, leaf, bit_of(slot_of(key, 0)), tag);
	else
		untag_up(index, leaf, slot_of(key, 0), tag);
}

void mpio__index_copy_tag(struct mpio__index index, uint64_t first,
			  uint64_t last, enum mpio__tag from, enum mpio__tag to)
{
	uint64_t key = first;

	while (mpio__index_next(index, &key, from) != 0 && key <= last) {
		uint32_t leaf = leaf_of(index, key);
		uint64_t end = key | (MPIO__FANOUT - 1);
		uint64_t bits = node_at(index, leaf)->tags[from];

		bits &= bits_from(slot_of(key, 0));
		if (end > last)
			bits &= UINT64_MAX >> (end - last);
		tag_up(index, leaf, bits, to);
		key = end + 1;
	}
}

/* ---- Changing ----------------------------------------------------------- */

static uint32_t height_for(uint64_t key)
{
	uint32_t height = 1;

	while (!has_room(height, key))
		height++;
	return height;
}

/* How many nodes it takes to have a place for a key. */
static uint32_t nodes_for(struct mpio__index index, uint64_t key)
{
	uint32_t height = height_for(key);
	uint32_t number = *index.root;
	uint32_t level;

	if (number == 0)
		return height;
	if (height > *index.height) /* new roots, and a way down beside */
		return height - *index.height + height - 1;
	for (level = *index.height - 1; level > 0; level--) {
		number = *slot_at(index, number, slot_of(key, level));
		if (number == 0)
			break;
	}
	return level;
}

/* Put a root above the root. */
static void grow(struct mpio__index index)
{
	uint32_t old = *index.root;
	uint32_t number = node_take(index, 0, 0);
	struct mpio__node *root = node_at(index, number);
	struct mpio__node *child = node_at(index, old);

	*slot_at(index, number, 0) = old;
	for (uint32_t tag = 0; tag < MPIO__TAGS; tag++)
		root->tags[tag] = child->tags[tag] != 0;
	child->parent = number;
	child->slot = 0;
	*index.root = number;
	++*index.height;
}

int mpio__index_insert(struct mpio__index index, uint64_t key, uint32_t value)
{
	uint32_t height = height_for(key);
	uint32_t needed = nodes_for(index, key);
	uint32_t number;

	if (needed != 0 && needed + index.pool->keep > index.pool->free_count)
		return -MPIO_ENOMEM;
	if (*index.root == 0) {
		*index.root = node_take(index, 0, 0);
		*index.height = height;
	}
	while (*index.height < height)
		grow(index);
	number = *index.root;
	for (uint32_t level = *index.height - 1; level > 0; level--) {
		uint32_t slot = slot_of(key, level);
		uint32_t *down = slot_at(index, number, slot);

		if (*down == 0)
			*down = node_take(index, number, slot);
		number = *down;
	}
	*slot_at(index, number, slot_of(key, 0)) = value;
	tag_up(index, number, bit_of(slot_of(key, 0)), MPIO__TAG_ANY);
	return 0;
}

/* Take roots away that have but their first slot. */
static void shrink(struct mpio__index index)
{
	while (*index.root != 0 && *index.height > 1) {
		const struct mpio__node *root = node_at(index, *index.root);
		uint32_t child = *slot_at(index, *index.root, 0);

		if (root->tags[MPIO__TAG_ANY] != 1)
			break;
		node_give(index, *index.root);
		node_at(index, child)->parent = 0;
		*index.root = child;
		--*index.height;
	}
	if (*index.root == 0)
		*index.height = 0;
}

void mpio__index_remove(struct mpio__index index, uint64_t key)
{
	uint32_t number = leaf_of(index, key);
	uint32_t slot = slot_of(key, 0);

	for (uint32_t tag = 0; tag < MPIO__TAGS; tag++)
		untag_up(index, number, slot, (enum mpio__tag)tag);
	for (;;) {
		struct mpio__node *node = node_at(index, number);
		uint32_t empty = number;

		*slot_at(index, number, slot) = 0;
		if (node->tags[MPIO__TAG_ANY] != 0)
			break;
		slot = node->slot;
		number = node->parent;
		node_give(index, empty);
		if (number == 0) {
			*index.root = 0;
			break;
		}
	}
	shrink(index);
}
