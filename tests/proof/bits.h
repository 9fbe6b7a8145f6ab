/* SPDX-License-Identifier: MIT */
/*
 * What proofs want to know of bits, which WP's whole numbers have not got.
 * Lemmas are not proven here but in lemmas.smt2, by the same names.
 */
#include "arith.h"

/*@ lemma power_bits: \forall integer p; 0 < p <= UINT32_MAX ==>
  @	((p & (p - 1)) == 0 <==> mpio_is_power(p));
  @
  @ lemma power_range: \forall integer n; 0 <= n < 32 ==>
  @	1 <= (1 << n) <= 2147483648;
  @
  @ lemma power_rest: \forall integer x, p;
  @	0 <= x <= UINT64_MAX && mpio_is_power(p) ==> (x & (p - 1)) == x % p;
  @
  @ lemma and_range: \forall integer x, y;
  @	0 <= x <= UINT64_MAX && 0 <= y <= UINT64_MAX ==> 0 <= (x & y) <= x;
  @
  @ lemma and_word: \forall integer x, y;
  @	0 <= x <= UINT32_MAX && 0 <= y <= UINT32_MAX ==>
  @	(UINT32_MAX & (x & y)) == (x & y);
  @
  @ lemma right_range: \forall integer x, n;
  @	0 <= x <= UINT64_MAX && 0 <= n < 32 ==> 0 <= (x >> n) <= x;
  @
  @ lemma right_half: \forall integer x, n;
  @	0 <= x <= UINT64_MAX && 0 < n < 32 ==> (x >> n) <= UINT64_MAX / 2;
  @
  @ lemma right_next: \forall integer x, n;
  @	0 <= x <= UINT64_MAX && 0 <= n < 32 ==> (x >> (n + 1)) == (x >> n) / 2;
  @
  @ lemma right_last: \forall integer x;
  @	0 <= x <= UINT32_MAX ==> (x >> 31) <= 1;
  @
  @ lemma right_one: \forall integer x, n;
  @	0 <= x <= UINT32_MAX && 0 <= n < 32 && (x >> n) == 1 ==>
  @	(1 << n) <= x < 2 * (1 << n);
  @
  @ lemma right_left: \forall integer x, n;
  @	0 <= x <= UINT64_MAX && 0 <= n < 32 ==>
  @	((x >> n) << n) <= x < ((x >> n) << n) + (1 << n);
  @
  @ lemma left_next: \forall integer x, n;
  @	0 <= x <= UINT64_MAX && 0 <= n < 32 ==>
  @	((x + 1) << n) == (x << n) + (1 << n);
  @
  @ lemma left_order: \forall integer x, y, n;
  @	0 <= x <= UINT64_MAX && 0 <= y <= UINT64_MAX && 0 <= n < 32 ==>
  @	(x < y <==> (x << n) < (y << n)); */
