#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/sqlite-vfs/suite.sh [DIRECTORY] [TEST...]
#
# Runs SQLite's own tests (veryquick.test, or the files that are named), of the
# version that Debian has, with this VFS as the default one, as user nobody. All
# is built in DIRECTORY (default: build/sqlite-suite), or taken from there.
# Prints the counts and what failed; fails if anything did but io-5.5, which
# fails without the VFS, too: it counts a file system's blocks. About 300,000
# tests; 10 minutes to build, 4 to run. MPIOVFS='direct=1' runs them with other
# options. Root, to become nobody.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/examples/common.sh"
mkdir -p "${1:-$root/build/sqlite-suite}"
directory=$(cd "${1:-$root/build/sqlite-suite}" && pwd)
[ $# -eq 0 ] || shift
tests=${*:-veryquick.test}
if [ "$(id -u)" -ne 0 ]; then
	echo 'this takes root'
	exit 1
fi

packages_to "$directory/packages.log" gcc cmake make pkg-config dpkg-dev tcl-dev zlib1g-dev \
	libsqlite3-dev liburing-dev libaio-dev

# ---- The library and the VFS --------------------------------------------

cd "$directory"
install_library
build_example sqlite-vfs

# ---- SQLite's sources ---------------------------------------------------

[ -d sqlite ] || fetch_source sqlite3 sqlite

# ---- The test program ---------------------------------------------------

backends=
for name in io_uring libaio threads; do
	[ ! -f "prefix/lib/libmpio-$name.a" ] || backends="$backends mpio-$name"
done
PKG_CONFIG_PATH=$(dirname "$(find "$directory/prefix" -name mpio.pc)")
export PKG_CONFIG_PATH
# shellcheck disable=SC2086
libraries="$directory/sqlite-vfs/libmpiovfs.a $(pkg-config --libs $backends mpio)"

mkdir -p build
cd build
if [ ! -f Makefile ]; then
	tcl=$(dpkg -L tcl8.6-dev | grep -m 1 'tcl8.6/tclConfig.sh$')
	../sqlite/configure --enable-all --disable-shared \
		--with-tcl="$(dirname "$tcl")" >configure.log
fi
if [ ! -f testfixture ] || [ ../sqlite-vfs/libmpiovfs.a -nt testfixture ]; then
	rm -f testfixture
	make -j "$jobs" testfixture \
		OPTS=-DSQLITE_EXTRA_INIT=mpiovfs_extra_init \
		TLIBS="-lm -lz $libraries -lpthread -ldl" >make.log 2>&1
fi

# ---- The tests ----------------------------------------------------------

run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
trap 'exit 1' INT TERM
chown nobody "$run"
cp testfixture "$run"
cp -r ../sqlite "$run"
chmod -R go+rX "$run/testfixture" "$run/sqlite"
cd "$run"
echo 'sqlite3 db looked.db; puts [db eval {PRAGMA mpio}]' >look.test
./testfixture look.test | grep -q misses || {
	echo 'the VFS is not in the test program'
	exit 1
}
failed=
for test in $tests; do
	setpriv --reuid=nobody --regid=nogroup --clear-groups \
		env HOME="$run" MPIOVFS="${MPIOVFS-}" \
		./testfixture "sqlite/test/$test" >"$directory/$test.log" 2>&1 ||
		true
	if ! grep ' errors out of ' "$directory/$test.log"; then
		echo "$test did not end"
		tail -n 5 "$directory/$test.log"
		exit 1
	fi
	failed="$failed $(sed -n 's/^!Failures on these tests: //p' \
		"$directory/$test.log")"
done
echo "failed:$failed"
for name in $failed; do
	if [ "$name" != io-5.5 ]; then
		echo "more than io-5.5 failed: $name"
		exit 1
	fi
done
