#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     fuzz.sh NAME [RUNS]        run fuzz-NAME, with sanitizers, from what its
#                                corpus has on; without RUNS, until it is
#                                stopped
#     fuzz.sh --fast NAME [RUNS] the same without AddressSanitizer, and an input
#                                is new only if it reaches new code, not if it
#                                does so another number of times: some eight
#                                times as fast
#     fuzz.sh --pack NAME        make the corpus anew: the least of what was
#                                found that reaches as much
#
# The names are those of tests/fuzz/fuzz_*.c. Takes clang with libFuzzer. What
# was found is kept in build/fuzz-corpus/NAME. SECONDS_MAX=N stops after so many
# seconds; with --pack, LENGTH_MAX=N cuts inputs to so many bytes. An input that
# fails is left in build/fuzz-corpus, as crash-...; the test programs, made by
# any compiler, play it again: build/PRESET/tests/fuzz/fuzz-NAME FILE.
set -eu
cd "$(dirname "$0")/.."

preset=fuzz
choices=
pack=false
case $1 in
--fast)
	preset=fuzz-fast
	# Choices that cost more than the runs.
	choices='-entropic=0 -use_counters=0 -use_cmp=0 -use_memmem=0'
	shift
	;;
--pack)
	preset=fuzz-fast
	pack=true
	shift
	;;
esac
name=$1
runs=${2:--1}
found=build/fuzz-corpus/$name
corpus=tests/fuzz/corpus/$name.corpus
program=build/$preset/tests/fuzz/fuzz-$name
# An input packed: its length, the lower byte first, and its bytes.
unpack='
import sys
data = open(sys.argv[1], "rb").read()
at = count = 0
while at < len(data):
    size = data[at] | data[at + 1] << 8
    with open("%s/seed-%05d" % (sys.argv[2], count), "wb") as file:
        file.write(data[at + 2:at + 2 + size])
    at += 2 + size
    count += 1
'
packed='
import os, sys
with open(sys.argv[2], "wb") as out:
    for name in sorted(os.listdir(sys.argv[1])):
        data = open(os.path.join(sys.argv[1], name), "rb").read()
        out.write(bytes([len(data) & 255, len(data) >> 8]) + data)
'

cmake --preset "$preset" >/dev/null
cmake --build "build/$preset" --target "fuzz-$name"
mkdir -p "$found"
if [ -e "$corpus" ]; then
	python3 -c "$unpack" "$corpus" "$found"
fi

if $pack; then
	least=$found.least
	rm -rf "$least"
	mkdir -p "$least"
	"$program" -merge=1 -max_len="${LENGTH_MAX:-512}" -detect_leaks=0 "$least" "$found"
	python3 -c "$packed" "$least" "$corpus"
	ls -l "$corpus"
	exit
fi
# shellcheck disable=SC2086 # several words
exec "$program" -max_len=512 -timeout=10 -runs="$runs" -detect_leaks=0 \
	-max_total_time="${SECONDS_MAX:-0}" -artifact_prefix="build/fuzz-corpus/" \
	$choices -print_final_stats=1 "$found"
