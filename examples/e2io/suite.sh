#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/e2io/suite.sh BUILD-DIR [DIRECTORY]
#
# Runs e2fsprogs' own test suite over the io_manager of that build. Fetches
# Debian's source of e2fsprogs into DIRECTORY (default: build/e2fsprogs), builds
# it with shared libraries, runs its tests plain and with the preload, prints
# the counts and the names that differ, and fails if one fails that does not
# fail without. A second run takes what is built already. URI=... is passed on
# as MPIO_E2IO_URI, with '%s' for the name; TESTS='f_* m_*' takes some alone.
# Tests that the suite calls slow are left out (SKIP_SLOW_TESTS=yes), which it
# counts as succeeded; SKIP_SLOW_TESTS=no takes them, too.
# Takes dpkg-dev, gcc, make; 6 minutes and 300 MB.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/examples/common.sh"

if [ $# -lt 1 ]; then
	sed -n '4,16s/^# \{0,1\}//p' "$0"
	exit 1
fi
preload=$(cd "$1" && pwd)/libmpio-e2io-preload.so
[ -e "$preload" ] || {
	echo "there is no $preload"
	exit 1
}
mkdir -p "${2:-$root/build/e2fsprogs}"
cd "${2:-$root/build/e2fsprogs}"
work=$PWD

# ---- Its source, built --------------------------------------------------

build() {
	(mkdir -p built && cd built &&
		../source/configure --enable-elf-shlibs &&
		make -j"$jobs" &&
		make -C tests/progs &&
		make -C tests test_pre test_one test_script mke2fs.conf) &&
		: >built/done
}

packages_to packages.log gcc libc6-dev make dpkg-dev pkg-config
if [ ! -e source/configure ]; then
	echo "fetching e2fsprogs"
	fetch_source e2fsprogs source
fi
if [ ! -e built/done ]; then
	echo "building e2fsprogs"
	quietly build
fi

# ---- Its tests ----------------------------------------------------------

run_tests() { # NAME
	cd "$work/built/tests"
	rm -f ./*.ok ./*.failed ./*.log ./*.slow
	# shellcheck disable=SC2086
	SKIP_SLOW_TESTS=$slow ./test_script ${TESTS-} >"$work/$1.log" 2>&1 || :
	cd "$work"
	sed -n 's/^\([a-z0-9_]*\): .*: \(ok\|failed\)$/\2 \1/p' "$1.log" |
		sort -u >"$1.results"
	sed -n 's/^failed //p' "$1.results" >"$1.failed"
	echo "$1: $(grep 'tests succeeded' "$1.log" | tail -n 1)"
}

slow=yes
if [ "${SKIP_SLOW_TESTS-}" = no ]; then
	slow=
fi
unset MPIO_E2IO_URI USE_VALGRIND SKIP_SLOW_TESTS
run_tests plain
[ "$(grep -c '^ok' plain.results)" -gt 0 ] || {
	tail plain.log
	exit 1
}
export USE_VALGRIND="env LD_PRELOAD=$preload"
export MPIO_E2IO_STATS="$work/counts"
rm -f counts
if [ -n "${URI-}" ]; then
	export MPIO_E2IO_URI="$URI"
fi
run_tests preloaded
[ -s counts ] || {
	echo "the preload was not in the programs"
	exit 1
}
echo "disks opened by it: $(wc -l <counts)"

# A test that has no result any more counts as failed, too.
awk '{ print $2 }' plain.results | sort -u >names
awk '{ print $2 }' preloaded.results | sort -u | comm -23 names - >missing
comm -13 plain.failed preloaded.failed | cat - missing >worse
comm -23 plain.failed preloaded.failed >better
sed 's/^/only preloaded: failed /' worse
sed 's/^/only plain: failed /' better
[ ! -s worse ]
