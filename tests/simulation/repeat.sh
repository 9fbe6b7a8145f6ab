#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The same seeds in two processes come to the same sum, and others to another.
#
#     sh repeat.sh PROGRAM
set -eu
seed=${MPIO_SEED:-$(date +%s)}
sum() { # SEED
	"$1" --seed "$2" --count 300 | sed -n 's/^all is well.* //p'
}
first=$(sum "$1" "$seed")
second=$(sum "$1" "$seed")
other=$(sum "$1" $((seed + 1)))
echo "seed $seed: $first $second, $((seed + 1)): $other"
test -n "$first" && test "$first" = "$second" && test "$first" != "$other"
