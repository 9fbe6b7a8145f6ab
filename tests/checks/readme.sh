#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The programs of the README compile as they are printed there, and run: every
# block of C that has a main function.
. "$(dirname "$0")/common.sh"
need cc awk

if [ ! -e README.md ]; then
	echo 'skipped: there is no README.md'
	exit 77
fi
awk -v directory="$scratch" '
	/^```c$/ { block++; inside = 1; next }
	/^```/ { inside = 0 }
	inside { print >(directory "/readme-" block ".c") }
' README.md

# As the README has it: what needs no further library.
hosted=$(ls backends/*.c | grep -vE '/(io_uring|libaio|threads)')

count=0
for program in $(grep -lE '^int main\(' "$scratch"/readme-*.c); do
	# shellcheck disable=SC2086
	if ! cc -std=c11 -Wall -Wextra -Wpedantic -Werror -Iinclude \
		-o "$scratch/program" "$program" lib/*.c $hosted \
		>"$scratch/out" 2>&1; then
		fail 'Does not compile:'
	elif ! (cd "$scratch" && ./program >out 2>&1); then
		fail 'Compiles, but fails when it runs:'
	elif ! grep -qF "It prints \`$(cat "$scratch/out")\`." README.md; then
		fail 'Prints something else than the README says:'
	else
		count=$((count + 1))
		continue
	fi
	cat -n "$program"
	cat "$scratch/out"
done
if [ "$count" -eq 0 ]; then
	fail 'No program of the README works'
fi

finish "$count programs of the README work"
