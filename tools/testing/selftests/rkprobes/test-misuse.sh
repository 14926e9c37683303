#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The C API used as it must not be: refused with an errno where it can be told, and nothing dies.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes
text=$(ask rktest_functions text alu)
load_mod rktest_misuse
for group in null twice garbage inside work at_once overwritten; do
	group_of rktest_misuse "$group"
done
# Eight calls in each handler; handlers ran five times.
same "calls that were refused in handlers" "$(stat_of refused_in_handlers)" $((5 * 8))
same "no probes are left" "$(stat_of probes)" 0

# left WHAT: the kernel's log has a line for each probe that a module left behind.
left() {
	same "$1" "$(dmesg | sed -n "/$mark/,\$p" | grep -c 'left behind by its module: removed')" "$2"
}

mark="rkprobes: test-misuse at $(cat /proc/uptime)"
echo "$mark" >/dev/kmsg
group_of rktest_misuse leave
same "two probes" "$(stat_of probes)" 2
flush
unload_mod rktest_misuse
same "they went with their module" "$(stat_of probes)" 0
left "a line for each" 2
flush
same "and their sites" "$(stat_of sites)" 0
same "the text is as before" "$(ask rktest_functions text alu)" "$text"
load_mod rktest_misuse early=1
same "one in init data went when that was freed" "$(stat_of probes)" 0
left "a line for it" 3
unload_mod rktest_misuse
flush
same "its site as well" "$(stat_of sites)" 0
unload_mod rkprobes
same "the text in the end" "$(ask rktest_functions text alu)" "$text"
