#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# rkprobes does not have these defects of native kprobes (of 7.3). Each is tried with a probe of ours, which must be right. Where it does no
# harm, it is then tried with a native kprobe. That outcome is printed and not asserted, because a later kernel may be right. The defects of
# the optimizer are also mutants in tools/testing/host/mutants.rs.
. ./functions.sh

# When the test ends, also when it fails, the modules with native kprobes are unloaded before rkprobes, because rkprobes waits for native kprobes
# on its jumps. With a delay of a minute our optimizer works in a flush only.
load_mod rkprobes optimize_delay=15000
load_mod rktest_functions
load_mod rktest_victim
load_mod rktest_native
load_mod rktest_neighbours
alu=rktest_functions:rktest_alu
text=$(ask rktest_functions text alu)
plain=$(ask rktest_functions call alu 10)

no_sites() {
	[ "$(stat_of sites)" = 0 ]
}

# said THEIRS RIGHT: prints the outcome of a native kprobe. It is not an assertion.
said() {
	if [ "$1" = "$2" ]; then
		echo "native kprobes are right here: $1"
	else
		echo "native kprobes give '$1' instead of '$2'"
	fi
}

first_byte_is() {
	[ "$(ask rktest_functions text alu | cut -c1-2)" = "$1" ]
}

# D4: the memory of a jump that was forced back is freed only after a pass. Here a neighbour forces the jump back, and the last probe is removed
# at once. In the tests of the API a post_handler forces it back (rule 8).
check "a probe can be added" add outer $alu
flush
same "the site is a jump" "$(of outer state)" optimized
periods=$(stat_of grace_periods)
check "a neighbour forces the jump back" add inner $alu+2
printf '%s\n' -:outer -:inner >"$debugfs/probes"
refuse "both sites are kept after the removal" no_sites
flush
check "both sites are freed by a pass" no_sites
check "the pass has waited for tasks" [ "$(stat_of grace_periods)" -gt "$periods" ]
same "the text is as at the beginning" "$(ask rktest_functions text alu)" "$text"

# D5: a probe is removed, and its module is unloaded before the next pass: nothing stays at the address. A native kprobe is not tried here,
# because the kernel would warn.
address=$(awk '$3 == "rktest_victim_work" { print $1 }' /proc/kallsyms)
check "a probe can be added in a module" add gone "0x$address"
flush
same "the site in the module is a jump" "$(of gone state)" optimized
check "the probe in the module can be removed" remove gone
same "the site is queued to be unoptimized" "$(stat_of unoptimizing)" 1
unload_mod rktest_victim
load_mod rktest_victim
plain_victim=$(ask rktest_victim call 10)
again=$(awk '$3 == "rktest_victim_work" { print $1 }' /proc/kallsyms)
check "a probe can be added in the new text, at $([ "$address" = "$again" ] && echo an equal || echo another) address" add again "0x$again"
flush
same "the site in the new text is a jump" "$(of again state)" optimized
same "results are right in the new text" "$(ask rktest_victim call 10)" "$plain_victim"
same "each call in the new text is a hit" "$(of again hits)" 10
check "the probe in the new text can be removed" remove again
flush
check "no site is left" no_sites

# D6: a probe that cannot be armed is not said to be enabled. A native kprobe takes the address between our check and our poke. The test makes
# that situation with all probes disarmed.
echo 0 >"$debugfs/enabled"
check "a probe can be added while all probes are disarmed" add late $alu
place=$(ask rktest_native add rktest_alu 0) || fail "a native kprobe cannot be registered at the address"
echo 1 >"$debugfs/enabled"
same "the probe is not armed" "$(of late state)" disabled
same "the probe has the reason" "$(of late reason)" "a kprobe is at this address: remove it first"
enable_late() {
	echo 1 >"$debugfs/probe/late/enable"
}
refuse "the enabled probe that is not armed cannot be enabled" enable_late
same "the probe stays enabled, because it was" "$(of late enable)" 1
echo 0 >"$debugfs/probe/late/enable"
refuse "the probe cannot be enabled" sh -c "echo 1 >$debugfs/probe/late/enable"
same "the probe stays disabled" "$(of late enable)" 0
same "results are right with the native kprobe" "$(ask rktest_functions call alu 10)" "$plain"
same "only the native kprobe is hit" "$(ask rktest_native hits "$place") $(of late hits)" "10 0"
check "the native kprobe can be removed" ask rktest_native del "$place"
wait_for "our probe can be enabled" enable_late 2>/dev/null
same "results are right with our probe" "$(ask rktest_functions call alu 10)" "$plain"
same "our probe is hit" "$(of late hits)" 10
flush

# D7: a probe is disabled and enabled again before the next pass: the jump stays, and the listed state is the state in the text.
same "our probe is optimized" "$(of late state)" optimized
echo 0 >"$debugfs/probe/late/enable"
echo 1 >"$debugfs/probe/late/enable"
check "the text has the jump after disabling and enabling" jump late
flush
same "the probe is optimized after the next pass" "$(of late state)" optimized
check "the text has the jump after the next pass" jump late
check "our probe can be removed" remove late
flush
check "a native kprobe can be registered" ask rktest_neighbours flip on rktest_alu 0
wait_for "the native kprobe becomes a jump" first_byte_is e9
check "the native kprobe can be disabled and enabled" ask rktest_neighbours flip again
listed=$(grep -c 'rktest_alu+0x0.*\[OPTIMIZED\]' /sys/kernel/debug/kprobes/list)
said "$listed $(ask rktest_neighbours flip first)" "1 e9"
check "the native kprobe can be unregistered" ask rktest_neighbours flip off
wait_for "the address is free" add free $alu 2>/dev/null
check "our probe at the free address can be removed" remove free
flush
same "the text is as at the beginning after the native kprobe" "$(ask rktest_functions text alu)" "$text"

# D9: a probed LOOP counts as the processor does.
for lane in int3 jump; do
	[ $lane = jump ] || echo 0 >"$debugfs/optimization"
	check "a probe can be added on LOOP, $lane" add loop rktest_neighbours:rktest_loop+8
	flush
	for count in 1 2 100; do
		same "LOOP counts to $count, $lane" "$(ask rktest_neighbours loop $count)" $count
	done
	same "each LOOP is a hit, $lane" "$(of loop hits)" 103
	check "the probe on LOOP can be removed" remove loop
	echo 1 >"$debugfs/optimization"
	flush
done
place=$(ask rktest_native add rktest_loop 8) || fail "a native kprobe cannot be registered on LOOP"
said "LOOP counts to $(ask rktest_neighbours loop 100)" "LOOP counts to 100"
check "the native kprobe on LOOP can be unregistered" ask rktest_native del "$place"

# D10: a probed RET with an operand takes the arguments off the stack.
right=$(ask rktest_neighbours ret)
same "RET 16 leaves a right stack without a probe" "$right" 0
check "a probe can be added on RET 16" add ret rktest_neighbours:rktest_ret_imm+1
same "RET 16 leaves a right stack with our probe" "$(ask rktest_neighbours ret)" "$right"
same "RET 16 is a hit" "$(of ret hits)" 1
check "the probe on RET 16 can be removed" remove ret
if place=$(ask rktest_native add rktest_ret_imm 1 2>/dev/null); then
	said "RET 16 leaves the stack wrong by $(ask rktest_neighbours ret)" "RET 16 leaves the stack wrong by $right"
	same "the native kprobe on RET 16 is hit" "$(ask rktest_native hits "$place")" 1
	check "the native kprobe on RET 16 can be unregistered" ask rktest_native del "$place"
else
	echo "native kprobes refuse RET 16 here"
fi
