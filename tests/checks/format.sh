#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     format.sh [--fix]
#
# The library is formatted as .clang-format says. With --fix it then is.
#
# Versions of clang-format disagree in details; it is version 14 that counts.
. "$(dirname "$0")/common.sh"
need clang-format

case $(clang-format --version) in
*' 14.'*) ;;
*)
	echo "skipped: $(clang-format --version) is not version 14"
	exit 77
	;;
esac

if [ "${1-}" = --fix ]; then
	library_files | xargs clang-format -i
fi
for file in $(library_files); do
	clang-format "$file" >"$scratch/formatted"
	diff -u "$file" "$scratch/formatted" || :
done >"$scratch/diff"
fail_lines "$scratch/diff" "clang-format would have it so (format.sh --fix):"

finish "$(library_files | wc -l) files"
