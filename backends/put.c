/* SPDX-License-Identifier: MIT */
/*
 * Text and division where there is no C library.
 */
#include "put.h"

static void put_byte(struct mpio__put *put, char c)
{
	if (put->length + 1 < put->size) {
		put->at[put->length] = c;
		put->at[put->length + 1] = '\0';
	}
	put->length++;
}

void mpio__put_text(struct mpio__put *put, const char *text)
{
	if (put->length == 0 && put->size > 0)
		put->at[0] = '\0';
	for (; *text != '\0'; text++)
		put_byte(put, *text);
}

uint64_t mpio__divide(uint64_t number, uint64_t by, uint64_t *rest)
{
	uint64_t result = 0;
	uint64_t left = 0;

	for (int bit = 63; bit >= 0; bit--) {
		left = left << 1 | (number >> bit & 1);
		result <<= 1;
		if (left >= by) {
			left -= by;
			result |= 1;
		}
	}
	*rest = left;
	return result;
}

uint64_t mpio__rest(uint64_t number, uint64_t by)
{
	uint64_t rest;

	if (number < by)
		return number;
	if ((by & (by - 1)) == 0)
		return number & (by - 1);
	(void)mpio__divide(number, by, &rest);
	return rest;
}

static void put_digits(struct mpio__put *put, uint64_t number, uint32_t base)
{
	char digits[24];
	unsigned n = sizeof(digits);

	digits[--n] = '\0';
	do {
		uint64_t digit;

		number = mpio__divide(number, base, &digit);
		digits[--n] = (char)(digit < 10 ? '0' + (int)digit
						: 'a' + (int)digit - 10);
	} while (number != 0);
	mpio__put_text(put, digits + n);
}

void mpio__put_number(struct mpio__put *put, uint64_t number)
{
	put_digits(put, number, 10);
}

void mpio__put_hex(struct mpio__put *put, uint64_t number)
{
	mpio__put_text(put, "0x");
	put_digits(put, number, 16);
}
