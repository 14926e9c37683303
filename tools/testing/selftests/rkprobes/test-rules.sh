#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The rules of delayed optimizing and unoptimizing, each seen in the text. A delay of a minute keeps the optimizer away: nothing happens between
# two commands but what the command itself does; a flush is a pass. A post_handler's rule is in test-api, a module's in test-module.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes optimize_delay=15000
at=rktest_functions:rktest_alu
text=$(ask rktest_functions text alu)
plain=$(ask rktest_functions call alu 5)

# looks NAME STATE SHAPE WHEN
looks() {
	same "state $4" "$(of "$1" state)" "$2"
	check "$3 $4" "$3" "$1"
}

# The first bytes alone: behind them there may be the int3 of another.
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

# no_pass, no_poke: not since mark.
mark() {
	passes=$(stat_of passes)
	rounds=$(stat_of sync_rounds)
}

no_pass() {
	same "no pass $1" "$(stat_of passes)" "$passes"
}

no_poke() {
	same "no poke $1" "$(stat_of sync_rounds)" "$rounds"
}

# Rule 1: what is queued to become a jump is only taken off the queue; a jump is queued to go.
check "add" add a "$at"
looks a optimizing int3 "when queued"
mark
off a
looks a disabled original "when taken off the queue"
no_pass "for that"
on a
flush
looks a optimized jump "after a pass"
off a
looks a unoptimizing jump "when queued to go"

# Rule 11: the jump is still there, but runs no handler.
hits=$(of a hits)
same "results through a disabled jump" "$(ask rktest_functions call alu 5)" "$plain"
same "hits of a disabled jump" "$(of a hits)" "$hits"

# Rule 2: what is queued to go is only taken off the queue: the jump stays.
mark
on a
looks a optimized jump "when it stays"
no_poke "for that"
no_pass "for that"
same "results through the jump that stays" "$(ask rktest_functions call alu 5)" "$plain"
same "hits of the jump that stays" "$(of a hits)" $((hits + 5))

# Rule 3: forced, it goes at once, and a disabled one is disarmed in the same step.
off a
looks a unoptimizing jump "before it is forced"
mark
check "add in its region" add b "$at+2"
looks a disabled starts_original "when forced"
same "the one that forced it may become a jump" "$(of b state)" optimizing
no_pass "for that"
on a
looks a armed starts_int3 "with another in its region"

# Rule 7: the neighbour is optimized again when what blocked it goes, and goes when it comes.
flush
looks a armed starts_int3 "after a pass with another in its region"
refuse "it has a reason" [ "$(of a reason)" = - ]
same "hits of both" "$(ask rktest_functions call alu 5 >/dev/null; of b hits)" 5
check "remove the blocker" remove b
flush
looks a optimized jump "after the blocker is gone"
mark
check "add the blocker again" add b "$at+2"
looks a armed starts_int3 "when the blocker came"
no_pass "for that"
off b
flush
looks a optimized jump "with the blocker disabled"
on b
looks a armed starts_int3 "with the blocker enabled"
check "remove it" remove b
flush

# Rule 9: a removed one that is still a jump is revived by the next one at its address.
looks a optimized jump "before it is removed"
mark
check "remove" remove a
same "its site is queued to go" "$(stat_of unoptimizing)" 1
check "a new one at its address" add c "$at"
looks c optimized jump "when revived"
no_poke "for that"
no_pass "for that"
same "results of the revived one" "$(ask rktest_functions call alu 5)" "$plain"
same "hits of the revived one" "$(of c hits)" 5

# Rule 10: the last removal of an int3 disarms at once, that of a jump leaves it to the pass.
check "remove the jump" remove c
refuse "the jump is still there" [ "$(ask rktest_functions text alu)" = "$text" ]
flush
same "the text after the pass" "$(ask rktest_functions text alu)" "$text"
check "add an int3" add d "$at"
mark
check "remove the int3" remove d
same "the text at once" "$(ask rktest_functions text alu)" "$text"
no_pass "for that"

# Rules 4 and 5: many changes are one pass, started once.
flush
mark
for offset in 0 7 15 26 34 43 52; do
	check "add at +$offset" add "n$offset" "$at+$offset"
done
no_pass "before the delay is over"
# Rule 6: a flush cuts the delay short and ends behind a whole pass.
begin=$(cut -d. -f1 /proc/uptime)
flush
check "a flush does not wait for the delay" [ $(($(cut -d. -f1 /proc/uptime) - begin)) -lt 20 ]
same "one pass" "$(stat_of passes)" $((passes + 1))
same "all are jumps" "$(stat_of optimized)" 7
flush
same "another flush is another pass" "$(stat_of passes)" $((passes + 2))

# Rule 12: off means that all are turned back when the write returns; all disarmed as well.
echo 0 >"$debugfs/optimization"
same "no jump when optimization is off" "$(stat_of optimized) $(stat_of unoptimizing) $(stat_of armed)" "0 0 7"
check "int3 when optimization is off" int3 n7
flush
same "nor after a pass" "$(stat_of optimized)" 0
echo 1 >"$debugfs/optimization"
flush
same "all are jumps again" "$(stat_of optimized)" 7
echo 0 >"$debugfs/enabled"
same "the text when all are disarmed" "$(ask rktest_functions text alu)" "$text"
flush
same "nor are they armed by a pass" "$(ask rktest_functions text alu)" "$text"
echo 1 >"$debugfs/enabled"
flush
same "jumps after all were disarmed" "$(stat_of optimized)" 7
same "results with seven jumps" "$(ask rktest_functions call alu 5)" "$plain"
unload_mod rkprobes
same "the text in the end" "$(ask rktest_functions text alu)" "$text"
