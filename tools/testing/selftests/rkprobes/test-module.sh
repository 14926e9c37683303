#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Probes in a module that is unloaded, loaded again, and in its init text, which is freed when it has run.
. ./functions.sh

load_mod rkprobes

load_mod rktest_victim
plain=$(ask rktest_victim call 10)
check "add at the end" add one rktest_victim:rktest_victim_work+10
check "add an instruction as long as a jump" add two rktest_victim:rktest_victim_work+4
flush
same "results" "$(ask rktest_victim call 10)" "$plain"
same "hits" "$(of two hits)" 10
check "[rktest_victim] in the list" grep -q 'rktest_victim_work+0x[0-9a-f]*.*\[rktest_victim\]' "$debugfs/list"

unload_mod rktest_victim
same "state after unload" "$(of two state)" gone
same "state of the other" "$(of one state)" gone
same "[GONE] in the list" "$(grep -c '\[GONE\]' "$debugfs/list")" 2
same "reason" "$(of two reason)" "its text was unloaded"
refuse "enable what is gone" sh -c "echo 1 >$debugfs/probe/two/enable"
flush
same "hits are kept" "$(of two hits)" 10

load_mod rktest_victim
same "still gone after the module came back" "$(of two state)" gone
same "results of the new text" "$(ask rktest_victim call 10)" "$plain"
same "no new hits" "$(of two hits)" 10
check "remove what is gone" remove two
check "remove the other" remove one
check "add in the new text" add two rktest_victim:rktest_victim_work+4
same "results with it" "$(ask rktest_victim call 10)" "$plain"
same "its hits" "$(of two hits)" 10

# Unload with a removal on its way, then with the probe disabled.
flush
check "remove a jump" remove two
unload_mod rktest_victim
flush
same "no site left" "$(stat_of sites)" 0
load_mod rktest_victim
check "add once more" add two rktest_victim:rktest_victim_work+4
echo 0 >"$debugfs/probe/two/enable"
unload_mod rktest_victim
same "a disabled one is gone, too" "$(of two state)" gone
check "and removed" remove two

# Unload with two at one address, as a jump, one of them disabled; they go in either order.
for first in one two; do
	load_mod rktest_victim
	check "add one" add one rktest_victim:rktest_victim_work+4
	check "and another there" add two rktest_victim:rktest_victim_work+4
	echo 0 >"$debugfs/probe/two/enable"
	flush
	same "results with both" "$(ask rktest_victim call 10)" "$plain"
	unload_mod rktest_victim
	same "both are gone" "$(of one state) $(of two state)" "gone gone"
	check "remove $first first" remove $first
	check "remove the rest" remove "$(ls "$debugfs/probe")"
	flush
	same "no site is left" "$(stat_of sites)" 0
done

# The init function waits for its release; its module is not live before.
insmod "$(module_file rktest_victim)" hold=1 &
loader=$!
wait_for "the init function runs" [ -e /sys/module/rktest_victim/parameters/release ]
check "add in init text" add start rktest_victim:rktest_victim_start+4
check "and in the module's other text" add two rktest_victim:rktest_victim_work+4
flush
echo 1 >/sys/module/rktest_victim/parameters/release
check "the module loads" wait "$loader"
loaded="rktest_victim $loaded"
same "the init function's result" "$(cat /sys/module/rktest_victim/parameters/init_result)" $((5 + 0x654321))
same "its probe was hit" "$(of start hits)" 1
same "and is gone" "$(of start state)" gone
refuse "the other is not" state_is two gone
same "results with the other" "$(ask rktest_victim call 10)" "$plain"
flush
refuse "nor after a pass" state_is two gone
same "its hits go on" "$(of two hits)" 10
unload_mod rktest_victim
