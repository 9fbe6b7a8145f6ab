; SPDX-License-Identifier: MIT
;
; The lemmas of bits.h, sums.h and plan.h, for an SMT solver: each is denied, and
; 'unsat' says that it cannot be. Numbers of the library, x and y, have 64 bits;
; here they stand in 128, so that nothing is lost on the left. A shift is one of
; 0..31, and p, a power of two, is 1 << n.
(define-sort W () (_ BitVec 128))
(define-fun wide ((x (_ BitVec 64))) W ((_ zero_extend 64) x))
(define-fun half ((x (_ BitVec 32))) W ((_ zero_extend 96) x))
(define-fun one () W (_ bv1 128))
(define-fun left ((x W) (n W)) W (bvshl x n))
(define-fun right ((x W) (n W)) W (bvlshr x n))
(define-fun shift ((n W)) Bool (bvult n (_ bv32 128)))

; One bit, of the first 32.
(define-fun power ((p (_ BitVec 32))) Bool
  (or (= p #x00000001) (= p #x00000002) (= p #x00000004) (= p #x00000008)
      (= p #x00000010) (= p #x00000020) (= p #x00000040) (= p #x00000080)
      (= p #x00000100) (= p #x00000200) (= p #x00000400) (= p #x00000800)
      (= p #x00001000) (= p #x00002000) (= p #x00004000) (= p #x00008000)
      (= p #x00010000) (= p #x00020000) (= p #x00040000) (= p #x00080000)
      (= p #x00100000) (= p #x00200000) (= p #x00400000) (= p #x00800000)
      (= p #x01000000) (= p #x02000000) (= p #x04000000) (= p #x08000000)
      (= p #x10000000) (= p #x20000000) (= p #x40000000) (= p #x80000000)))

(declare-const x64 (_ BitVec 64))
(declare-const y64 (_ BitVec 64))
(declare-const x32 (_ BitVec 32))
(declare-const n W)
(define-fun x () W (wide x64))
(define-fun y () W (wide y64))
(define-fun z () W (half x32))
(assert (shift n))

; What is taken for granted can be, which the others would not show.
(echo "premises")
(check-sat)

(echo "power_bits")
(push)
(assert (not (=> (bvugt x32 #x00000000)
  (= (= (bvand x32 (bvsub x32 #x00000001)) #x00000000) (power x32)))))
(check-sat)
(pop)

; That these 32 are the numbers 1 << n.
(echo "power_range")
(push)
(assert (not (and (bvule one (left one n))
  (bvule (left one n) (half #x80000000))
  (power ((_ extract 31 0) (left one n))))))
(check-sat)
(pop)

; x % p is what is below p, and what x is more than some multiple of p. With
; p = 1 << n, a number is a multiple of it if it is another one, n to the left.
(echo "power_rest")
(push)
(define-fun rest () W (bvand x (bvsub (left one n) one)))
(assert (not (and (bvult rest (left one n))
  (= x (bvadd (left (right x n) n) rest)))))
(check-sat)
(pop)

(echo "right_range")
(push)
(assert (not (bvule (right x n) x)))
(check-sat)
(pop)

(echo "right_half")
(push)
(assert (not (=> (bvugt n (_ bv0 128))
  (bvule (right x n) (wide #x7fffffffffffffff)))))
(check-sat)
(pop)

(echo "right_next")
(push)
(assert (not (= (right x (bvadd n one)) (bvudiv (right x n) (_ bv2 128)))))
(check-sat)
(pop)

(echo "right_last")
(push)
(assert (not (bvule (right z (_ bv31 128)) one)))
(check-sat)
(pop)

(echo "right_one")
(push)
(assert (not (=> (= (right z n) one)
  (and (bvule (left one n) z) (bvult z (bvmul (_ bv2 128) (left one n)))))))
(check-sat)
(pop)

(echo "right_left")
(push)
(assert (not (and (bvule (left (right x n) n) x)
  (bvult x (bvadd (left (right x n) n) (left one n))))))
(check-sat)
(pop)

(echo "left_next")
(push)
(assert (not (= (left (bvadd x one) n) (bvadd (left x n) (left one n)))))
(check-sat)
(pop)

(echo "left_order")
(push)
(assert (not (= (bvult x y) (bvult (left x n) (left y n)))))
(check-sat)
(pop)

(echo "and_range")
(push)
(assert (not (bvule (bvand x y) x)))
(check-sat)
(pop)

(echo "and_word")
(push)
(assert (not (= (bvand (half #xffffffff) (bvand z y)) (bvand z y))))
(check-sat)
(pop)

(echo "power")
(push)
(assert (not (and (bvule one (left one n)) (bvule (left one n)
  (half #x80000000)))))
(check-sat)
(pop)

; These are of whole numbers, where 'div' and 'mod' are those of C.
(declare-const a Int)
(declare-const b Int)
(declare-const c Int)

(echo "quotient")
(push)
(assert (not (=> (and (<= 0 a) (< 0 b) (<= 0 c))
  (= (> a (div c b)) (> (* a b) c)))))
(check-sat)
(pop)

(echo "rest")
(push)
(assert (not (=> (and (<= 0 a) (< 0 b))
  (and (<= 0 (mod a b)) (< (mod a b) b) (<= (mod a b) a)))))
(check-sat)
(pop)

; a - mod a b is b * (div a b).
(echo "rest_of_multiple")
(push)
(assert (not (=> (and (<= 0 a) (< 0 b))
  (exists ((k Int)) (= (- a (mod a b)) (* k b))))))
(check-sat)
(pop)
