/* SPDX-License-Identifier: MIT */
/* As bits.h, for the plan: few, as each one more makes all proofs slower. */
#include "arith.h"

/*@ lemma power: \forall integer p; mpio_is_power(p) ==>
  @	1 <= p <= 2147483648;
  @
  @ lemma power_rest: \forall integer x, p;
  @	0 <= x <= UINT64_MAX && mpio_is_power(p) ==> (x & (p - 1)) == x % p;
  @
  @ lemma rest: \forall integer x, p; 0 <= x && 0 < p ==>
  @	0 <= x % p < p && x % p <= x;
  @
  @ lemma rest_of_multiple: \forall integer x, p; 0 <= x && 0 < p ==>
  @	(x - x % p) % p == 0; */
