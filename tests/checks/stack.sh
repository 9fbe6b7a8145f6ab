#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The stack that a public call needs, in a Release build: see stack.py. It
# wants the files in which gcc writes down who calls whom.
. "$(dirname "$0")/common.sh"
need gcc python3

for source in lib/*.c backends/*.c; do
	if [ -e "$source" ]; then
		name=$(echo "$source" | tr / -)
		gcc -std=c11 -O2 -DNDEBUG -Iinclude -fcallgraph-info=su,da \
			-c -o "$scratch/${name%.c}.o" "$source"
	fi
done

python3 tests/checks/stack.py --limit 1024 "$scratch"/*.ci
