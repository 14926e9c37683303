#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Random and damaged text written to every writable file, while probes that come of it are hit: every answer is one of the known errors, what
# was added can be removed, and then the whole kernel's text is as before. rk.writes=1000000 and rk.seed=N on the kernel command line ask for more.
. ./functions.sh

parameter() {
	sed -n "s/.*\\brk.$1=\\([0-9]*\\).*/\\1/p" /proc/cmdline
}

writes=$(parameter writes)
writes=${writes:-8000}
seed=$(parameter seed)
seed=${seed:-2010}

# address SYMBOL
address() {
	awk -v name="$1" '$3 == name { print $1; exit }' /proc/kallsyms
}

# said NAME: from the last answer.
said() {
	echo "$answer" | sed -n "s/^$1 //p"
}

load_mod rktest_functions
load_mod rktest_victim
load_mod rktest_fuzz
load_mod rktest_bytes
# What a first use of ftrace leaves in its trampolines is there before the text is kept.
load_mod rkprobes
check "a first use of ftrace" add entry rktest_victim:rktest_victim_traced
unload_mod rkprobes
check "keep the kernel's text" ask rktest_bytes keep "$(address _stext)" "$(address _etext)"
load_mod rkprobes
plain=$(ask rktest_functions call all 64)
victim=$(ask rktest_victim trace 10)
check "calls in the background" ask rktest_functions start alu

# In pieces, so that a run that fails says how far it came.
all_writes=0
piece=5000 left=$writes
while [ "$left" -gt 0 ]; do
	[ "$left" -ge "$piece" ] || piece=$left
	answer=$(ask rktest_fuzz run "$piece" $((seed + left))) || {
		cat /sys/module/rktest_fuzz/parameters/command
		fail "seed $((seed + left))"
	}
	for figure in writes accepted refused reads probes flushes; do
		eval "all_$figure=\$((all_$figure + \$(said $figure)))"
	done
	left=$((left - piece))
	[ $((left % 50000)) != 0 ] || echo "# $all_writes writes, $left are left"
done
# shellcheck disable=SC2154 # set by eval
pass "writes=$all_writes accepted=$all_accepted refused=$all_refused reads=$all_reads probes=$all_probes flushes=$all_flushes seed=$seed"
check "at least $writes writes" [ "$all_writes" -ge "$writes" ]
check "many were taken" [ $((all_accepted * 20)) -gt "$all_writes" ]
check "many were refused" [ $((all_refused * 20)) -gt "$all_writes" ]
check "many were probes" [ $((all_probes * 50)) -gt "$all_writes" ]

check "the calls went on" [ "$(ask rktest_functions stop)" -gt 0 ]
flush
for left in probes sites armed optimizing optimized unoptimizing freeing foreign_text; do
	same "$left" "$(stat_of $left)" 0
done
same "results" "$(ask rktest_functions call all 64)" "$plain"
same "results of the victim" "$(ask rktest_victim trace 10)" "$victim"
unload_mod rkprobes
same "the kernel's text" "$(ask rktest_bytes compare)" "differences 0"
