#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Defects of native kprobes (of 7.3) are not ours: each is tried with ours, which must be right, and then where it can be shown without harm
# with theirs, whose outcome is said and not asserted, for a later kernel may be right. Those of the optimizer are mutants in
# tools/testing/host/mutants.rs as well.
. ./functions.sh

# Others go first when this ends, in whatever way: rkprobes waits for those on its jumps.
# A delay of a minute keeps our optimizer away until it is asked to.
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

# said THEIRS RIGHT: theirs against what is right.
said() {
	if [ "$1" = "$2" ]; then
		pass "native kprobes are right here: $1"
	else
		pass "native kprobes give '$1' instead of '$2'"
	fi
}

first_byte_is() {
	[ "$(ask rktest_functions text alu | cut -c1-2)" = "$1" ]
}

# D4: memory of a jump that was forced back is freed only behind a pass. Forced by a post_handler (rule 8) in the API's tests, by a neighbour
# here; the last probe goes at once.
check "a jump" add outer $alu
flush
same "it is one" "$(of outer state)" optimized
periods=$(stat_of grace_periods)
check "forced back by a neighbour" add inner $alu+2
printf '%s\n' -:outer -:inner >"$debugfs/probes"
refuse "both sites are kept" no_sites
flush
check "until a pass" no_sites
check "which has waited for tasks" [ "$(stat_of grace_periods)" -gt "$periods" ]
same "the text" "$(ask rktest_functions text alu)" "$text"

# D5: removed, and unloaded before the optimizer came: nothing stays at the address. Theirs ends in a warning of the kernel, so it is not tried.
address=$(awk '$3 == "rktest_victim_work" { print $1 }' /proc/kallsyms)
check "in a module" add gone "0x$address"
flush
same "a jump in a module" "$(of gone state)" optimized
check "removed" remove gone
same "on its way out" "$(stat_of unoptimizing)" 1
unload_mod rktest_victim
load_mod rktest_victim
plain_victim=$(ask rktest_victim call 10)
again=$(awk '$3 == "rktest_victim_work" { print $1 }' /proc/kallsyms)
check "the same address, or another: $([ "$address" = "$again" ] && echo the same)" add again "0x$again"
flush
same "a jump again" "$(of again state)" optimized
same "results" "$(ask rktest_victim call 10)" "$plain_victim"
same "hits" "$(of again hits)" 10
check "removed again" remove again
flush
check "no site is left" no_sites

# D6: what cannot be armed is not registered. A native kprobe takes the place between our check and our poke: as if, for all are disarmed.
echo 0 >"$debugfs/enabled"
check "one that is not armed" add late $alu
place=$(ask rktest_native add rktest_alu 0) || fail "a native kprobe in its place"
echo 1 >"$debugfs/enabled"
same "it is not armed" "$(of late state)" disabled
same "and says why" "$(of late reason)" "a kprobe is at this address: remove it first"
echo 0 >"$debugfs/probe/late/enable"
refuse "enabling it fails" sh -c "echo 1 >$debugfs/probe/late/enable"
same "it stays disabled" "$(of late enable)" 0
same "results with theirs" "$(ask rktest_functions call alu 10)" "$plain"
same "their hits" "$(ask rktest_native hits "$place") $(of late hits)" "10 0"
check "theirs goes" ask rktest_native del "$place"
enable_late() {
	echo 1 >"$debugfs/probe/late/enable"
}
wait_for "ours can be enabled" enable_late 2>/dev/null
same "results with ours" "$(ask rktest_functions call alu 10)" "$plain"
same "our hits" "$(of late hits)" 10
flush

# D7: disabled and enabled again before the optimizer came: the jump stays, and what is said is in memory.
same "a jump" "$(of late state)" optimized
echo 0 >"$debugfs/probe/late/enable"
echo 1 >"$debugfs/probe/late/enable"
check "the jump is in memory" jump late
flush
same "and said to be" "$(of late state)" optimized
check "and there after a pass" jump late
check "ours goes" remove late
flush
check "theirs" ask rktest_neighbours flip on rktest_alu 0
wait_for "their jump" first_byte_is e9
check "theirs is disabled and enabled" ask rktest_neighbours flip again
listed=$(grep -c 'rktest_alu+0x0.*\[OPTIMIZED\]' /sys/kernel/debug/kprobes/list)
said "$listed $(ask rktest_neighbours flip first)" "1 e9"
check "theirs goes" ask rktest_neighbours flip off
wait_for "their place to be free" add free $alu 2>/dev/null
check "and ours" remove free
flush
same "the text after all that" "$(ask rktest_functions text alu)" "$text"

# D9: LOOP counts as the processor does.
for lane in int3 jump; do
	[ $lane = jump ] || echo 0 >"$debugfs/optimization"
	check "ours on LOOP, $lane" add loop rktest_neighbours:rktest_loop+8
	flush
	for count in 1 2 100; do
		same "LOOP counts to $count, $lane" "$(ask rktest_neighbours loop $count)" $count
	done
	same "hits of LOOP, $lane" "$(of loop hits)" 103
	check "ours goes from LOOP" remove loop
	echo 1 >"$debugfs/optimization"
	flush
done
place=$(ask rktest_native add rktest_loop 8) || fail "a native kprobe on LOOP"
said "LOOP counts to $(ask rktest_neighbours loop 100)" "LOOP counts to 100"
check "theirs goes from LOOP" ask rktest_native del "$place"

# D10: RET with an operand takes the arguments off the stack.
right=$(ask rktest_neighbours ret)
same "without a probe" "$right" 0
check "ours on RET 16" add ret rktest_neighbours:rktest_ret_imm+1
same "RET 16 with ours" "$(ask rktest_neighbours ret)" "$right"
same "its hit" "$(of ret hits)" 1
check "ours goes from RET" remove ret
if place=$(ask rktest_native add rktest_ret_imm 1 2>/dev/null); then
	said "RET 16 leaves the stack wrong by $(ask rktest_neighbours ret)" "RET 16 leaves the stack wrong by $right"
	same "their hit" "$(ask rktest_native hits "$place")" 1
	check "theirs goes from RET" ask rktest_native del "$place"
else
	pass "native kprobes refuse RET 16 here"
fi
