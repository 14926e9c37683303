#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Hits equal calls exactly, with an int3 and with a jump, when all CPUs call at once.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes

# counts CALLS WHEN: each CPU makes that many calls, and each call is a hit.
counts() {
	before=$(of hot hits)
	calls=$(ask rktest_functions calls alu "$1")
	same "$cpus CPUs make their calls $2" "$calls" $((cpus * $1))
	same "hits equal calls $2" $(($(of hot hits) - before)) "$calls"
}

cpus=$(grep -c '^processor' /proc/cpuinfo)
echo 0 >"$debugfs/optimization"
check "a probe can be added" add hot rktest_functions:rktest_alu
check "the site is an int3 before the calls" int3 hot
counts 2000 "with an int3"
check "the site is an int3 after the calls" int3 hot

echo 1 >"$debugfs/optimization"
wait_for "the probe is optimized" state_is hot optimized
check "the site is a jump before the calls" jump hot
counts 20000 "with a jump"
check "the site is a jump after the calls" jump hot

# While the site changes between int3 and jump, no call is lost or counted twice.
total=$(of hot hits)
check "calls run in the background" ask rktest_functions start alu
for round in 1 2 3 4 5; do
	echo 0 >"$debugfs/optimization"
	check "the site is an int3 in round $round" int3 hot
	echo 1 >"$debugfs/optimization"
	flush
	check "the site is a jump in round $round" jump hot
done
calls=$(ask rktest_functions stop)
same "hits equal calls while the site changed" $(($(of hot hits) - total)) "$calls"
same "no hit was missed" "$(awk '{ n += $2 } END { print n + 0 }' "$debugfs/probe/hot/missed")" 0
