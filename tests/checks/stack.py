#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
How much stack a public call needs.

    stack.py --limit BYTES FILE.ci...

Reads what `gcc -fcallgraph-info=su,da` writes for each source: the functions,
each with its stack frame, and the direct calls between them. Prints a table of
the public functions (mpio_*, not mpio__*) with the deepest chain of direct
calls below each, and fails when

 - a function's frame, or a public function's chain, is over the limit,
 - a frame's size is not known to the compiler (arrays of variable length,
   alloca), or
 - functions call each other in a circle.

Calls through pointers (the engine's callbacks, the device, the allocator) and
functions from outside (memcpy, the C library) are not counted.
"""
import argparse
import re
import sys

NODE = re.compile(r'^node: \{ title: "([^"]+)" label: "([^"]*)"')
EDGE = re.compile(r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
FRAME = re.compile(r"(\d+) bytes \(([^)]*)\)")


def read(paths):
    """Frames (name: bytes, kind) and calls (name: set of names)."""
    frames, calls = {}, {}
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                node, edge = NODE.match(line), EDGE.match(line)
                if node and (frame := FRAME.search(node[2])):
                    frames[node[1]] = (int(frame[1]), frame[2])
                elif edge:
                    calls.setdefault(edge[1], set()).add(edge[2])
    return frames, calls


def find_circle(frames, calls):
    """A list of functions that call each other in turn, or None."""
    done = set()
    for start in frames:
        path, todo = [], [(start, False)]
        while todo:
            name, leaving = todo.pop()
            if leaving:
                path.pop()
                done.add(name)
            elif name in path:
                return path[path.index(name):] + [name]
            elif name not in done:
                path.append(name)
                todo.append((name, True))
                todo += [(callee, False) for callee in calls.get(name, ())
                         if callee in frames]
    return None


def deepest(name, frames, calls, known):
    """The deepest chain from a function on: (bytes, [names])."""
    if name not in known:
        below = [deepest(callee, frames, calls, known)
                 for callee in calls.get(name, ()) if callee in frames]
        size, chain = max(below, default=(0, []))
        known[name] = (frames[name][0] + size, [name] + chain)
    return known[name]


def short(name):
    """A function's name without the file that gcc puts before static ones."""
    return name.rsplit(":", 1)[-1]


def main():
    parser = argparse.ArgumentParser(description="Stack of public calls.")
    parser.add_argument("--limit", type=int, required=True)
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()

    frames, calls = read(options.files)
    public = sorted(name for name in frames if re.match(r"mpio_[^_]", name))
    wrong = []
    if not public:
        sys.exit("no public function in these files")
    for name, (size, kind) in sorted(frames.items()):
        if size > options.limit:
            wrong.append(f"{short(name)}: a frame of {size} bytes")
        if "dynamic" in kind and "bounded" not in kind:
            wrong.append(f"{short(name)}: its frame is {kind}")
    circle = find_circle(frames, calls)
    if circle:
        wrong.append("recursion: " + " > ".join(map(short, circle)))
    else:
        known = {}
        print("bytes  deepest chain of direct calls, and each frame's bytes")
        for name in public:
            size, chain = deepest(name, frames, calls, known)
            print(f"{size:5}  " + " > ".join(
                f"{short(link)} {frames[link][0]}" for link in chain))
            if size > options.limit:
                wrong.append(f"{name}: {size} bytes of stack")

    for line in wrong:
        print("WRONG:", line)
    print(f"{len(frames)} functions, {len(public)} of them public,"
          f" limit {options.limit} bytes")
    sys.exit(1 if wrong else 0)


main()
