#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Plants faults, one after another, and wants the tests to fail: a suite that
# never failed proves nothing. tests/planted/faults.txt has them.
#
#     sh tests/planted.sh            plant all, and run tests on each
#     sh tests/planted.sh NAME...    some of them
#     sh tests/planted.sh --check    only see whether each can be planted and
#                                    compiled
#
# Works in a copy of the tree. A line a fault: found (and by which program),
# or MISSED; then 'N of N faults found'. Ends with 1 if one was missed.
set -eu
cd "$(dirname "$0")/.."
LC_ALL=C
export LC_ALL

top=$PWD
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
tree=$scratch/tree
jobs=${JOBS:-$(nproc)}
check=false
if [ "${1-}" = --check ]; then
	check=true
	shift
fi
wanted=" $* "
found=0
count=0

# Put one line in place of another; fails unless it is there just once.
plant() { # FILE OLD NEW
	OLD=$2 NEW=$3 awk '
		{
			text = $0
			sub(/^[ \t]+/, "", text)
			if (text == ENVIRON["OLD"]) {
				indent = substr($0, 1,
					length($0) - length(text))
				print indent ENVIRON["NEW"]
				planted++
				next
			}
			print
		}
		END { exit planted != 1 }' "$top/$1" >"$tree/$1"
}

compile() { # FILE
	case $1 in
	*.h) sources='lib/plan.c lib/build.c lib/read.c' ;;
	*) sources=$1 ;;
	esac
	for source in $sources; do
		(cd "$tree" && gcc -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
			-Iinclude -fsyntax-only "$source") || return 1
	done
}

configure() {
	if command -v ninja >/dev/null; then
		CMAKE_GENERATOR=${CMAKE_GENERATOR:-Ninja}
		export CMAKE_GENERATOR
	fi
	cmake -S "$tree" -B "$tree/build" -DCMAKE_BUILD_TYPE=Release \
		-DLIBMPIO_BUILD_BENCH=OFF -DLIBMPIO_BUILD_EXAMPLES=OFF \
		>"$scratch/log" 2>&1 || {
		cat "$scratch/log"
		exit 1
	}
}

run() { # PROGRAM
	case $1 in
	mpio-vectors)
		timeout 60 "$tree/build/$1" \
			"$top"/tests/conformance/curated.vec \
			"$top"/tests/conformance/interplay.vec ;;
	test_enumerate)
		timeout 300 "$tree/build/tests/conformance/$1" --quick ;;
	*) (cd "$scratch" && timeout 240 "$tree/build/tests/$1") ;;
	esac
}

# The first program that fails, in $finder; a build that fails is no finding.
hunt() { # PROGRAM...
	finder=
	for program in "$@"; do
		if ! cmake --build "$tree/build" --parallel "$jobs" \
			--target "$program" >"$scratch/log" 2>&1; then
			tail -n 20 "$scratch/log"
			return 1
		fi
		if ! run "$program" >"$scratch/log" 2>&1; then
			finder=$program
			return 0
		fi
	done
	return 1
}

try() { # NAME FILE OLD NEW PROGRAMS
	case $wanted in
	'  ' | *" $1 "*) ;;
	*) return 0 ;;
	esac
	count=$((count + 1))
	if ! plant "$2" "$3" "$4"; then
		echo "MISSED  $1: $2 has not, or not once: $3"
	elif $check; then
		if compile "$2"; then
			found=$((found + 1))
		else
			echo "MISSED  $1: does not compile"
		fi
	# shellcheck disable=SC2086
	elif hunt $5; then
		found=$((found + 1))
		printf 'found   %-28s by %s\n' "$1" "$finder"
	else
		printf 'MISSED  %-28s by %s\n' "$1" "$5"
	fi
	# A new time, so that it is built again.
	cat "$top/$2" >"$tree/$2"
}

mkdir "$tree"
tar -cf - --exclude='./build*' --exclude=./.git . | tar -xf - -C "$tree"
if ! $check; then
	configure
	# The programs as they are find nothing: else they would prove nothing.
	programs=$(awk -v wanted="$wanted" '
		/^fault: / { name = $2 }
		/^by: / && (wanted ~ /^ *$/ || index(wanted, " " name " ")) {
			for (i = 2; i <= NF; i++)
				print $i
		}' tests/planted/faults.txt | sort -u | tr '\n' ' ')
	# shellcheck disable=SC2086
	if hunt $programs; then
		echo "$finder fails without any fault:"
		tail -n 20 "$scratch/log"
		exit 1
	fi
fi

while IFS= read -r line; do
	value=${line#*: }
	case $line in
	'fault: '*) name=$value ;;
	'file: '*) file=$value ;;
	'old: '*) old=$value ;;
	'new: '*) new=$value ;;
	'by: '*) try "$name" "$file" "$old" "$new" "$value" </dev/null ;;
	esac
done <tests/planted/faults.txt

if $check; then
	echo "$found of $count faults can be planted"
else
	echo "$found of $count faults found"
fi
if [ "$found" -ne "$count" ] || [ "$count" -eq 0 ]; then
	exit 1
fi
