/* SPDX-License-Identifier: MIT */
/*
 * The four functions that a compiler takes for granted. They copy and clear
 * by words where both ends allow it.
 */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *memory, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

typedef uintptr_t __attribute__((may_alias)) word;

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	if ((((uintptr_t)t | (uintptr_t)f) & (sizeof(word) - 1)) == 0) {
		for (; size >= sizeof(word); size -= sizeof(word)) {
			*(word *)(void *)t = *(const word *)(const void *)f;
			t += sizeof(word);
			f += sizeof(word);
		}
	}
	while (size-- > 0)
		*t++ = *f++;
	return to;
}

void *memmove(void *to, const void *from, size_t size)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	if ((uintptr_t)t <= (uintptr_t)f) {
		for (size_t i = 0; i < size; i++)
			t[i] = f[i];
	} else {
		while (size-- > 0)
			t[size] = f[size];
	}
	return to;
}

void *memset(void *memory, int byte, size_t size)
{
	unsigned char *t = memory;
	word pattern = (word)-1 / 255 * (unsigned char)byte;

	while (size > 0 && ((uintptr_t)t & (sizeof(word) - 1)) != 0) {
		*t++ = (unsigned char)byte;
		size--;
	}
	for (; size >= sizeof(word); size -= sizeof(word)) {
		*(word *)(void *)t = pattern;
		t += sizeof(word);
	}
	while (size-- > 0)
		*t++ = (unsigned char)byte;
	return memory;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const unsigned char *x = a, *y = b;

	for (size_t i = 0; i < size; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}
