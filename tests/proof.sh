#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Proves the contracts of the arithmetic and of the plan: Frama-C's WP makes
# goals of the code and of the comments that begin with an @, and Z3 or CVC4
# prove them, for 64-bit and 32-bit machines. Among them: no sum wraps round, no
# shift is too long, nothing but what is said is changed, every loop ends.
#
#     sh tests/proof.sh
#
# Installs what is missing (Debian 12: frama-c-base why3 z3 cvc4). Ends with
# 'N goals proven, N failed', and with 1 if one failed or if a function of those
# files has no contract. SECONDS_A_GOAL=N gives a slow machine more time.
set -eu
cd "$(dirname "$0")/.."
LC_ALL=C
export LC_ALL

seconds=${SECONDS_A_GOAL:-20}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
proven=0
failed=0

# ---- What is needed -----------------------------------------------------

. tests/packages.sh

packages_to "$scratch/packages" frama-c-base why3 z3 cvc4
WHY3CONFIG=$scratch/why3.conf
export WHY3CONFIG
why3 config detect >"$scratch/why3" 2>&1 || cat "$scratch/why3"

# ---- Contracts ----------------------------------------------------------

fail() {
	echo "$*"
	failed=$((failed + 1))
}

# Functions that a source defines, each with whether a contract stands above.
functions_of() { # SOURCE
	awk '
		/^\/\*@/ { contract = 1 }
		/^}|^#|^static const|^}/ { contract = 0 }
		/^[a-z][a-z0-9_ *]*$/ { next } # the type, on a line of its own
		/^[a-z].*[a-z0-9_]+\(/ && !/;$/ {
			name = $0
			sub(/\(.*/, "", name)
			sub(/.*[ *]/, "", name)
			print name, contract ? "yes" : "no"
			contract = 0
		}' "$1"
}

# The functions of a source, which are all in a list and have contracts.
all_of() { # SOURCE NAME...
	source=$1
	shift
	functions_of "$source" >"$scratch/functions"
	while read -r name contract; do
		case " $* " in
		*" $name "*) ;;
		*) fail "$source: nobody proves $name()" ;;
		esac
		if [ "$contract" = no ]; then
			fail "$source: $name() has no contract"
		fi
	done <"$scratch/functions"
}

# Those of a list have contracts.
some_of() { # SOURCE NAME...
	source=$1
	shift
	functions_of "$source" >"$scratch/functions"
	for name in "$@"; do
		if ! grep -qx "$name yes" "$scratch/functions"; then
			fail "$source: $name() has no contract"
		fi
	done
}

# ---- Proofs -------------------------------------------------------------

# Prove functions with some of the lemmas; WRAPS is 'wraps' if unsigned sums
# may wrap round in them.
prove() { # LEMMAS SOURCE WRAPS FUNCTION...
	lemmas=tests/proof/$1
	source=$2
	wraps='-warn-unsigned-overflow -warn-unsigned-downcast'
	if [ "$3" = wraps ]; then
		wraps=
	fi
	shift 3
	names=$(echo "$*" | tr ' ' ',')
	for machine in gcc_x86_64 gcc_x86_32; do
		# shellcheck disable=SC2086
		frama-c -wp -wp-rte $wraps -wp-fct "$names" -wp-split \
			-wp-prop=-@lemma -wp-prover z3,cvc4 \
			-wp-timeout "$seconds" -wp-par 2 -machdep "$machine" \
			-cpp-extra-args="-Iinclude -Ilib -include $lemmas" \
			"$source" >"$scratch/out" 2>&1 || :
		count=$(sed -n 's/^\[wp\] Proved goals: *\([0-9]*\) .*/\1/p' \
			"$scratch/out")
		of=$(sed -n 's/^\[wp\] Proved goals:.*\/ *\([0-9]*\)$/\1/p' \
			"$scratch/out")
		if [ -z "$count" ]; then
			cat "$scratch/out"
			fail "$source: $names: there is no result"
			continue
		fi
		printf '%-11s %-14s %4d of %4d  %s\n' "$machine" "$source" \
			"$count" "$of" "$names"
		grep -A2 -E '(Failed|Timeout|Unknown)' "$scratch/out" |
			sed 's/^/    /' || :
		proven=$((proven + count))
		failed=$((failed + of - count))
	done
}

# The lemmas: the same names in both places, and none can be denied.
lemmas() {
	cat tests/proof/*.h | sed -n 's/.*[@ ] lemma \([a-z_]*\):.*/\1/p' |
		sort -u >"$scratch/stated"
	timeout 600 z3 tests/proof/lemmas.smt2 | paste -d ' ' - - \
		>"$scratch/lemmas" || :
	if ! grep -qx 'premises sat' "$scratch/lemmas"; then
		fail 'lemmas.smt2: what it takes for granted cannot be'
	fi
	while read -r name; do
		if grep -qx "$name unsat" "$scratch/lemmas"; then
			proven=$((proven + 1))
		else
			fail "lemmas.smt2: $name is not proven"
		fi
	done <"$scratch/stated"
	printf '%-11s %-14s %4d of %4d\n' any lemmas \
		"$(grep -c ' unsat$' "$scratch/lemmas")" \
		"$(wc -l <"$scratch/stated")"
}

bits='mpio__is_power_of_two mpio__log2 mpio__is_aligned mpio__align_down
	mpio__blocks_have_bytes mpio__bytes_to_blocks_up mpio__blocks_on_device'
sums='mpio__or_default mpio__min_u32 mpio__max_u32 mpio__min_u64 mpio__min_size
	mpio__add_sat mpio__add_modulo mpio__sub_modulo
	mpio__range_fits mpio__is_over_percent mpio__size_add'
plan='mpio__plan_gap mpio__plan_obstacle mpio__plan'
public_plan='mpio_plan mpio_cut_name'
errors_and_pages='mpio__error mpio__page_fits'
answers='is_possible is_elsewhere'

# shellcheck disable=SC2086
{
	all_of lib/arith.h $bits $sums
	all_of lib/plan.c $public_plan
	all_of lib/plan.h $plan
	some_of lib/internal.h $errors_and_pages
	some_of lib/map.c $answers
	some_of lib/gather.h mpio__map_is_plain

	lemmas
	prove bits.h lib/plan.c '' $bits
	prove sums.h lib/plan.c '' $sums
	prove plan.h lib/plan.c '' $plan $public_plan
	prove sums.h lib/plan.c wraps $errors_and_pages
	prove sums.h lib/map.c wraps $answers mpio__map_is_plain
}

echo "$proven goals proven, $failed failed"
if [ "$failed" -ne 0 ]; then
	exit 1
fi
