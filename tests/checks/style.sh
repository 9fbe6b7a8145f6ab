#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every source says its licence; in the library no line is over 80 columns, no
# line ends with white space, and no function has over 70 lines.
. "$(dirname "$0")/common.sh"
need expand

sources() {
	find . \( -name .git -o -path './build*' \) -prune -o -type f \( \
		-name '*.[ch]' -o -name '*.cpp' -o -name '*.sh' -o \
		-name '*.py' -o -name '*.cmake' -o -name '*.in' -o \
		-name CMakeLists.txt -o -path './.ci/*' -o \
		-name .clang-format -o -name .clang-tidy \) -print | sort
}

# The line is the first, or the second after '#!'.
for file in $(sources); do
	if ! head -n 2 "$file" |
		grep -q '^\(/\* \|# \|// \)SPDX-License-Identifier: MIT'; then
		echo "$file"
	fi
done >"$scratch/licence"
fail_lines "$scratch/licence" 'No SPDX line:'

for file in $(library_files); do
	expand "$file" | awk -v file="$file" '
		length($0) > 80 {
			print file ":" NR ": " length($0) " columns"
		}
		/[ \t]$/ {
			print file ":" NR ": white space at the end"
		}
		# With these braces a body is what stands between a { and a }
		# in the first column.
		/^{/ { start = NR }
		/^}/ {
			if (start && NR - start > 70)
				print file ":" start ": a function of " \
					NR - start " lines"
			start = 0
		}'
done >"$scratch/form"
fail_lines "$scratch/form" 'Out of form:'

finish "$(sources | wc -l) sources"
