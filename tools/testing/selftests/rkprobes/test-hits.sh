#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Hits equal calls exactly, from all CPUs at once, as int3 and as jump.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes

# counts CALLS: each CPU calls, and every call is a hit.
counts() {
	before=$(of hot hits)
	calls=$(ask rktest_functions calls alu "$1")
	same "calls on $cpus CPUs" "$calls" $((cpus * $1))
	same "hits $2" $(($(of hot hits) - before)) "$calls"
}

cpus=$(grep -c '^processor' /proc/cpuinfo)
echo 0 >"$debugfs/optimization"
check "add" add hot rktest_functions:rktest_alu
counts 2000 "of an int3"
check "it is an int3" int3 hot

echo 1 >"$debugfs/optimization"
wait_for "optimized" state_is hot optimized
counts 20000 "of a jump"
check "it is a jump" jump hot

# While it changes between the two, no call may be lost or counted twice.
total=$(of hot hits)
check "calls in the background" ask rktest_functions start alu
for round in 1 2 3 4 5; do
	echo 0 >"$debugfs/optimization"
	check "int3 in round $round" state_is hot armed
	echo 1 >"$debugfs/optimization"
	flush
	check "jump in round $round" state_is hot optimized
done
calls=$(ask rktest_functions stop)
same "hits while it changed" $(($(of hot hits) - total)) "$calls"
same "missed" "$(awk '{ n += $2 } END { print n + 0 }' "$debugfs/probe/hot/missed")" 0
