#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The module is loaded and unloaded many times while probes in all states are hit on all CPUs. Afterwards the text is as before. rk.cycles=N on
# the kernel command line sets the number of times.
. ./functions.sh

cycles=200
# With one CPU no task runs in the text while it is poked, so fewer cycles show the differences.
[ "$(grep -c '^processor' /proc/cpuinfo)" -gt 1 ] || cycles=50
asked=$(sed -n 's/.*\brk.cycles=\([0-9]*\).*/\1/p' /proc/cmdline)
cycles=${asked:-$cycles}
load_mod rktest_functions
plain=$(ask rktest_functions call all 64)
module=$(module_file rkprobes) || fail "rkprobes.ko is not built"

text=$(ask rktest_functions text alu)
check "calls run in the background" ask rktest_functions start alu
cycle=0
while [ "$cycle" -lt "$cycles" ]; do
	insmod "$module" || fail "rkprobes cannot be loaded in cycle $cycle"
	printf '%s\n' 'p:a rktest_functions:rktest_alu' 'p:b rktest_functions:rktest_alu+29' >"$debugfs/probes" || fail "the probes cannot be added in cycle $cycle"
	# The module is unloaded with sites in each state: queued, jumps, a jump of a disabled probe, a removed probe.
	case $((cycle % 4)) in
	0) ;;
	1) flush ;;
	2)
		flush
		echo 0 >"$debugfs/probe/a/enable"
		;;
	3)
		flush
		remove b
		;;
	esac
	rmmod rkprobes || fail "rkprobes cannot be unloaded in cycle $cycle"
	cycle=$((cycle + 1))
done
pass "rkprobes is loaded and unloaded in $cycle cycles"
check "the calls went on in the background" [ "$(ask rktest_functions stop)" -gt "$cycle" ]
same "results are right afterwards" "$(ask rktest_functions call all 64)" "$plain"
same "the text is as before" "$(ask rktest_functions text alu)" "$text"
