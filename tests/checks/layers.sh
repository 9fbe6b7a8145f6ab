#!/bin/sh
# SPDX-License-Identifier: MIT
#
# An arrow only ever points down: who may include what. The core knows three
# headers of the compiler's and its own; a backend knows the device and the
# bio, and nothing above.
. "$(dirname "$0")/common.sh"

compiler='<std(int|def|bool)\.h>'
device='<mpio/(device|bio|error|allocator)\.h>'
core='<mpio/(allocator|bio|device|error|errseq|event|extent|mapping|mpio|page
	|plan|queue|read|stats|version|writeback)\.h>'
core=$(echo "$core" | tr -d '\n\t ')

sim='<mpio/(fault|simdisk|filters)\.h>' # disks for tests

# Every include in some files is one of these.
only() { # PATTERN FILE...
	pattern=$1
	shift
	for file in "$@"; do
		if [ -e "$file" ]; then
			grep -nE '^[ \t]*#[ \t]*include' "$file" |
				grep -vE "include +($pattern)" |
				sed "s|^|$file:|" || :
		fi
	done >"$scratch/includes"
	fail_lines "$scratch/includes" 'May not be included here:'
}

# The upper layers know the public headers of the core, and of what is private
# there the arithmetic alone; the core does not know them.
private=$(cd lib && echo *.h | tr ' ' '\n' | grep -vE '^(cache|file)_' | tr '\n' ' ' |
	sed 's/ $//; s/\./\\./g; s/ /|/g')
of_file='"(arith|file_private)\.h"'
for source in lib/*.[ch]; do
	case $source in
	lib/stream.c) only "$core|$compiler|<mpio/stream\.h>|\"arith\.h\"" \
		"$source" ;;
	lib/cache*) only \
		"$core|$compiler|<mpio/cache\.h>|\"(arith|cache_private)\.h\"" \
		"$source" ;;
	lib/file*) only "$core|$compiler|<mpio/(cache|file)\.h>|$of_file" \
		"$source" ;;
	*) only "$core|$compiler|\"($private)\"" "$source" ;;
	esac
done

for header in include/mpio/*.h; do
	case $header in
	*/open.h) only "$device|$compiler" "$header" ;;
	*/file.h) only "$core|$compiler|<mpio/cache\.h>" "$header" ;;
	*/fault.h | */simdisk.h | */filters.h)
		only "$device|$sim|$compiler" "$header" ;;
	*) only "$core|$compiler" "$header" ;;
	esac
done
files='<mpio/backends/posix\.h>' # how a file is opened
for header in include/mpio/backends/*.h; do
	only "$device|$compiler|$files" "$header"
done

# Simulated disks and filters know each other, and nothing of a system. A filter
# uses the device below it as anyone does, through a queue of the library.
#
# A backend that lives on a system may use all of that, what open.h has for it
# (an allocator, the translation of errno), and what backends share among
# themselves; those that open devices by name know the other backends.
system='<([^m]|m[^p]|mp[^i])[^>]*>'
shared=$(cd backends && echo *.h | sed 's/\./\\./g; s/ /|/g')
parts='"(put|(fault|sim|filter)_private)\.h"'
shared="\"($shared)\"|<mpio/(open|frames)\.h>|$files"
for source in backends/*.[ch]; do
	own="<mpio/backends/$(basename "$source" | sed 's/[_.].*//')[a-z_]*\.h>"
	case $source in
	*/mem.c) only "$device|$own|$compiler" "$source" ;;
	*/put.[ch]) only "\"put\.h\"|$compiler" "$source" ;;
	*/fault*.[ch] | */sim*.[ch])
		only "$device|$sim|$parts|$compiler" "$source" ;;
	*/filter*.[ch])
		only "$device|$sim|$parts|$compiler|<mpio/queue\.h>" \
			"$source" ;;
	*/open*.c) only "$device|$sim|<mpio/backends/[a-z_]+\.h>|$shared|$system" \
		"$source" ;;
	*) only "$device|$own|$shared|$system" "$source" ;;
	esac
done

finish "$(library_files | wc -l) files"
