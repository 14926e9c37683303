#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Probes that only count. Hits equal calls exactly with an int3, with a jump that counts inline and with a jump that calls a handler, and during
# all changes between these. With a delay of a minute the optimizer does nothing on its own: only the commands change something, and a flush
# is a pass.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes optimize_delay=15000
cpus=$(grep -c '^processor' /proc/cpuinfo)
plain=$(ask rktest_functions call alu 10)
text=$(ask rktest_functions text alu)

# count NAME TARGET: adds a probe that only counts.
count() {
	echo "c:$1 $2" >"$debugfs/probes"
}

switch() {
	echo "$2" >"$debugfs/probe/$1/enable"
}

# calls NAME, counts NAME: true if its jump goes to the detour that calls, or to the code that counts. A slot begins at a multiple of 32. The
# detour that calls begins at the ninth byte of the slot.
calls() {
	jump "$1" && case $(sed -n 's/^detour //p' "$debugfs/probe/$1/text") in *[02468ace]8) ;; *) return 1 ;; esac
}

counts() {
	jump "$1" && ! calls "$1"
}

# hits WHEN NAME=HITS...: makes ten calls. They have the results that they have without probes, and afterwards the probes have these hits.
hits() {
	hits_when=$1
	shift
	same "results are right $hits_when" "$(ask rktest_functions call alu 10)" "$plain"
	for hits_of; do
		same "hits of ${hits_of%=*} are right $hits_when" "$(of "${hits_of%=*}" hits)" "${hits_of#*=}"
	done
}

# At +0 ADD overwrites the flags, at +7 ADC uses them.
for offset in 0 7; do
	at=rktest_functions:rktest_alu+$offset
	where="at +$offset"

	# One probe in each of its states.
	check "a probe can be added $where" count a $at
	same "the file probes has a line of kind c $where" "$(cat "$debugfs/probes")" "c:a $at"
	check "the site is an int3 $where" int3 a
	hits "with an int3 $where" a=10
	flush
	check "the site is a jump that counts $where" counts a
	same "the probe is optimized and has no reason $where" "$(of a state) $(of a reason)" "optimized -"
	hits "with a jump $where" a=20
	switch a 0
	check "the jump stays while the probe is disabled $where" counts a
	hits "with a disabled probe $where" a=20
	switch a 1
	check "the jump stays when the probe is enabled $where" counts a
	hits "with the jump that stayed $where" a=30
	switch a 0
	flush
	check "the text has the original bytes $where" original a
	hits "with the original bytes $where" a=30
	switch a 1
	hits "with an int3 that is queued $where" a=40
	flush
	hits "with the next jump $where" a=50
	echo 0 >"$debugfs/optimization"
	check "the site is an int3 without optimization $where" int3 a
	hits "with an int3 without optimization $where" a=60
	echo 1 >"$debugfs/optimization"
	flush
	echo 0 >"$debugfs/enabled"
	hits "with all probes disarmed $where" a=60
	echo 1 >"$debugfs/enabled"
	flush
	hits "with all probes armed again $where" a=70

	# Two probes share one increment, and each has its own hits.
	check "a second probe can be added $where" count b $at
	check "the jump of both probes counts $where" counts b
	hits "with both probes $where" a=80 b=10
	switch a 0
	hits "with the first probe disabled $where" a=80 b=20
	switch a 1
	switch b 0
	hits "with the second probe disabled $where" a=90 b=20
	switch b 1
	hits "with both probes enabled again $where" a=100 b=30

	# Rule 14: a new handler turns a jump that counts back at once. When the handler is removed, its own jump stays.
	check "a probe with a handler can be added $where" add h $at
	check "the site is an int3 at once $where" int3 a
	same "the site is queued $where" "$(of h state)" optimizing
	hits "with an int3 for three probes $where" a=110 b=40 h=10
	flush
	check "the site is a jump that calls $where" calls h
	hits "with a jump for three probes $where" a=120 b=50 h=20
	check "the probe with the handler can be removed $where" remove h
	check "the jump that calls stays $where" calls a
	hits "with the jump that the handler left $where" a=130 b=60
	switch a 0
	switch b 0
	flush
	switch a 1
	flush
	check "the next jump counts inline $where" counts a
	hits "with the next jump that counts $where" a=140 b=60

	# A disabled probe with a handler prevents a jump that counts, too.
	switch a 0
	check "a probe with a handler can be added again $where" add h $at
	switch h 0
	flush
	switch b 1
	flush
	check "the site is a jump that calls, although the handler is disabled $where" calls b
	hits "with a disabled handler $where" a=140 b=70 h=0
	check "the disabled probe can be removed $where" remove h
	check "the first probe can be removed $where" remove a
	all=$(stat_of hits)
	check "the second probe can be removed $where" remove b
	check "the jump stays in the text until the pass $where" [ "$(ask rktest_functions text alu)" != "$text" ]
	same "results are right through the jump of a removed probe $where" "$(ask rktest_functions call alu 10)" "$plain"
	same "the total of hits keeps the hits of removed probes $where" "$(stat_of hits)" "$all"

	# A site whose probes are removed still has a jump that calls. A new probe there counts by it.
	check "a new probe can be added on the site that is to be freed $where" count a $at
	hits "with the new probe $where" a=10
	check "the new probe can be removed $where" remove a
	flush
	same "the text is as at the beginning $where" "$(ask rktest_functions text alu)" "$text"
	same "no site and no slot is left $where" "$(stat_of sites) $(stat_of slots)" "0 0"
done

# A jump that counts changes no register, flag or memory. All combinations of the status flags, with a region of one instruction and one of
# several.
for offset in 0 5; do
	check "a probe can be added at nops +$offset" count quiet rktest_functions:rktest_nothing+$offset
	flush
	check "the site is a jump that counts at nops +$offset" counts quiet
	check "the jump changes no register, flag or memory at nops +$offset" ask rktest_functions unchanged nothing 64
	same "each call is a hit at nops +$offset" "$(of quiet hits)" 64
	check "the probe can be removed at nops +$offset" remove quiet
	flush
done

# Calls on all CPUs at once.
at=rktest_functions:rktest_alu
check "a probe can be added for calls on all CPUs" count hot $at
flush
check "the site is a jump that counts for calls on all CPUs" counts hot
same "each CPU makes its calls" "$(ask rktest_functions calls alu 20000)" $((cpus * 20000))
same "each call on each CPU is a hit" "$(of hot hits)" $((cpus * 20000))

# While the site changes, no call is lost or counted twice.
total=$(of hot hits)
check "calls run in the background" ask rktest_functions start alu
for round in 1 2 3 4 5; do
	check "a second probe can be added in round $round" count more $at
	check "a probe with a handler can be added in round $round" add handler $at
	check "the handler turns the jump into an int3 in round $round" int3 hot
	flush
	check "the site is a jump that calls in round $round" calls hot
	remove handler
	echo 0 >"$debugfs/optimization"
	check "the site is an int3 in round $round" int3 hot
	remove more
	echo 1 >"$debugfs/optimization"
	flush
	check "the site is a jump that counts in round $round" counts hot
done
called=$(ask rktest_functions stop)
same "hits equal calls while the site changed" $(($(of hot hits) - total)) "$called"
same "no hit was missed" "$(of hot missed)" "recursion 0"
