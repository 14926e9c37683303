#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# NMIs all the time, on all CPUs, while tasks hit int3s and jumps, and while their sites change from one to the other. The NMIs hit another
# probe. Each call is a hit. In the NMIs it is a hit or, inside a handler, a miss.
. ./functions.sh

[ "$(nproc)" -gt 1 ] || skip "the only CPU cannot send itself an NMI while it runs something else"
load_mod rkprobes
load_mod rktest_nmi
nmis=200

# storm LANE: starts the tasks, runs the command given and checks that the hits equal the calls.
storm() {
	lane=$1
	shift
	task_hits=$(of task hits) nmi_hits=$(of nmi hits) missed=$(of nmi missed | sed -n 's/^recursion //p')
	check "the tasks can be started, $lane" ask rktest_nmi start
	"$@"
	# shellcheck disable=SC2046 # Four numbers.
	set -- $(ask rktest_nmi stop)
	echo "# $lane: $1 calls, $2 NMIs, $4 of them with interrupts off"
	check "the NMIs have come, $lane" [ "$2" -ge $nmis ]
	check "the tasks have called, $lane" [ "$1" -gt 0 ]
	same "the results are right, $lane" "$3" 0
	same "each call of a task is a hit, $lane" $(($(of task hits) - task_hits)) "$1"
	same "no hit of a task is missed, $lane" "$(of task missed)" "recursion 0"
	same "each call of an NMI is a hit or a miss, $lane" \
		$(($(of nmi hits) - nmi_hits + $(of nmi missed | sed -n 's/^recursion //p') - missed)) "$2"
}
wait_for_nmis() {
	check "NMIs come, $lane" ask rktest_nmi wait $nmis
}
# change: the sites become jumps and int3s ten times.
change() {
	for change in 1 2 3 4 5 6 7 8 9 10; do
		echo 1 >"$debugfs/optimization"
		flush
		check "NMIs come between jumps, $change" ask rktest_nmi wait $((nmis / 20))
		echo 0 >"$debugfs/optimization"
		flush
		check "NMIs come between int3s, $change" ask rktest_nmi wait $((nmis / 20))
	done
}

for kind in c p; do
	printf '%s\n' "$kind:task rktest_nmi:rktest_context_target" "$kind:nmi rktest_nmi:rktest_context_inner" | write_probes ||
		fail "the probes cannot be added"
	echo 0 >"$debugfs/optimization"
	flush
	check "the site is an int3, $kind" int3 task
	storm "int3, $kind" wait_for_nmis
	echo 1 >"$debugfs/optimization"
	flush
	check "the site is a jump, $kind" jump task
	storm "jump, $kind" wait_for_nmis
	storm "changing, $kind" change
	printf '%s\n' -:task -:nmi | write_probes || fail "the probes cannot be removed"
done
unload_mod rktest_nmi
unload_mod rkprobes
