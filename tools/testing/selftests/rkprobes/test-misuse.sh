#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Wrong use of the C API. It is refused with an errno where the module can detect it, and the kernel goes on.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes
text=$(ask rktest_functions text alu)
load_mod rktest_misuse
for group in null twice garbage inside work at_once overwritten; do
	group_of rktest_misuse "$group"
done
# Each handler makes eight calls, and handlers ran five times.
same "stats counts the calls that were refused in handlers" "$(stat_of refused_in_handlers)" $((5 * 8))
same "no probe is left" "$(stat_of probes)" 0

# left WHAT COUNTS: the kernel's log has a line for each module that left probes behind, with their number.
left() {
	same "$1" "$(dmesg | sed -n "/$mark/,\$s/.*rkprobes: \([0-9]*\) probes were left behind by their module: removed/\1/p" | xargs)" "$2"
}

mark="rkprobes: test-misuse at $(cat /proc/uptime)"
echo "$mark" >/dev/kmsg
group_of rktest_misuse leave
same "the module leaves two probes behind" "$(stat_of probes)" 2
flush
unload_mod rktest_misuse
same "the probes are removed with their module" "$(stat_of probes)" 0
left "the log has one line for the two probes" 2
flush
same "no site of the two probes is left" "$(stat_of sites)" 0
same "the text is as at the beginning" "$(ask rktest_functions text alu)" "$text"
load_mod rktest_misuse early=1
same "a probe in init data is removed when the data is freed" "$(stat_of probes)" 0
left "the log has a line for the probe in init data" "2 1"
unload_mod rktest_misuse
flush
same "no site of the probe in init data is left" "$(stat_of sites)" 0
unload_mod rkprobes
same "the text is as at the beginning after rkprobes is unloaded" "$(ask rktest_functions text alu)" "$text"
