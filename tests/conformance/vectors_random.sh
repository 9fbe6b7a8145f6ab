# SPDX-License-Identifier: MIT
#
#     vectors_random.sh VECTORS_RANDOM MPIO_VECTORS SEED COUNT
#
# Random scenarios: none may break a rule that needs no reference.
set -eu
random=$1 vectors=$2 seed=$3 count=$4
scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT

echo "seed $seed"
"$random" "$seed" "$count" >"$scratch"
result=$("$vectors" "$scratch") || { echo "$result"; exit 1; }
echo "$result"
[ "$result" = "$count passed, 0 failed" ]
