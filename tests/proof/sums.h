/* SPDX-License-Identifier: MIT */
/* As bits.h, for products. */

/*@ lemma quotient: \forall integer a, b, c; 0 <= a && 0 < b && 0 <= c ==>
  @	(a > c / b <==> a * b > c); */

/* What the compiler's own sums do is taken for granted. */
#include <stdbool.h>
#include <stdint.h>

/*@ requires \valid(sum);
  @ assigns *sum;
  @ ensures *sum == (a + b) % (UINT64_MAX + 1); */
bool __builtin_add_overflow(uint64_t a, uint64_t b, uint64_t *sum);

/*@ requires \valid(difference);
  @ assigns *difference;
  @ ensures *difference == (a >= b ? a - b : a - b + UINT64_MAX + 1); */
bool __builtin_sub_overflow(uint64_t a, uint64_t b, uint64_t *difference);
