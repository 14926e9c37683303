#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Hits in every context, of int3s and of jumps. Each call is a hit, and the results are right. A hit inside a handler is missed and counted.
. ./functions.sh

load_mod rkprobes
load_mod rktest_contexts

# Without a handler a jump counts inline. With a handler of another probe it calls.
lane_is() {
	case $1 in
	int3) echo 0 >"$debugfs/optimization" ;;
	counting) echo 1 >"$debugfs/optimization" ;;
	calling) ask rktest_contexts handler 1 >/dev/null || fail "a handler cannot be registered" ;;
	esac
	flush
	if [ "$1" = int3 ]; then check "the site is an int3" int3 target; else check "the site is a $1 jump" jump target; fi
}

echo "c:target rktest_contexts:rktest_context_target" >"$debugfs/probes" || fail "the probe cannot be added"
contexts="task preempt_off irqs_off softirq hardirq nmi native"
for lane in int3 counting calling; do
	lane_is $lane
	for context in $contexts; do
		hits=$(of target hits)
		check "calls in the context $context give the right results, $lane" ask rktest_contexts hit "$context" 50
		same "each call in the context $context is a hit, $lane" $(($(of target hits) - hits)) 50
	done
	same "no hit is missed, $lane" "$(of target missed)" "recursion 0"
done
same "the handler was called for each hit of a calling jump" "$(ask rktest_contexts handler 0)" 350

# Inside our handler a probe of ours is missed if it would call its handler, and hit if it only counts. A native kprobe there runs.
for lane in int3 counting calling; do
	lane_is $lane
	hits=$(of target hits) missed=$(of target missed | sed -n 's/^recursion //p') all=$(stat_of missed)
	case $lane in
	int3) expected='0 30 30' ;;
	counting) expected='30 0 0' ;;
	# The handler of the other probe is missed as well.
	calling) expected='0 30 60' ;;
	esac
	same "our handlers and native handlers run inside each other, $lane" "$(ask rktest_contexts nest 30)" "30 30"
	same "the counters of hits, of missed recursions and of all misses are right, $lane" \
		"$(($(of target hits) - hits)) $(($(of target missed | sed -n 's/^recursion //p') - missed)) $(($(stat_of missed) - all))" "$expected"
done
same "the handler was not called inside handlers" "$(ask rktest_contexts handler 0)" 0
check "the probe can be removed" remove target

# noted CONTEXT: the letters for the context in the records of ten calls, with their number. An NMI or an interrupt may come in any context.
noted() {
	echo >"$tracing/trace"
	ask rktest_contexts hit "$1" 10 >/dev/null
	sed -n 's/^[^#].*\] ..\(.\)[^ ]* .* noted: .*/\1/p' "$tracing/trace" | tr zH Zh | sort | uniq -c | xargs
}
tracing=/sys/kernel/tracing
if [ -d "$tracing/events" ]; then
	check "a probe with an event can be added" add noted rktest_contexts:rktest_context_target
	echo 1 >"$tracing/events/rkprobes/noted/enable"
	echo 0 >"$debugfs/optimization"
	for lane in int3 jump; do
		[ $lane = int3 ] || echo 1 >"$debugfs/optimization"
		flush
		check "the site of the event is on the lane $lane" $lane noted
		for context in task:. softirq:s hardirq:h nmi:Z; do
			same "the records have the context ${context%:*}, $lane" "$(noted "${context%:*}")" "10 ${context#*:}"
		done
	done
	echo 0 >"$tracing/events/rkprobes/noted/enable"
	check "the probe with the event can be removed" remove noted
else
	omit "the context in the records of an event" "this kernel has no events"
fi
if grep -qw smap /proc/cpuinfo; then
	check "a handler runs without the flag AC where user memory may be accessed" ask rktest_contexts user_access
else
	omit "a handler where user memory may be accessed" "this CPU has no SMAP"
fi
unload_mod rktest_contexts
unload_mod rkprobes
