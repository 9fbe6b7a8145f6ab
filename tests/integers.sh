#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Integers: in the library no sum or product wraps round unless it says so, no
# conversion loses a bit or a sign, no bit is shifted out. All tests, with
# clang's sanitizers of integers; what the tests themselves do is not looked at.
set -eu
cd "$(dirname "$0")/.."

jobs=${JOBS:-$(nproc)}
if command -v ninja >/dev/null; then
	CMAKE_GENERATOR=${CMAKE_GENERATOR:-Ninja}
	export CMAKE_GENERATOR
fi
mkdir -p build/logs
cmake --preset integers >build/logs/integers.log
if ! cmake --build --preset integers --parallel "$jobs" \
	>build/logs/integers.log 2>&1; then
	tail -n 40 build/logs/integers.log
	exit 1
fi
ctest --preset integers --parallel "$jobs" "$@"
