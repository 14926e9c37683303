#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A probe at each instruction of each test function. The functions give the results that they give without probes, with int3s, with jumps that
# call handlers, and with jumps that count. All other offsets are refused. The assembler recorded the offsets of the instructions.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes
calls=64
work=/tmp/rkprobes-boundaries.$$
mkdir "$work"

ask rktest_functions list >"$work/list"
ask rktest_functions call all "$calls" >"$work/plain"
same "each function has a checksum" "$(wc -l <"$work/plain")" "$(wc -l <"$work/list")"

# same_results WHEN: the checksums equal the checksums without probes.
same_results() {
	ask rktest_functions call all "$calls" >"$work/now" || fail "the functions cannot be called $1"
	if ! cmp -s "$work/plain" "$work/now"; then
		diff "$work/plain" "$work/now"
		fail "the functions give other results $1"
	fi
	pass "the functions give equal results $1"
}

# hits_of_all: prints "NAME HITS" for each probe.
hits_of_all() {
	grep . "$debugfs"/probe/*/hits /dev/null | sed 's/.*probe\/\(.*\)\/hits:/\1 /'
}

# Probes at all offsets at once. They are neighbours, so they stay int3s.
echo 0 >"$debugfs/optimization"
awk '{ for (offset = 0; offset < $2; offset++) print "p:" $1 "_" offset " rktest_functions:rktest_" $1 "+" offset }' "$work/list" \
	>"$work/lines"
said=$(write_probes <"$work/lines")
same "an offset inside an instruction has this errno" "$said" "Invalid or incomplete multibyte or wide character"
# The kernel fills the bytes after a return with int3s.
grep -Ev ': inside an instruction|: breakpoint instruction$' "$debugfs/errors" >"$work/others" && fail "there are other errors: $(head -n 3 "$work/others")"
find "$debugfs/probe" -mindepth 1 -maxdepth 1 | sed 's/.*\///' | sort >"$work/accepted"
awk '{ for (i = 3; i <= NF; i++) print $1 "_" $i }' "$work/list" | sort >"$work/expected"
if ! cmp -s "$work/expected" "$work/accepted"; then
	diff "$work/expected" "$work/accepted"
	fail "the accepted offsets differ from the recorded ones"
fi
pass "exactly the $(wc -l <"$work/accepted") recorded offsets are accepted"
same_results "with an int3 at each instruction"
same "an int3 at a first instruction counts each call" "$(of alu_0 hits)" "$calls"
hits_of_all >"$work/int3_hits"
sed 's/^/-:/' "$work/accepted" | write_probes || fail "the probes cannot be removed"
flush

# Every fifth instruction at a time. A jump covers at most five instructions, so no probe blocks another. One round is with handlers, one counts.
echo 1 >"$debugfs/optimization"
sort "$work/int3_hits" >"$work/expected"
for kind in p c; do
	: >"$work/jump_hits"
	jumps=0
	for turn in 0 1 2 3 4; do
		awk -v turn="$turn" -v kind="$kind" \
			'{ for (i = 3 + turn; i <= NF; i += 5) print kind ":" $1 "_" $i " rktest_functions:rktest_" $1 "+" $i }' \
			"$work/list" >"$work/lines"
		write_probes <"$work/lines" || fail "the probes cannot be added in turn $kind$turn"
		flush
		optimized=$(stat_of optimized)
		jumps=$((jumps + optimized))
		same_results "in turn $kind$turn: $optimized jumps of $(wc -l <"$work/lines") probes"
		# The hits are hits of jumps, because the text has the jumps also after the calls.
		same "the text has as many jumps in turn $kind$turn" "$(cat "$debugfs"/probe/*/text | grep -c '^current e9')" "$optimized"
		hits_of_all >>"$work/jump_hits"
		# Not an assertion. A reader needs the reasons when the number of jumps has changed.
		grep -vx -e - "$debugfs"/probe/*/reason /dev/null | sed 's/.*probe\///'
		sed 's/^.:\([^ ]*\).*/-:\1/' "$work/lines" | write_probes || fail "the probes cannot be removed in turn $kind$turn"
		flush
	done
	check "$jumps of $(wc -l <"$work/jump_hits") sites are jumps with $kind" [ $((jumps * 2)) -gt "$(wc -l <"$work/jump_hits")" ]
	sort "$work/jump_hits" >"$work/now"
	if ! cmp -s "$work/expected" "$work/now"; then
		diff "$work/expected" "$work/now"
		fail "with $kind, jumps and int3s have different hits"
	fi
	pass "with $kind, jumps and int3s have equal hits"
done
flush
same_results "with the probes removed"
rm -r "$work"
