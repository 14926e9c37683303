#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Probes that only count: hits equal calls exactly as int3, as a jump that counts inline and as one that calls a handler, and through
# whatever changes between these. A delay of a minute keeps the optimizer away: nothing happens between two commands but what the
# command itself does; a flush is a pass.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes optimize_delay=15000
cpus=$(grep -c '^processor' /proc/cpuinfo)
plain=$(ask rktest_functions call alu 10)
text=$(ask rktest_functions text alu)

# count NAME TARGET: a probe that only counts.
count() {
	echo "c:$1 $2" >"$debugfs/probes"
}

switch() {
	echo "$2" >"$debugfs/probe/$1/enable"
}

# calls NAME, counts NAME: where does its jump go? Slots begin at multiples of 32, and
# the detour that calls at the ninth byte.
calls() {
	jump "$1" && case $(sed -n 's/^detour //p' "$debugfs/probe/$1/text") in *[02468ace]8) ;; *) return 1 ;; esac
}

counts() {
	jump "$1" && ! calls "$1"
}

# hits WHEN NAME=HITS...: ten calls have the results that they have without probes, and then the hits are these.
hits() {
	hits_when=$1
	shift
	same "results $hits_when" "$(ask rktest_functions call alu 10)" "$plain"
	for hits_of; do
		same "hits of ${hits_of%=*} $hits_when" "$(of "${hits_of%=*}" hits)" "${hits_of#*=}"
	done
}

# At +0 ADD overwrites the flags, at +7 ADC uses them.
for offset in 0 7; do
	at=rktest_functions:rktest_alu+$offset
	where="at +$offset"

	# One probe through its states.
	check "add $where" count a $at
	same "it is a c line $where" "$(cat "$debugfs/probes")" "c:a $at"
	check "an int3 $where" int3 a
	hits "of an int3 $where" a=10
	flush
	check "a jump that counts $where" counts a
	same "its state $where" "$(of a state) $(of a reason)" "optimized -"
	hits "of a jump $where" a=20
	switch a 0
	check "a disabled jump $where" counts a
	hits "of a disabled jump $where" a=20
	switch a 1
	check "the jump stays $where" counts a
	hits "of the jump that stays $where" a=30
	switch a 0
	flush
	check "the original bytes $where" original a
	hits "of original bytes $where" a=30
	switch a 1
	hits "of an int3 that waits $where" a=40
	flush
	hits "of the next jump $where" a=50
	echo 0 >"$debugfs/optimization"
	check "an int3 without optimization $where" int3 a
	hits "of that $where" a=60
	echo 1 >"$debugfs/optimization"
	flush
	echo 0 >"$debugfs/enabled"
	hits "with all disarmed $where" a=60
	echo 1 >"$debugfs/enabled"
	flush
	hits "with all armed again $where" a=70

	# Two share one increment, and each has its own hits.
	check "add another $where" count b $at
	check "the jump still counts $where" counts b
	hits "of both $where" a=80 b=10
	switch a 0
	hits "of one $where" a=80 b=20
	switch a 1
	switch b 0
	hits "of the other $where" a=90 b=20
	switch b 1
	hits "of both again $where" a=100 b=30

	# Rule 14: a handler takes such a jump out at once, and leaves its own one behind.
	check "add one with a handler $where" add h $at
	check "an int3 at once $where" int3 a
	same "it is queued $where" "$(of h state)" optimizing
	hits "of an int3 for three $where" a=110 b=40 h=10
	flush
	check "a jump that calls $where" calls h
	hits "of a jump for three $where" a=120 b=50 h=20
	check "remove the handler $where" remove h
	check "its jump stays $where" calls a
	hits "of the jump that it left $where" a=130 b=60
	switch a 0
	switch b 0
	flush
	switch a 1
	flush
	check "the next jump counts $where" counts a
	hits "of that $where" a=140 b=60

	# A handler that is disabled is one all the same.
	switch a 0
	check "add one with a handler again $where" add h $at
	switch h 0
	flush
	switch b 1
	flush
	check "a jump that calls, for one that is disabled $where" calls b
	hits "of that $where" a=140 b=70 h=0
	check "remove it $where" remove h
	check "remove the first $where" remove a
	all=$(stat_of hits)
	check "remove the second $where" remove b
	check "a jump until the pass $where" [ "$(ask rktest_functions text alu)" != "$text" ]
	same "results through it $where" "$(ask rktest_functions call alu 10)" "$plain"
	same "hits of all, removed ones too $where" "$(stat_of hits)" "$all"

	# A dying site that called counts for the next one as soon as it has a new jump.
	check "a new one on the dying site $where" count a $at
	hits "of the new one $where" a=10
	check "remove the new one $where" remove a
	flush
	same "the text $where" "$(ask rktest_functions text alu)" "$text"
	same "sites and slots left $where" "$(stat_of sites) $(stat_of slots)" "0 0"
done

# No register, flag or memory changes: all combinations of the status flags, at a region of one instruction and of several.
for offset in 0 5; do
	check "add at nops +$offset" count quiet rktest_functions:rktest_nothing+$offset
	flush
	check "a jump that counts at nops +$offset" counts quiet
	check "unchanged by it at nops +$offset" ask rktest_functions unchanged nothing 64
	same "its hits at nops +$offset" "$(of quiet hits)" 64
	check "remove at nops +$offset" remove quiet
	flush
done

# From all CPUs at once.
at=rktest_functions:rktest_alu
check "add a hot one" count hot $at
flush
check "it counts" counts hot
same "calls on all CPUs" "$(ask rktest_functions calls alu 20000)" $((cpus * 20000))
same "hits on all CPUs" "$(of hot hits)" $((cpus * 20000))

# While everything about the site changes, no call is lost or counted twice.
total=$(of hot hits)
check "calls in the background" ask rktest_functions start alu
for round in 1 2 3 4 5; do
	check "a second one in round $round" count more $at
	check "a handler in round $round" add handler $at
	check "it takes the jump out in round $round" int3 hot
	flush
	check "a jump that calls in round $round" calls hot
	remove handler
	echo 0 >"$debugfs/optimization"
	check "an int3 in round $round" int3 hot
	remove more
	echo 1 >"$debugfs/optimization"
	flush
	check "a jump that counts in round $round" counts hot
done
called=$(ask rktest_functions stop)
same "hits while it changed" $(($(of hot hits) - total)) "$called"
same "missed" "$(of hot missed)" "recursion 0"
