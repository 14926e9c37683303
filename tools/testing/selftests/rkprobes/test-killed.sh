#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A signal ends a writer of many lines before all of its lines are carried out. It ends a task that asks explain about a long function, too.
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

# The answer about a whole function.
load_mod rktest_victim
# In USER_HZ, of which a second has 100.
examines() {
	[ "$(cut -d' ' -f15 "/proc/$writer/stat")" -ge 20 ]
}
gone() {
	[ ! -e "/proc/$writer" ] || grep -q '^State:.*Z' "/proc/$writer/status"
}
# begin_survey: a task that asks about a function with 100,000 instructions.
begin_survey() {
	echo "rktest_functions:rktest_alu" >"$debugfs/explain"
	echo 'rktest_victim:rktest_victim_long+*' >"/tmp/rkprobes.$$"
	dd if="/tmp/rkprobes.$$" of="$debugfs/explain" conv=notrunc 2>/dev/null &
	writer=$!
	wait_for "the instructions of the function are examined" examines
}
begin_survey
kill -KILL "$writer"
wait_for "the task is gone" gone
wait "$writer"
same "the signal ended the task that asked explain" $? 137
same "explain has the answer before" "$(head -n 1 "$debugfs/explain")" "target rktest_functions:rktest_alu"

# The module of the function is unloaded meanwhile: the answer has none of its instructions.
begin_survey
unload_mod rktest_victim
wait_for "the task that asked explain is gone" gone
wait "$writer"
same "explain has an answer about the function" "$(head -n 1 "$debugfs/explain")" "target rktest_victim:rktest_victim_long+*"
same "it has no instruction of a function that was unloaded" "$(grep -c '^at' "$debugfs/explain")" 0
check "it says why" grep -q '^probe no: ' "$debugfs/explain"
rm "/tmp/rkprobes.$$"
unload_mod rkprobes
