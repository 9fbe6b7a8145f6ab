#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/e2io/run.sh [DIRECTORY]
#
# From a fresh Debian 12: installs what is missing, builds libmpio and installs
# it into DIRECTORY/prefix (DIRECTORY: build/e2io), builds the io_manager
# against that as a user would, runs its tests, and then its benchmark. SUITE=1
# runs e2fsprogs' own test suite, too. Takes 10 GB and twenty minutes.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/examples/common.sh"
mkdir -p "${1:-$root/build/e2io}"
cd "${1:-$root/build/e2io}"
work=$PWD

step "Packages"
packages_to packages.log gcc libc6-dev cmake make pkg-config e2fsprogs \
	libext2fs-dev libaio-dev liburing-dev fuse2fs strace

step "Building libmpio, installing it, building the io_manager against it"
install_library
build_example e2io
ls e2io/libmpio-e2io.a e2io/libmpio-e2io-preload.so

step "Tests"
sh "$root/examples/e2io/test.sh" e2io

if [ -n "${SUITE-}" ]; then
	step "e2fsprogs' own tests"
	sh "$root/examples/e2io/suite.sh" e2io "$work/e2fsprogs"
fi

step "Against unix_io"
sh "$root/examples/e2io/bench.sh" e2io "$work/bench"
