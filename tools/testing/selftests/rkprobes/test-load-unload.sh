#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Loads and unloads the module many times while probes in all states are hit on all CPUs. The text is as before. rk.cycles=N on the kernel
# command line is how many times.
. ./functions.sh

cycles=200
# With one CPU nobody is in the text while it is poked: what differs is soon seen.
[ "$(grep -c '^processor' /proc/cpuinfo)" -gt 1 ] || cycles=50
asked=$(sed -n 's/.*\brk.cycles=\([0-9]*\).*/\1/p' /proc/cmdline)
cycles=${asked:-$cycles}
load_mod rktest_functions
plain=$(ask rktest_functions call all 64)
module=$(module_file rkprobes) || fail "rkprobes.ko is not built"

text=$(ask rktest_functions text alu)
check "calls in the background" ask rktest_functions start alu
cycle=0
while [ "$cycle" -lt "$cycles" ]; do
	insmod "$module" || fail "load in cycle $cycle"
	printf '%s\n' 'p:a rktest_functions:rktest_alu' 'p:b rktest_functions:rktest_alu+29' >"$debugfs/probes" || fail "add in cycle $cycle"
	# Unload in each state: queued, jumps, jumps that are to go, a removed one.
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
	rmmod rkprobes || fail "unload in cycle $cycle"
	cycle=$((cycle + 1))
done
pass "$cycle cycles"
check "calls went on" [ "$(ask rktest_functions stop)" -gt "$cycle" ]
same "results afterwards" "$(ask rktest_functions call all 64)" "$plain"
same "bytes afterwards" "$(ask rktest_functions text alu)" "$text"
