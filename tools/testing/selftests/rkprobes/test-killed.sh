#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A signal ends a writer of many lines before all of its lines are carried out.
. ./functions.sh

pairs=3000
load_mod rktest_functions
load_mod rkprobes
i=0
while [ $((i += 1)) -le $pairs ]; do
	echo "p:killed rktest_functions:rktest_alu+0"
	echo "-:killed"
done >"/tmp/rkprobes.$$"
before=$(stat_of sync_rounds)
# Each pair needs at least one round to arm and one to disarm.
rounds() {
	echo $(($(stat_of sync_rounds) - before))
}
dd if="/tmp/rkprobes.$$" of="$debugfs/probes" bs=4M conv=notrunc 2>/dev/null &
writer=$!
works() {
	[ "$(rounds)" -ge 20 ]
}
wait_for "the writer's lines are carried out" works
kill -KILL "$writer"
wait "$writer"
same "the signal ended the writer" $? 137
check "its last lines were not carried out" [ "$(rounds)" -lt $((2 * pairs)) ]
rm "/tmp/rkprobes.$$"
add after rktest_functions:rktest_alu+7 || fail "a probe cannot be added after that"
pass "a probe can be added after that"
ask rktest_functions call alu 10 >/dev/null
same "the probe is hit" "$(of after hits)" 10
unload_mod rkprobes
