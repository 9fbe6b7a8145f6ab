#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The library as others use it: installed and moved to another place, found by
# find_package and by pkg-config, for a library directory of one level and of
# two; and as a subdirectory of a project. The device suite is used as it is
# installed, too, and so is the library by examples/wal-test.
. "$(dirname "$0")/../checks/common.sh"
need cmake cc c++ pkg-config

source=$PWD
log=$scratch/log

run() {
	if ! "$@" >"$log" 2>&1; then
		echo "failed: $*"
		cat "$log"
		exit 1
	fi
}

# Configure, build and run the consumer in a directory of its own.
consume() { # DIRECTORY CMAKE-ARGUMENTS...
	directory=$1
	shift
	run cmake -S "$source/tests/consumer" -B "$directory" \
		-DCMAKE_BUILD_TYPE=Release "$@"
	run cmake --build "$directory"
	run ctest --test-dir "$directory" --no-tests=error --output-on-failure
}

# Build and run it with nothing but a compiler and pkg-config.
consume_by_hand() { # PKGCONFIG-DIRECTORY
	flags=$(PKG_CONFIG_PATH=$1 pkg-config --cflags --libs 'mpio >= 0.1')
	# shellcheck disable=SC2086
	run cc -std=c11 -o "$scratch/by-hand" tests/consumer/main.c $flags
	run "$scratch/by-hand"
	# shellcheck disable=SC2086
	run c++ -std=c++17 -o "$scratch/by-hand" tests/consumer/main.cpp $flags
	run "$scratch/by-hand"
	for pc in "$1"/mpio-*.pc; do
		name=$(basename "$pc" .pc)
		flags=$(PKG_CONFIG_PATH=$1 pkg-config --cflags --libs "$name")
		# shellcheck disable=SC2086
		run cc -std=c11 -o "$scratch/by-hand" \
			tests/consumer/backends.c $flags
		run "$scratch/by-hand" "$pc" "${name#mpio-}" posix
	done
}

# The example that tests an engine, if there is what it is written with.
use_example() { # DIRECTORY PREFIX
	if cmake -S examples/wal-test -B "$1" -DCMAKE_BUILD_TYPE=Release \
		-DCMAKE_PREFIX_PATH="$2" >"$log" 2>&1; then
		run cmake --build "$1"
		run ctest --test-dir "$1" --no-tests=error --output-on-failure
	elif ! grep -q 'cmocka is missing' "$log"; then
		fail 'examples/wal-test cannot be configured:'
		cat "$log"
	fi
}

# The device suite by the commands of its README, with the example as a backend.
run_suite() ( # PKGCONFIG-DIRECTORY
	export PKG_CONFIG_PATH="$1"
	cd "$(pkg-config --variable=device_suite mpio)"
	cp example.c my_backend.c
	sed -n 's/^    cc /cc /p' README.md >commands
	if [ "$(wc -l <commands)" -ne 2 ]; then
		echo 'The README of the device suite has not two commands'
		exit 1
	fi
	while read -r command; do
		rm -f suite
		run sh -c "$command"
		run ./suite
	done <commands
)

for libdir in lib "lib/$(cc -dumpmachine)"; do
	build=$scratch/build
	prefix=$scratch/moved-prefix
	rm -rf "$prefix"
	run cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release \
		-DLIBMPIO_BUILD_TESTS=OFF -DLIBMPIO_BUILD_BENCH=OFF \
		-DLIBMPIO_BUILD_EXAMPLES=OFF -DCMAKE_INSTALL_LIBDIR="$libdir"
	run cmake --build "$build"
	run cmake --install "$build" --prefix "$scratch/prefix"
	mv "$scratch/prefix" "$prefix"

	diff -r include "$prefix/include" >"$log" || :
	fail_lines "$log" 'These headers are not installed:'
	grep -rlF "$scratch/prefix" "$prefix" >"$log" || :
	fail_lines "$log" 'These know where they were installed:'

	consume "$scratch/package-$(basename "$libdir")" -DWAY=package \
		-DCMAKE_PREFIX_PATH="$prefix"
	if cmake -S tests/consumer -B "$scratch/component" -DWAY=package \
		-DCOMPONENT=abacus -DCMAKE_PREFIX_PATH="$prefix" \
		>"$log" 2>&1 || ! grep -q 'built without: abacus' "$log"; then
		fail 'A backend that is not there is not told:'
		cat "$log"
	fi
	consume_by_hand "$prefix/$libdir/pkgconfig"
	if [ "$libdir" = lib ]; then
		use_example "$scratch/wal" "$prefix"
		run_suite "$prefix/$libdir/pkgconfig"
	fi
done
consume "$scratch/subdirectory" -DWAY=subdirectory -DSOURCE="$source"

finish 'package, pkg-config and subdirectory, in C and C++'
