#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A handler that takes a millisecond is hit all the time on each CPU, by tasks of real-time priority, so no other task runs. The limit of the
# probe disables it within a second, and RCU does not stall.
. ./functions.sh

load_mod rkprobes
load_mod rktest_hog
for lane in jump int3; do
	[ $lane = jump ] || echo 0 >"$debugfs/optimization"
	for round in 1 2 3; do
		# shellcheck disable=SC2046 # Four numbers.
		set -- $(ask rktest_hog hog 100)
		echo "# $lane: $1 CPUs, $2 hits in $3 ms"
		same "there is a task on each CPU, $lane, $round" "$1" "$(nproc)"
		same "the probe is disabled because of its limit, $lane, $round" "$4" 1
		check "the hits end after $3 ms, $lane, $round: within a second, or what an emulated CPU is late" [ "$3" -le 2000 ]
	done
done
refuse "RCU has not stalled" sh -c "dmesg | sed -n '/$(basename "$0" .sh).sh begins/,\$p' | grep -q 'rcu.*stall'"
unload_mod rktest_hog
unload_mod rkprobes
