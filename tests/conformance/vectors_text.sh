# SPDX-License-Identifier: MIT
#
#     vectors_text.sh MPIO_VECTORS FILE...
#
# How mpio-vectors reads and writes files: what it prints can be read and
# passes again, and a malformed file ends with status 2 and a place.
set -eu
vectors=$1
shift
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0

failed() {
	echo "failed: $*"
	failures=$((failures + 1))
}

# ---- What is printed is a vector file, but for its last line ----

"$vectors" --print "$@" >"$scratch/printed"
sed '$d' "$scratch/printed" >"$scratch/again.vec"
"$vectors" --print "$scratch/again.vec" >"$scratch/printed-again" ||
	failed 'what was printed does not pass'
cmp "$scratch/printed" "$scratch/printed-again" ||
	failed 'what was printed is not printed again'

# ---- Malformed files ----

# malformed LINE WHAT: the scenario on standard input is refused there.
malformed() {
	cat >"$scratch/bad.vec"
	status=0
	"$vectors" "$scratch/bad.vec" >"$scratch/out" 2>"$scratch/err" ||
		status=$?
	if [ "$status" != 2 ] ||
		! grep -q "^$scratch/bad.vec:$1: " "$scratch/err"; then
		failed "$2: status $status, $(cat "$scratch/err")"
	fi
}

# good [STATEMENT...]: a scenario with statements more, eight lines before.
good() {
	printf '%s\n' 'scenario good' 'page_size 4096' 'block_size 1024' \
		'file_size 54321' 'device_size 1048576' 'max_bio_pages 4' \
		"${op:-op readahead 0 2}" 'map 0 10 4'
	[ $# = 0 ] || printf '%s\n' "$@"
	echo end
}

good >"$scratch/good.vec"
[ "$("$vectors" "$scratch/good.vec")" = '1 passed, 0 failed' ] ||
	failed 'a scenario with inputs only'
[ "$("$vectors" - <"$scratch/good.vec")" = '1 passed, 0 failed' ] ||
	failed 'standard input'
good | sed 's/$/\r/; s/ /  /; s/^/\t/' >"$scratch/space.vec"
[ "$("$vectors" "$scratch/space.vec")" = '1 passed, 0 failed' ] ||
	failed 'white space'
# The order of inputs is free, but for that of extents.
good | sed '2,8!d' | sort -r | sed '1i scenario turned
$a end # of it' >"$scratch/turned.vec"
[ "$("$vectors" "$scratch/turned.vec")" = '1 passed, 0 failed' ] ||
	failed 'inputs in another order'

good | sed '$d' | malformed 8 'no end'
good | sed '4d' | malformed 8 'no file_size'
good | sed '1d' | malformed 1 'no scenario'
good 'scenario again' | malformed 9 'a scenario inside'
good 'nonsense 1' | malformed 9 'an unknown statement'
good 'io read 0 512' | malformed 9 'an expected statement before expect'
good 'page_size 4096' | malformed 9 'a size twice'
good 'op read_page 0' | malformed 9 'an op twice'
good 'wbc sync=all' | malformed 10 'a wbc for a read'
good 'map 2 20 2' | malformed 9 'extents that overlap'
good 'map 8 20' | malformed 9 'an extent without a count'
good 'map 8 20 0' | malformed 9 'an extent of no blocks'
good 'map 8 18446744073709551615 2' | malformed 9 'an extent that wraps'
good 'map 8 20 2 uptodate' | malformed 9 'two filled blocks'
good 'map 8 20 2 shiny' | malformed 9 'an unknown flag'
good 'fail 3' | malformed 10 'a failure in an extent'
good 'fail -3' | malformed 9 'a negative number'
good 'bad 18446744073709551616' | malformed 9 'a number too large'
good 'page 0 uptodate' | malformed 9 'a page for a readahead'
good 'expect perhaps' | malformed 9 'expect what?'
good 'expect exact' 'expect exact' | malformed 10 'expect twice'
good 'expect exact' 'map 8 20 2' | malformed 10 'an input behind expect'
good 'expect exact' 'io write 0 512' | malformed 10 'a write of a read'
good 'expect exact' 'call 0 1' | malformed 10 'a short call'
good 'expect exact' 'page 7 uptodate' | malformed 10 'an unknown page'
good 'expect exact' 'page 0 shiny' | malformed 10 'an unknown word'
good 'expect exact' 'crc32 page 0 xyz' | malformed 10 'no checksum'
good 'expect exact' 'return zero' | malformed 10 'no number'
good | sed 's/^block_size.*/block_size 8192/' | malformed 9 'large blocks'
good | sed 's/^page_size.*/page_size 5000/' | malformed 9 'odd pages'
good | sed 's/^device_size.*/device_size 1000/' | malformed 9 'odd device'
good | sed 's/^max_bio.*/max_bio_pages 257/' | malformed 9 'many segments'
good | sed 's/ 0 2$/ 18446744073709551615 2/' | malformed 9 'a page too far'
op='op writepages'
good 'page 1 dirty' 'page 1' | malformed 10 'a page twice'
good 'page 1 dirty dirty' | malformed 9 'a word twice'
good 'page 1 buffers D D D' | malformed 9 'too few states'
good 'page 1 buffers D D D X' | malformed 9 'an unknown state'
good 'page 1 buffers D D D M' | malformed 9 'M in no extent'
good 'wbc sync=some' | malformed 9 'an unknown mode'
good 'wbc range=5' | malformed 9 'half a range'
good 'wbc sync=all sync=all' | malformed 9 'a key twice'
good 'map 8 20 1 uptodate' | malformed 10 'a filled block for a write'
op='op read_page 0'
good 'page 1 buffers U U U U' | malformed 9 'another page'
good 'page 0 uptodate' | malformed 9 'a page without buffers'

status=0
"$vectors" "$scratch/none.vec" 2>/dev/null || status=$?
[ "$status" = 2 ] || failed "a file that is not there: status $status"
status=0
"$vectors" --nonsense 2>/dev/null || status=$?
[ "$status" = 2 ] || failed "an unknown option: status $status"

# ---- A failure is told, and the status is 1 ----

op='op readahead 0 2'
good 'expect exact' 'call 0 8 0' 'io read 10240 4096' 'call 4 4 0' \
	'page 0 notuptodate error' >"$scratch/wrong.vec"
status=0
"$vectors" "$scratch/wrong.vec" >"$scratch/out" 2>"$scratch/err" || status=$?
[ "$status" = 1 ] || failed "a wrong expectation: status $status"
[ "$(cat "$scratch/out")" = '0 passed, 1 failed' ] ||
	failed 'a wrong expectation: the count'
grep -q 'page 0 ends otherwise' "$scratch/err" ||
	failed "a wrong expectation: $(cat "$scratch/err")"

echo "$failures failures"
[ "$failures" = 0 ]
