#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Mutants: a branch of the library is always taken, or never; a test must fail.

    mutate.sh                        all branches of lib/
    mutate.sh --sample 600 --seed 1  so many of them, drawn by a seed
    mutate.sh --file lib/plan.c      those of one source, or of some
    mutate.sh --again ...            survivors are tried again
    mutate.sh --quick ...            only by programs that take little time
    mutate.sh --minutes 10 ...       goes no further after that
    mutate.sh --check                only whether all of this works

Each source is compiled to assembly. Each conditional jump there is two mutants:
one in which it is a jump, one in which it is nothing. The library with it is
linked as a shared one, and one program after the other is run on that until one
fails: those first that killed most mutants of the same source. What takes too
much time is killed, too.

What came of a mutant is kept in build/mutants/results, and not tried again
until its source changes. The survivors are printed with their line; those that
tests/mutants/survivors.txt explains are counted apart. x86 and gcc only.
"""
import argparse
import collections
import concurrent.futures
import glob
import hashlib
import math
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORK = "build/mutants"
FLAGS = ["-std=c11", "-O1", "-g1", "-fPIC", "-fno-semantic-interposition",
         "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-Iinclude", "-Ilib"]
JUMP = re.compile(r"\tj(?!mp)[a-z]+\t(\S+)$")

# What needs the system's own I/O or threads tells nothing more of lib/ than the
# others; nor does what is not linked with lib/ alone, and has a .cmake beside it.
LEFT_OUT = ["threads", "libaio", "allocation"]
# Only for those that all others let live, cheapest first.
SLOW = ["unit.cache_model", "enumerate", "unit.file_model",
        "unit.straddle_write",
        "unit.straddle_random", "fault.chain", "fault.lies", "fault.callbacks",
        "fault.sweep"]


def run(command, **more):
    return subprocess.run(command, check=True, **more)


def is_older(made, *sources):
    return not os.path.exists(made) or any(
        os.path.getmtime(made) < os.path.getmtime(s) for s in sources)


def headers():
    return [h for d in ("include/mpio", "include/mpio/backends", "lib",
                        "backends", "tests/unit", "tests/fault",
                        "tests/conformance") for h in glob.glob(d + "/*.h")]


def object_of(source):
    return f"{WORK}/{source.replace('/', '-')}.o"


# ---- Programs --------------------------------------------------------------

class Program:
    """A test program, linked once."""

    def __init__(self, name, objects, arguments=(), libraries=()):
        self.name = name
        self.binary = f"{TOP}/{WORK}/{name}"
        self.arguments = list(arguments)
        self.seconds = 1.0
        if is_older(self.binary, *objects):
            run(["gcc", "-o", self.binary, *objects, f"-L{WORK}", "-lmpio",
                 *libraries])

    def passes(self, directory):
        """True or false; what takes several times as long as usual fails."""
        limit = int(4 * self.seconds) + 3
        child = subprocess.Popen(
            ["sh", "-c", f"ulimit -c 0; ulimit -t {limit}; ulimit -v 8000000; "
             'exec "$@"', "sh", self.binary, *self.arguments], cwd=directory,
            env={**os.environ, "CMOCKA_TEST_ABORT": "1",
                 "LD_LIBRARY_PATH": directory},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            return child.wait(timeout=6 * limit) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()


def assembly_of(source):
    """As text, in which nothing is hidden: tests look at private functions."""
    text = subprocess.run(["gcc", *FLAGS, "-S", "-o", "-", source], check=True,
                          capture_output=True, text=True).stdout
    return re.sub(r"\t\.hidden\t.*\n", "", text)


def assemble(text, made):
    run(["as", "-o", made, "-"], input=text, text=True)


def link_library(objects, made):
    run(["ld", "-shared", "-Bsymbolic", "-soname", "libmpio.so", "-o", made,
         *objects])


def compile_all(sources):
    """Objects of sources, made anew where they are older."""
    wanted = []
    objects = []
    for source in sources:
        made = object_of(source)
        objects.append(made)
        if is_older(made, source, *headers()):
            wanted.append((source, made))
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(lambda pair: assemble(assembly_of(pair[0]), pair[1]),
                      wanted))
    return objects


def archive(name, sources):
    made = f"{WORK}/{name}"
    objects = compile_all(sources)
    if is_older(made, *objects):
        if os.path.exists(made):
            os.remove(made)
        run(["ar", "rc", made, *objects])
    return made


def cmocka_programs(directory, only=None):
    tests = sorted(glob.glob(f"tests/{directory}/test_*.c"))
    helpers = sorted(set(glob.glob(f"tests/{directory}/*.c")) - set(tests))
    common = []
    if only is None:
        common = [archive(f"lib{directory}.a", helpers)]
    programs = []
    for test in tests:
        name = os.path.basename(test)[5:-2]
        if name in LEFT_OUT or (only and name not in only):
            continue
        if name != "arith" and os.path.exists(test[:-2] + ".cmake"):
            continue
        programs.append(Program(f"{directory}.{name}",
                                compile_all([test]) + common,
                                libraries=["-lcmocka"]))
    return programs


def conformance_programs():
    directory = "tests/conformance/"
    vectors = compile_all(s for s in sorted(glob.glob(directory + "vectors*.c"))
                          if not s.endswith("vectors_random.c"))
    enumerate_ = compile_all(sorted(glob.glob(directory + "enumerate*.c")))
    texts = [f"{TOP}/{directory}{name}.vec" for name in ("curated", "interplay")]
    return [Program("vectors", vectors, arguments=texts),
            Program("enumerate", enumerate_, arguments=["--quick"])]


def library():
    sources = sorted(glob.glob("lib/*.c"))
    sources += [s for s in sorted(glob.glob("backends/*.c"))
                if not re.search(r"/(io_uring|libaio|threads)", s)]
    objects = compile_all(sources)
    link_library(objects, WORK + "/libmpio.so")
    return objects


# ---- Mutants ---------------------------------------------------------------

Mutant = collections.namedtuple(
    "Mutant", "key source at target kind where text")


class Source:
    """A source of the library as assembly, and its mutants."""

    def __init__(self, path):
        self.path = path
        self.lines = assembly_of(path).split("\n")
        code = "\n".join(line for line in self.lines
                         if not line.startswith("\t.loc"))
        self.stamp = hashlib.sha1(code.encode()).hexdigest()[:10]
        self.mutants = list(self.find())

    def find(self):
        files = {}
        where = (self.path, 0)
        count = 0
        for at, line in enumerate(self.lines):
            file = re.match(r'\t\.file (\d+) (.*)', line)
            if file:
                names = re.findall(r'"([^"]*)"', file[2])
                files[file[1]] = os.path.relpath(os.path.join(*names)) \
                    if names[-1][0] == "/" or len(names) < 2 \
                    else os.path.join(*names)
            place = re.match(r"\t\.loc (\d+) (\d+)", line)
            if place:
                where = (files.get(place[1], "?"), int(place[2]))
            jump = JUMP.match(line)
            if not jump:
                continue
            count += 1
            for kind in ("always", "never"):
                yield Mutant(f"{self.path}:{self.stamp}:{count}:{kind}",
                             self.path, at, jump[1], kind, where,
                             text_of(*where))

    def assembly(self, mutant):
        lines = list(self.lines)
        if mutant is not None:
            lines[mutant.at] = (f"\tjmp\t{mutant.target}"
                                if mutant.kind == "always" else "")
        return "\n".join(lines)


def text_of(path, line, texts={}):
    if path not in texts:
        try:
            with open(path) as file:
                texts[path] = file.read().split("\n")
        except OSError:
            texts[path] = []
    lines = texts[path]
    return lines[line - 1].strip() if 0 < line <= len(lines) else "?"


def tells_of(program, stem):
    """Whether a program has to do with a source."""
    program = program.split(".")[-1]
    is_upper = re.match("(cache|file)", program) is not None
    if stem in ("errseq", "stream"):
        return is_upper or program.startswith(stem)
    if re.match("(cache|file)", stem):
        return is_upper
    return not is_upper and program not in (
        "arith", "sim", "sim_cut", "fault", "filters", "filter_uri")


class Hunt:
    """Runs programs on mutants; learns which find most."""

    def __init__(self, objects, programs, slow):
        self.objects = objects
        self.programs = programs
        self.slow = slow
        self.kills = collections.Counter()
        self.lock = threading.Lock()

    def order(self, source):
        stem = os.path.basename(source)[:-2]
        quick = sorted(self.programs, key=lambda p: (
            -self.kills[source, p.name] / (p.seconds + 0.1),
            not p.name.split(".")[-1].startswith(stem.split("_")[0]),
            p.seconds))
        return [p for p in quick + self.slow if tells_of(p.name, stem)]

    def killer(self, source, assembly):
        """The name of the program that fails, or None."""
        with tempfile.TemporaryDirectory() as scratch:
            mutated = scratch + "/mutant.o"
            assemble(assembly, mutated)
            link_library([mutated if o == object_of(source) else o
                          for o in self.objects], scratch + "/libmpio.so")
            for program in self.order(source):
                if not program.passes(scratch):
                    with self.lock:
                        self.kills[source, program.name] += 1
                    return program.name
        return None

    def measure(self):
        """As they are, the programs pass; notes how long each takes."""
        for program in self.programs + self.slow:
            with tempfile.TemporaryDirectory() as scratch:
                shutil.copy(WORK + "/libmpio.so", scratch)
                program.seconds = 20.0
                before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
                if not program.passes(scratch):
                    sys.exit(f"{program.name} fails without any mutant")
                program.seconds = resource.getrusage(
                    resource.RUSAGE_CHILDREN).ru_utime - before


# ---- What came of them -----------------------------------------------------

class Results:
    """One line a mutant, so that a run can go on where another stopped."""

    def __init__(self):
        self.path = WORK + "/results"
        self.known = {}
        self.lock = threading.Lock()
        if os.path.exists(self.path):
            with open(self.path) as file:
                for line in file:
                    key, _, killer = line.rstrip("\n").partition(" ")
                    self.known[key] = killer

    def note(self, mutant, killer):
        with self.lock:
            self.known[mutant.key] = killer or "-"
            with open(self.path, "a") as file:
                file.write(f"{mutant.key} {killer or '-'}\n")


def explained():
    """Survivors that cannot be killed: (source or None, file, kind, text)."""
    found = set()
    with open("tests/mutants/survivors.txt") as file:
        for line in file:
            parts = re.match(r"(?:(\S+):)?(\S+) (always|never|both): (.*)$",
                             line)
            if parts:
                for kind in ("always", "never"):
                    if parts[3] in (kind, "both"):
                        found.add((parts[1], parts[2], kind, parts[4].strip()))
    return found


def is_explained(mutant, waived):
    line = (mutant.where[0], mutant.kind, mutant.text)
    return (None, *line) in waived or (mutant.source, *line) in waived


def report(mutants, results, seconds):
    waived = explained()
    killed = equivalent = 0
    open_ = []
    by_source = collections.defaultdict(lambda: [0, 0, 0])
    for mutant in mutants:
        row = by_source[mutant.source]
        row[0] += 1
        if results.known[mutant.key] != "-":
            killed += 1
            row[1] += 1
        elif is_explained(mutant, waived):
            equivalent += 1
            row[2] += 1
        else:
            open_.append(mutant)
    for mutant in sorted(open_, key=lambda m: (m.where, m.kind)):
        print(f"survived  {mutant.where[0]}:{mutant.where[1]} {mutant.kind}: "
              f"{mutant.text}  ({mutant.key.split(':')[0]} "
              f"{mutant.key.split(':')[2]})")
    for source, (n, dead, waived_here) in sorted(by_source.items()):
        print(f"{source:24} {dead:5} of {n:5} killed, {waived_here} explained")
    n = len(mutants)
    print(f"{n} mutants, {killed} killed ({100 * killed / max(n, 1):.1f} %), "
          f"{equivalent} explained, {len(open_)} survived; {seconds:.0f} s")
    return killed >= 0.9 * (n - equivalent)


def hunt_all(mutants, sources, hunt, results, again, until):
    todo = [m for m in mutants if again and results.known.get(m.key) == "-"]
    todo += [m for m in mutants if m.key not in results.known]
    done = 0

    def one(mutant):
        nonlocal done
        if time.time() > until:
            return
        results.note(mutant, hunt.killer(
            mutant.source, sources[mutant.source].assembly(mutant)))
        with hunt.lock:
            done += 1
            if done % 50 == 0:
                print(f"{done} of {len(todo)}", file=sys.stderr, flush=True)

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for _ in pool.map(one, todo):
            pass


def check(objects):
    """A source that is not mutated lives; of its mutants most do not."""
    hunt = Hunt(objects, cmocka_programs("unit", only=["plan", "errseq"]), [])
    hunt.measure()
    source = Source("lib/errseq.c")
    if hunt.killer(source.path, source.assembly(None)) is not None:
        sys.exit("what is not mutated was killed")
    killed = [hunt.killer(source.path, source.assembly(m))
              for m in source.mutants[:12]]
    if killed.count(None) > len(killed) / 2:
        sys.exit(f"{killed.count(None)} of {len(killed)} mutants survived")
    print(f"ok: {len(killed) - killed.count(None)} of {len(killed)} "
          f"mutants killed")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--file", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--minutes", type=float, default=0)
    arguments = parser.parse_args()
    begin = time.time()

    os.makedirs(WORK, exist_ok=True)
    objects = library()
    if arguments.check:
        check(objects)
        return
    programs = (cmocka_programs("unit") + cmocka_programs("fault") +
                conformance_programs())
    slow = sorted((p for p in programs if p.name in SLOW),
                  key=lambda p: SLOW.index(p.name))
    hunt = Hunt(objects, [p for p in programs if p.name not in SLOW],
                [] if arguments.quick else slow)
    hunt.measure()

    paths = arguments.file or sorted(glob.glob("lib/*.c"))
    sources = {path: Source(path) for path in paths}
    mutants = [m for s in sources.values() for m in s.mutants]
    if arguments.sample:
        print(f"{arguments.sample} of {len(mutants)} mutants, "
              f"seed {arguments.seed}")
        mutants = random.Random(arguments.seed).sample(
            mutants, min(arguments.sample, len(mutants)))
    results = Results()
    until = begin + 60 * arguments.minutes if arguments.minutes else math.inf
    hunt_all(mutants, sources, hunt, results, arguments.again, until)
    mutants = [m for m in mutants if m.key in results.known]
    if not report(mutants, results, time.time() - begin):
        sys.exit(1)


JOBS = min(2, int(os.environ.get("JOBS", os.cpu_count() or 1)))
if __name__ == "__main__":
    os.chdir(TOP)
    main()
