#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Hits in every context, as int3 and as jump: each call is a hit, results are right. What is hit inside a handler is missed, and counted.
. ./functions.sh

load_mod rkprobes
load_mod rktest_contexts

add target rktest_contexts:rktest_context_target || fail "add"
for lane in int3 jump; do
	if [ "$lane" = int3 ]; then
		echo 0 >"$debugfs/optimization"
	else
		echo 1 >"$debugfs/optimization"
		flush
	fi
	check "it is a $lane" $lane target
	for context in task preempt_off irqs_off softirq hardirq nmi native; do
		hits=$(of target hits)
		check "$context, $lane" ask rktest_contexts hit $context 50
		same "hits, $context, $lane" $(($(of target hits) - hits)) 50
	done
	same "none is missed, $lane" "$(of target missed)" "recursion 0"
done

# In our handler: ours is missed; a native kprobe is not ours, and runs.
for lane in int3 jump; do
	if [ "$lane" = int3 ]; then echo 0 >"$debugfs/optimization"; else echo 1 >"$debugfs/optimization"; fi
	flush
	hits=$(of target hits) missed=$(of target missed | sed -n 's/^recursion //p') all=$(stat_of missed)
	same "handlers that nest, ours and theirs, $lane" "$(ask rktest_contexts nest 30)" "30 30"
	same "ours inside runs no handler, $lane" "$(of target hits)" "$hits"
	same "it is missed by its cause, $lane" "$(of target missed)" "recursion $((missed + 30))"
	same "and in all, $lane" $(($(stat_of missed) - all)) 30
done
check "remove" remove target
if grep -qw smap /proc/cpuinfo; then
	check "where user memory may be accessed" ask rktest_contexts user_access
fi
unload_mod rktest_contexts
unload_mod rkprobes
