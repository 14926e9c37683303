#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The rules of delayed optimizing and unoptimizing. Each is seen in the text. With a delay of a minute the optimizer does nothing on its own:
# only the commands change something, and a flush is a pass. The rule of post_handlers is in test-api, the rule of modules in test-module.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes optimize_delay=15000
at=rktest_functions:rktest_alu
text=$(ask rktest_functions text alu)
plain=$(ask rktest_functions call alu 5)

# looks NAME STATE SHAPE WHEN: the probe has this state, and its bytes in the text have this shape.
looks() {
	same "the state of $1 is $2 $4" "$(of "$1" state)" "$2"
	check "the bytes in the text are right for $3 $4" "$3" "$1"
}

# Only the first byte is compared, because an int3 of another probe may follow.
starts_int3() {
	[ "$(bytes "$1" current | cut -c1-2)" = cc ]
}

starts_original() {
	[ "$(bytes "$1" current | cut -c1-2)" = "$(bytes "$1" original | cut -c1-2)" ]
}

off() {
	echo 0 >"$debugfs/probe/$1/enable"
}

on() {
	echo 1 >"$debugfs/probe/$1/enable"
}

# no_pass WHEN, no_poke WHEN: there was no pass, or no sync round, since mark.
mark() {
	passes=$(stat_of passes)
	rounds=$(stat_of sync_rounds)
}

no_pass() {
	same "there was no pass $1" "$(stat_of passes)" "$passes"
}

no_poke() {
	same "there was no sync round $1" "$(stat_of sync_rounds)" "$rounds"
}

# Rule 1: disabling a site that is queued to become a jump takes it off the queue. Disabling a jump queues it to be unoptimized.
check "a probe can be added" add a "$at"
looks a optimizing int3 "when it is queued"
mark
off a
looks a disabled original "when it is taken off the queue"
no_pass "for that"
on a
flush
looks a optimized jump "after a pass"
off a
looks a unoptimizing jump "when it is queued to be unoptimized"

# Rule 11: the jump of a disabled probe stays until a pass, and runs no handler.
hits=$(of a hits)
same "results are right with the jump of a disabled probe" "$(ask rktest_functions call alu 5)" "$plain"
same "a call through that jump is no hit" "$(of a hits)" "$hits"

# Rule 2: enabling a site that is queued to be unoptimized takes it off the queue. The jump stays.
mark
on a
looks a optimized jump "when the jump stays"
no_poke "for that"
no_pass "for that"
same "results are right with the jump that stays" "$(ask rktest_functions call alu 5)" "$plain"
same "each call is a hit of the jump that stays" "$(of a hits)" $((hits + 5))

# Rule 3: a neighbour forces a jump back at once. If its probe is disabled, the site is disarmed in that step.
off a
looks a unoptimizing jump "before it is forced"
mark
check "a probe can be added in its region" add b "$at+2"
looks a disabled starts_original "when it is forced"
same "the probe that forced it is queued to become a jump" "$(of b state)" optimizing
no_pass "for that"
on a
looks a armed starts_int3 "with another probe in its region"

# Rule 7: a neighbour is optimized again when the probe that blocked it is removed, and is forced back when such a probe is added.
flush
looks a armed starts_int3 "after a pass with another probe in its region"
refuse "the blocked probe has a reason" [ "$(of a reason)" = - ]
same "each call is a hit of the blocker" "$(ask rktest_functions call alu 5 >/dev/null; of b hits)" 5
check "the blocker can be removed" remove b
flush
looks a optimized jump "after the blocker is removed"
mark
check "the blocker can be added again" add b "$at+2"
looks a armed starts_int3 "when the blocker is added"
no_pass "for that"
off b
flush
looks a optimized jump "with the blocker disabled"
on b
looks a armed starts_int3 "with the blocker enabled"
check "the blocker can be removed again" remove b
flush

# Rule 9: the site of a removed probe that is still a jump is revived by the next probe at its address.
looks a optimized jump "before it is removed"
mark
check "the probe with the jump can be removed" remove a
same "the site of the removed probe is queued to be unoptimized" "$(stat_of unoptimizing)" 1
check "a new probe can be added at its address" add c "$at"
looks c optimized jump "when it is revived"
no_poke "for that"
no_pass "for that"
same "results are right with the revived site" "$(ask rktest_functions call alu 5)" "$plain"
same "each call is a hit of the new probe" "$(of c hits)" 5

# Rule 10: the removal of the last probe disarms an int3 at once. A jump is left to the pass.
check "the probe of the revived jump can be removed" remove c
refuse "the text still has the jump" [ "$(ask rktest_functions text alu)" = "$text" ]
flush
same "the text is as at the beginning after the pass" "$(ask rktest_functions text alu)" "$text"
check "a probe can be added as an int3" add d "$at"
mark
check "the probe with the int3 can be removed" remove d
same "the text is as at the beginning at once" "$(ask rktest_functions text alu)" "$text"
no_pass "for that"

# Rules 4 and 5: many changes are one pass, started once.
flush
mark
for offset in 0 7 15 26 34 43 52; do
	check "a probe can be added at +$offset" add "n$offset" "$at+$offset"
done
no_pass "before the delay is over"
# Rule 6: a flush does not wait for the delay, and ends after a whole pass.
begin=$(cut -d. -f1 /proc/uptime)
flush
check "a flush does not wait for the delay" [ $(($(cut -d. -f1 /proc/uptime) - begin)) -lt 20 ]
same "the flush was one pass" "$(stat_of passes)" $((passes + 1))
same "all seven sites are jumps" "$(stat_of optimized)" 7
flush
same "another flush is another pass" "$(stat_of passes)" $((passes + 2))

# Rule 12: after a write of 0 to "optimization", all jumps are turned back when the write returns. The switch "enabled" disarms all probes alike.
echo 0 >"$debugfs/optimization"
same "no site is a jump when optimization is off" "$(stat_of optimized) $(stat_of unoptimizing) $(stat_of armed)" "0 0 7"
check "the text has an int3 when optimization is off" int3 n7
flush
same "no site is a jump after a pass with optimization off" "$(stat_of optimized)" 0
echo 1 >"$debugfs/optimization"
flush
same "all sites are jumps again" "$(stat_of optimized)" 7
echo 0 >"$debugfs/enabled"
same "the text is as at the beginning when all probes are disarmed" "$(ask rktest_functions text alu)" "$text"
flush
same "a pass arms no probe when all are disarmed" "$(ask rktest_functions text alu)" "$text"
echo 1 >"$debugfs/enabled"
flush
same "all sites are jumps after all probes were disarmed" "$(stat_of optimized)" 7
same "results are right with seven jumps" "$(ask rktest_functions call alu 5)" "$plain"
unload_mod rkprobes
same "the text is as at the beginning after rkprobes is unloaded" "$(ask rktest_functions text alu)" "$text"
