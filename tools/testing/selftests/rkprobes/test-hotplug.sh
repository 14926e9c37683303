#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A CPU that goes offline still runs kernel text when RCU does not wait for it any more: unregister waits for a handler there on every lane.
. ./functions.sh

cpu=/sys/devices/system/cpu/cpu1/online
[ -e $cpu ] || skip "no CPU can go offline"
load_mod rkprobes
load_mod rktest_hotplug

# Such a CPU calls this function last: kernel/cpu.c:cpuhp_report_idle_dead.
symbol=smp_call_function_single

# waits LANE: CPU 1 goes offline, and the probe is unregistered while its handler runs there.
waits() {
	echo 0 >$cpu &
	offline=$!
	check "unregister, $1" ask rktest_hotplug remove
	same "runs of the handler there, and those that have not ended, $1" "$(cat /sys/module/rktest_hotplug/parameters/command)" "1 0"
	check "the CPU is offline" wait "$offline"
	echo 1 >$cpu
	flush
}

check "a probe at the entry" ask rktest_hotplug watch $symbol 0
waits ftrace

# The first place after the entry that can be a jump.
for offset in $(seq 9 40); do
	add jump "$symbol+$offset" 2>/dev/null || continue
	flush
	state_is jump optimized && break
	remove jump
done
state_is jump optimized || skip "no jump near the beginning of $symbol"
remove jump
flush
check "a probe beside the entry" ask rktest_hotplug watch $symbol "$offset"
flush
check "a jump" grep -q "$symbol+.*\[OPTIMIZED\]" "$debugfs/list"
waits jump

echo 0 >"$debugfs/optimization"
check "another probe, which keeps the int3" add other "$symbol+$offset"
check "a probe beside the entry" ask rktest_hotplug watch $symbol "$offset"
check "an int3" int3 other
waits int3
