/* SPDX-License-Identifier: MIT */
/* As bits.h, for products. */

/*@ lemma quotient: \forall integer a, b, c; 0 <= a && 0 < b && 0 <= c ==>
  @	(a > c / b <==> a * b > c); */
