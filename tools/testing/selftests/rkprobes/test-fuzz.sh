#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Random and damaged text is written to every writable file, while the probes that it makes are hit. Each write succeeds or fails with a known
# errno. The probes can be removed. Afterwards the text of the whole kernel is as before. rk.writes=1000000 on the kernel command line asks for
# more writes, rk.seed=N for others.
. ./functions.sh

parameter() {
	sed -n "s/.*\\brk.$1=\\([0-9]*\\).*/\\1/p" /proc/cmdline
}

writes=$(parameter writes)
writes=${writes:-8000}
seed=$(parameter seed)
seed=${seed:-2010}

# address SYMBOL: prints its address without 0x.
address() {
	awk -v name="$1" '$3 == name { print $1; exit }' /proc/kallsyms
}

# said NAME: prints a value of the last answer.
said() {
	echo "$answer" | sed -n "s/^$1 //p"
}

load_mod rktest_functions
load_mod rktest_victim
load_mod rktest_fuzz
load_mod rktest_bytes
# The first use of ftrace changes its trampolines, so it comes before the text is kept.
load_mod rkprobes
check "a probe can be added at an entry, the first use of ftrace" add entry rktest_victim:rktest_victim_traced
unload_mod rkprobes
check "the kernel's text is kept" ask rktest_bytes keep "$(address _stext)" "$(address _etext)"
load_mod rkprobes
plain=$(ask rktest_functions call all 64)
victim=$(ask rktest_victim trace 10)
check "calls run in the background" ask rktest_functions start alu

# The writes are made in pieces, so that a run that fails has printed how far it came.
all_writes=0
piece=5000 left=$writes
while [ "$left" -gt 0 ]; do
	[ "$left" -ge "$piece" ] || piece=$left
	answer=$(ask rktest_fuzz run "$piece" $((seed + left))) || {
		cat /sys/module/rktest_fuzz/parameters/command
		fail "the writes fail with seed $((seed + left))"
	}
	for figure in writes accepted refused reads probes flushes; do
		eval "all_$figure=\$((all_$figure + \$(said $figure)))"
	done
	left=$((left - piece))
	[ $((left % 50000)) != 0 ] || echo "# $all_writes writes, $left are left"
done
# shellcheck disable=SC2154 # set by eval
pass "each write succeeds or fails with a known errno: writes=$all_writes accepted=$all_accepted refused=$all_refused reads=$all_reads probes=$all_probes flushes=$all_flushes seed=$seed"
check "there are at least $writes writes" [ "$all_writes" -ge "$writes" ]
check "more than a twentieth of the writes is accepted" [ $((all_accepted * 20)) -gt "$all_writes" ]
check "more than a twentieth of the writes is refused" [ $((all_refused * 20)) -gt "$all_writes" ]
check "more than a fiftieth of the writes makes a probe" [ $((all_probes * 50)) -gt "$all_writes" ]

check "the calls went on in the background" [ "$(ask rktest_functions stop)" -gt 0 ]
flush
for left in probes sites armed optimizing optimized unoptimizing freeing foreign_text; do
	same "stats has $left 0" "$(stat_of $left)" 0
done
same "results of the functions are right" "$(ask rktest_functions call all 64)" "$plain"
same "results of the victim are right" "$(ask rktest_victim trace 10)" "$victim"
unload_mod rkprobes
same "the kernel's text is as before" "$(ask rktest_bytes compare)" "differences 0"
