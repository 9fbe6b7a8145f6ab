#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The cache against a hash table that was made for nothing else.
#
#     sh bench/against-table.sh [--build DIR] [--runs N]
#
# Each run of `mpio-bench cache hits` or `lookups` asks both sides in turn,
# round by round, for the same pages; a row has the medians of N runs (default
# 5) of the medians of the rounds, and those of the ratios of the rounds. Of
# the walks those that are compared run in turn.
#
# What the rows are held to stands in bench/README.md; ends with 1 if one is
# short. Time is the processor's, so what else runs on the machine takes part
# only by what it does to caches and memory.
set -eu

name=$(basename "$0")
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
build=$here/../build/release
runs=5
while [ $# -gt 0 ]; do
	case $1 in
	--build) build=$2 ;;
	--runs) runs=$2 ;;
	*) echo "usage: sh bench/$name [--build DIR] [--runs N]" >&2 && exit 2 ;;
	esac
	shift 2
done
if [ ! -d "$build" ]; then
	cmake -S "$here/.." -B "$build" -DCMAKE_BUILD_TYPE=Release
	cmake --build "$build" --target mpio-bench
fi
bench=$(find "$build" -name mpio-bench -type f | head -n 1)
[ -n "$bench" ] || {
	echo "$name: no mpio-bench in $build; build it first" >&2
	exit 2
}
echo "load $(cut -d ' ' -f 1 /proc/loadavg), medians of $runs runs"
exec python3 - "$bench" "$runs" <<'END'
import json
import statistics
import subprocess
import sys

bench, runs = sys.argv[1], int(sys.argv[2])
shorts = 0


def run(options):
    done = subprocess.run([bench, 'cache', '--json', *options.split()],
                          check=True, text=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def medians(results):
    return {key: statistics.median(result[key] for result in results)
            for key in results[0]}


def verdict(ok):
    global shorts
    shorts += not ok
    return 'ok' if ok else 'SHORT'


def hits(name, options):
    m = medians([run('hits ' + options) for _ in range(runs)])
    speed = 1 / m['per_table']
    file = m['per_file'] / m['per_table']
    print(f'| {name} | {m["file"]:.0f} | {m["cache"]:.0f} '
          f'| {m["pinned"]:.0f} | {m["table"]:.0f} | {file:.2f} '
          f'| {speed:.2f} | {verdict(min(file, speed) >= 0.8)} |',
          flush=True)


def lookups(name, options, bar):
    m = medians([run('lookups ' + options) for _ in range(runs)])
    print(f'| {name} | {m["cache"]:.1f} | {m["pinned"]:.1f} '
          f'| {m["table"]:.1f} | {m["per_pinned"]:.2f} '
          f'| {m["per_table"]:.2f} '
          f'| {verdict(m["per_pinned"] <= 2) if bar else ""} |', flush=True)


def walks():
    sizes = ((1000, 10000), (1000, 1000000), (100000, 1000000))
    rounds = (201, 201, 11)
    results = tuple([] for _ in sizes)
    for _ in range(runs):
        for (dirty, pages), n, into in zip(sizes, rounds, results):
            into.append(run(f'walk --dirty {dirty} --pages {pages} '
                            f'--rounds {n}')['cache'])
    costs = [statistics.median(values) for values in results]
    # A hundred times the pages, the same dirty ones; then the other way.
    oks = ('', verdict(costs[1] <= 4 * costs[0]),
           verdict(costs[2] <= 2 * costs[1]))
    for (dirty, pages), cost, ok in zip(sizes, costs, oks):
        print(f'| {dirty} | {pages} | {cost:.0f} '
              f'| {cost * dirty / 1000:.0f} | {ok} |')


print('\nHits: 4 KiB copied, by mpio_file_read, and found and put; ns a page\n')
print('| pages | file | cache | pinning table | table | speed, file | speed '
      '| |')
print('|---|---|---|---|---|---|---|---|')
hits('1024, copies from near', '--pages 1024')
hits('65536, copies from afar', '--pages 65536 --count 200000')
print('\nLookups: found and put; ns a page\n')
print('| pages | cache | pinning table | table | of pinning | of table | |')
print('|---|---|---|---|---|---|---|')
for pages, bar in ((1000, False), (100000, False), (1000000, True)):
    for kind in 'huge', 'small':
        lookups(f'{pages}, {kind} pages', f'--pages {pages} --memory {kind} '
                f'--count 500000 --rounds 41', bar)
print('\nWalks: few dirty pages among many, a sync; ns a dirty page\n')
print('| dirty | cached | ns | us, the walk | |')
print('|---|---|---|---|---|')
walks()
if shorts:
    print(f'\n{shorts} rows are short of a bar')
sys.exit(1 if shorts else 0)
END
