#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The stack that a public call needs, in a Release build: see stack.py. It
# wants the files in which gcc writes down who calls whom. The core keeps to a
# kilobyte, since it runs where there is little; the cache and the file layer,
# which call the core with all that it needs, and the hosted backends, which call
# the C library, keep to two.
. "$(dirname "$0")/common.sh"
need gcc python3

for source in lib/*.c backends/*.c; do
	if [ -e "$source" ]; then
		name=$(echo "$source" | tr / -)
		gcc -std=c11 -O2 -DNDEBUG -Iinclude -fcallgraph-info=su,da \
			-c -o "$scratch/${name%.c}.o" "$source"
	fi
done

mkdir "$scratch/core"
cp "$scratch"/lib-*.ci "$scratch/core"
for name in mem put fault sim filter; do
	cp "$scratch/backends-$name"*.ci "$scratch/core"
done
rm -f "$scratch"/core/lib-cache*.ci "$scratch"/core/lib-file*.ci
python3 tests/checks/stack.py --limit 1024 "$scratch"/core/*.ci
if ! python3 tests/checks/stack.py --limit 2048 "$scratch"/*.ci \
	>"$scratch/all"; then
	cat "$scratch/all"
	exit 1
fi
tail -n 1 "$scratch/all"
