#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A probe at each instruction of each test function: the same results as without, as int3, as jump and as jump that counts. All other
# offsets are refused. The true offsets are those that the assembler recorded.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes
calls=64
work=/tmp/rkprobes-boundaries.$$
mkdir "$work"

ask rktest_functions list >"$work/list"
ask rktest_functions call all "$calls" >"$work/plain"
same "a checksum for each function" "$(wc -l <"$work/plain")" "$(wc -l <"$work/list")"

# same_results WHAT: the checksums are those without probes.
same_results() {
	ask rktest_functions call all "$calls" >"$work/now" || fail "calls $1"
	if ! cmp -s "$work/plain" "$work/now"; then
		diff "$work/plain" "$work/now"
		fail "results $1"
	fi
	pass "results $1"
}

# hits_of_all: NAME HITS of each probe.
hits_of_all() {
	grep . "$debugfs"/probe/*/hits /dev/null | sed 's/.*probe\/\(.*\)\/hits:/\1 /'
}

# All offsets at once: the probes are neighbours, so they stay int3.
echo 0 >"$debugfs/optimization"
awk '{ for (offset = 0; offset < $2; offset++) print "p:" $1 "_" offset " rktest_functions:rktest_" $1 "+" offset }' "$work/list" \
	>"$work/lines"
said=$(write_probes <"$work/lines")
same "errno of the offsets inside instructions" "$said" "Invalid or incomplete multibyte or wide character"
# The kernel fills the rest of a return with int3s.
grep -Ev ': inside an instruction|: breakpoint instruction$' "$debugfs/errors" >"$work/others" && fail "other errors: $(head -n 3 "$work/others")"
find "$debugfs/probe" -mindepth 1 -maxdepth 1 | sed 's/.*\///' | sort >"$work/accepted"
awk '{ for (i = 3; i <= NF; i++) print $1 "_" $i }' "$work/list" | sort >"$work/expected"
if ! cmp -s "$work/expected" "$work/accepted"; then
	diff "$work/expected" "$work/accepted"
	fail "accepted offsets"
fi
pass "accepted offsets: $(wc -l <"$work/accepted")"
same_results "with an int3 at each instruction"
same "hits at each first instruction" "$(of alu_0 hits)" "$calls"
hits_of_all >"$work/int3_hits"
sed 's/^/-:/' "$work/accepted" | write_probes || fail "removal"
flush

# Every fifth instruction at a time: a jump covers at most five, so none is in another's reach. Once with handlers, once to count inline.
echo 1 >"$debugfs/optimization"
sort "$work/int3_hits" >"$work/expected"
for kind in p c; do
	: >"$work/jump_hits"
	jumps=0
	for turn in 0 1 2 3 4; do
		awk -v turn="$turn" -v kind="$kind" \
			'{ for (i = 3 + turn; i <= NF; i += 5) print kind ":" $1 "_" $i " rktest_functions:rktest_" $1 "+" $i }' \
			"$work/list" >"$work/lines"
		write_probes <"$work/lines" || fail "adding in turn $kind$turn"
		flush
		optimized=$(stat_of optimized)
		jumps=$((jumps + optimized))
		same_results "in turn $kind$turn: $optimized jumps of $(wc -l <"$work/lines") probes"
		hits_of_all >>"$work/jump_hits"
		# Not an assertion, but what one wants to know when the number of jumps changes.
		grep -vx -e - "$debugfs"/probe/*/reason /dev/null | sed 's/.*probe\///'
		sed 's/^.:\([^ ]*\).*/-:\1/' "$work/lines" | write_probes || fail "removing in turn $kind$turn"
		flush
	done
	pass "$jumps jumps of $kind"
	sort "$work/jump_hits" >"$work/now"
	if ! cmp -s "$work/expected" "$work/now"; then
		diff "$work/expected" "$work/now"
		fail "hits of the jumps of $kind are those of the int3s"
	fi
	pass "hits of the jumps of $kind are those of the int3s"
done
flush
same_results "without probes again"
rm -r "$work"
