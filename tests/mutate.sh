#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Branch mutants of the library, at the level of assembly: see mutate.py, which
# this runs with the same arguments. Ends with 77 where that cannot be.
#
#     sh tests/mutate.sh --sample 600 --seed 1
set -eu
cd "$(dirname "$0")/.."

for tool in gcc as ld ar python3; do
	if ! command -v "$tool" >/dev/null; then
		echo "skipped: there is no $tool"
		exit 77
	fi
done
case $(gcc -dumpmachine) in
x86_64-*linux*) ;;
*)
	echo 'skipped: only branches of x86-64 are known'
	exit 77
	;;
esac
if ! echo 'int main(void) { return 0; }' |
	gcc -x c -o /dev/null - -lcmocka 2>/dev/null; then
	echo 'skipped: there is no cmocka'
	exit 77
fi
exec python3 tests/mutate.py "$@"
