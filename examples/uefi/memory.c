/* SPDX-License-Identifier: MIT */
/*
 * The four functions that a compiler takes for granted. They copy and clear
 * by words where both ends allow it; and copy eight in a row, since what a loop
 * takes besides is as much as one.
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
		word *w = to;
		const word *v = from;

		for (; size >= 8 * sizeof(word); size -= 8 * sizeof(word)) {
			word a = v[0], b = v[1], c = v[2], d = v[3];

			w[0] = a, w[1] = b, w[2] = c, w[3] = d;
			a = v[4], b = v[5], c = v[6], d = v[7];
			w[4] = a, w[5] = b, w[6] = c, w[7] = d;
			w += 8;
			v += 8;
		}
		for (; size >= sizeof(word); size -= sizeof(word))
			*w++ = *v++;
		t = (unsigned char *)w;
		f = (const unsigned char *)v;
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
