#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Hits in every context, as int3 and as jump: each call is a hit, results are right. What is hit inside a handler is missed, and counted.
. ./functions.sh

load_mod rkprobes
load_mod rktest_contexts

# Without a handler a jump counts inline; with one, another probe's, it calls.
lane_is() {
	case $1 in
	int3) echo 0 >"$debugfs/optimization" ;;
	counting) echo 1 >"$debugfs/optimization" ;;
	calling) ask rktest_contexts handler 1 >/dev/null || fail "a handler" ;;
	esac
	flush
	if [ "$1" = int3 ]; then check "it is an int3" int3 target; else check "it is a $1 jump" jump target; fi
}

echo "c:target rktest_contexts:rktest_context_target" >"$debugfs/probes" || fail "add"
contexts="task preempt_off irqs_off softirq hardirq nmi native"
for lane in int3 counting calling; do
	lane_is $lane
	for context in $contexts; do
		hits=$(of target hits)
		check "$context, $lane" ask rktest_contexts hit "$context" 50
		same "hits, $context, $lane" $(($(of target hits) - hits)) 50
	done
	same "none is missed, $lane" "$(of target missed)" "recursion 0"
done
same "calls of the handler" "$(ask rktest_contexts handler 0)" 350

# In our handler: ours is missed where it would call, and hit where it only counts; a native kprobe is not ours, and runs.
for lane in int3 counting calling; do
	lane_is $lane
	hits=$(of target hits) missed=$(of target missed | sed -n 's/^recursion //p') all=$(stat_of missed)
	case $lane in
	int3) expected='0 30 30' ;;
	counting) expected='30 0 0' ;;
	# The other's handler is missed as well.
	calling) expected='0 30 60' ;;
	esac
	same "handlers that nest, ours and theirs, $lane" "$(ask rktest_contexts nest 30)" "30 30"
	same "hits, misses by their cause, misses of all, $lane" \
		"$(($(of target hits) - hits)) $(($(of target missed | sed -n 's/^recursion //p') - missed)) $(($(stat_of missed) - all))" "$expected"
done
same "no call of the handler" "$(ask rktest_contexts handler 0)" 0
check "remove" remove target
if grep -qw smap /proc/cpuinfo; then
	check "where user memory may be accessed" ask rktest_contexts user_access
fi
unload_mod rktest_contexts
unload_mod rkprobes
