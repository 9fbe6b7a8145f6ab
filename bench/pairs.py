#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# Two commands side by side: pairs of runs, in changing order, and the ratio of
# their medians, since a shared machine changes from minute to minute and both
# feel it alike.
#
#     pairs.py [--runs N] [--speed BAR] [--cpu BAR] NAME OURS THEIRS
#
# OURS and THEIRS are lines for the shell that print what mpio-bench or fio
# have in JSON. Each runs once before anything counts. Prints a row: MiB/s of
# both and their ratio, CPU seconds per GiB of both and their ratio, and 'ok' or
# what is short of its bar. Ends with 1 if something is.

import argparse
import json
import statistics
import subprocess
import sys


def run(command):
    """The MiB/s and CPU seconds per GiB of one run."""
    done = subprocess.run(command, shell=True, text=True,
                          stdout=subprocess.PIPE)
    if done.returncode != 0 or '{' not in done.stdout:
        print(done.stdout, file=sys.stderr)
        sys.exit(f'pairs.py: failed: {command}')
    # fio may say something before.
    result = json.loads(done.stdout[done.stdout.index('{'):])
    if 'jobs' not in result:
        return result['mib_per_s'], result['cpu_s_per_gib']
    job = result['jobs'][0]
    if job['error'] != 0:
        sys.exit(f'pairs.py: fio: error {job["error"]}: {command}')
    moved = max(job['read'], job['write'], key=lambda way: way['io_bytes'])
    cpu = (job['usr_cpu'] + job['sys_cpu']) / 100 * job['job_runtime'] / 1000
    return (moved['io_bytes'] / 2**20 / (moved['runtime'] / 1000),
            cpu / (moved['io_bytes'] / 2**30))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--runs', type=int, default=7)
    parser.add_argument('--speed', type=float, default=0)
    parser.add_argument('--cpu', type=float, default=0)
    parser.add_argument('name')
    parser.add_argument('ours')
    parser.add_argument('theirs')
    args = parser.parse_args()

    commands = (args.ours, args.theirs)
    results = ([], [])
    for command in commands:
        run(command)
    for i in range(args.runs):
        for side in (0, 1) if i % 2 == 0 else (1, 0):
            results[side].append(run(commands[side]))

    speeds, cpus = ([statistics.median(values) for values in column]
                    for column in zip(*(zip(*side) for side in results)))
    speed = speeds[0] / speeds[1]
    cpu = cpus[0] / max(cpus[1], 1e-6)
    short = []
    if args.speed and speed < args.speed:
        short.append(f'SPEED below {args.speed:g}')
    if args.cpu and cpu > args.cpu:
        short.append(f'CPU above {args.cpu:g}')
    print(f'| {args.name:<36} | {speeds[0]:6.0f} | {speeds[1]:6.0f} '
          f'| {speed:5.2f} | {cpus[0]:6.3f} | {cpus[1]:6.3f} | {cpu:5.2f} '
          f'| {", ".join(short) or "ok"} |', flush=True)
    sys.exit(1 if short else 0)


main()
