# SPDX-License-Identifier: MIT
#
# What the checks share. Each of them is a POSIX script that says what it found
# wrong, a line for each, and ends with 0 (all is well), 1 or 77 (skipped: a
# tool is missing). They run from the top of the source tree; $scratch is a
# directory that goes away at the end.
set -eu
cd "$(dirname "$0")/../.."
LC_ALL=C
export LC_ALL

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
failures=0

have() {
	command -v "$1" >"$scratch/have" 2>&1
}

need() {
	for tool in "$@"; do
		if ! have "$tool"; then
			echo "skipped: there is no $tool"
			exit 77
		fi
	done
}

fail() {
	echo "$*"
	failures=$((failures + 1))
}

# Fail for each line of a file, with a sentence before them.
fail_lines() {
	if [ -s "$1" ]; then
		fail "$2"
		sed 's/^/    /' "$1"
	fi
}

# The code of the library, which the hard rules are for.
library_files() {
	find lib include backends -name '*.[ch]' | sort
}

finish() {
	if [ "$failures" -ne 0 ]; then
		exit 1
	fi
	echo "ok: $*"
	exit 0
}
