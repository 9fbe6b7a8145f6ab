#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What takes longer than each change can wait for: a technique a line, its name
# and its command.
#
#     sh tests/soak.sh            all of them, one after another
#     sh tests/soak.sh NAME...    some of them
#
# Goes on when one fails, and ends with a summary; with 1 if one failed.
set -u
cd "$(dirname "$0")/.." || exit 1
result=0
wanted=" $* "
summary=

soak() { # NAME COMMAND...
	name=$1
	shift
	case $wanted in
	'  ' | *" $name "*) ;;
	*) return ;;
	esac
	echo "== $name: $*"
	begin=$(date +%s)
	status=ok
	"$@" || status=FAILED
	if [ "$status" != ok ]; then
		result=1
	fi
	summary="$summary$(printf '%-15s %-6s %5d s' "$name" "$status" \
		$(($(date +%s) - begin)))
"
}

soak proof sh tests/proof.sh
soak coverage sh tests/coverage.sh
soak mcdc sh tests/coverage.sh --mcdc
soak planted sh tests/planted.sh
soak mutate sh tests/mutate.sh --sample 600
soak memcheck sh tests/memcheck.sh
soak msan sh tests/msan.sh
soak tidy sh tests/checks/tidy.sh --deep
soak integers sh tests/integers.sh
soak s390x sh tests/foreign.sh s390x
soak armhf sh tests/foreign.sh armhf

for source in tests/fuzz/fuzz_*.c; do
	name=${source#tests/fuzz/fuzz_}
	name=${name%.c}
	soak "fuzz-$name" env SECONDS_MAX="${SECONDS_MAX:-300}" \
		sh tests/fuzz.sh --fast "$name"
done

echo "== summary"
printf '%s' "$summary"
exit "$result"
