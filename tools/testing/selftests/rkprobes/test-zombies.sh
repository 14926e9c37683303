#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# rkprobes is unloaded while native kprobes are on its jumps. That ends, the log names the places, and the jumps that stay go past rkprobes.
# The name makes this the last test: the entries that it leaves in the blacklist of native kprobes refuse probes in a module that is loaded there.
. ./functions.sh

load_mod rktest_functions
load_mod rktest_native
load_mod rkprobes
results() { echo "$(ask rktest_functions call alu 10) $(ask rktest_functions call mov 10)"; }
texts() { echo "$(ask rktest_functions text alu) $(ask rktest_functions text mov)"; }
plain=$(results)
text=$(texts)

# works WHEN: the results are as without probes.
works() {
	same "results are right $1" "$(results)" "$plain"
}

# is_jump FUNCTION OFFSET
is_jump() { [ "$(ask rktest_functions text "$1" | cut -d" " -f$(($2 + 1)))" = e9 ]; }

uptime_s() { cut -d. -f1 /proc/uptime; }

# The first jump calls a handler, and its region is two instructions. The second one counts, and its region is one instruction.
printf '%s\n' "p:calls rktest_functions:rktest_alu+7" "c:counts rktest_functions:rktest_mov+5" >"$debugfs/probes"
flush
same "both sites are jumps" "$(of calls state) $(of counts state)" "optimized optimized"
first=$(ask rktest_native add rktest_alu 7) || fail "a native kprobe cannot be registered on the jump that calls"
second=$(ask rktest_native add_post rktest_mov 5) || fail "a native kprobe cannot be registered on the jump that counts"
works "with native kprobes on both jumps"
same "the native kprobes and our probes are hit" \
	"$(ask rktest_native hits "$first") $(ask rktest_native hits "$second") $(of calls hits) $(of counts hits)" "10 10 10 10"
# The text of rkprobes is there as well, until it is unloaded.
ranges() { grep -v '\[rkprobes\]' /sys/kernel/debug/kprobes/blacklist | cut -f1 | sort; }
blacklist=$(ranges)

before=$(uptime_s)
unload_mod rkprobes
took=$(($(uptime_s) - before))
check "rkprobes is unloaded in at most 10 s, it took $took s" [ "$took" -le 10 ]
for place in rktest_alu+0x7 rktest_mov+0x5; do
	check "the log names the native kprobe at $place" sh -c \
		"dmesg | grep -q 'our jump at $place .rktest_functions. cannot be removed: a native kprobe with the handler pre_handler+0x0 .rktest_native. is there'"
done
check "the log counts the jumps" sh -c "dmesg | grep -q 'left 2 jumps in the text for good, with 65536 bytes'"
works "with native kprobes on jumps that stay"
same "the native kprobes are hit" "$(ask rktest_native hits "$first") $(ask rktest_native hits "$second")" "20 20"
# The jumps hide what they hid before.
same "native kprobes are refused where they were refused" "$(ranges)" "$blacklist"
refuse "a native kprobe is refused inside a region of a jump that stays" ask rktest_native add rktest_alu 10

check "the native kprobe on the jump that calls can be unregistered" ask rktest_native del "$first"
check "the native kprobe on the jump that counts can be unregistered" ask rktest_native del "$second"
wait_for "the first jump is back" is_jump alu 7
wait_for "the second jump is back" is_jump mov 5
works "with the jumps that stay alone"
place=$(ask rktest_native add rktest_alu 7) || fail "a native kprobe cannot be registered on a jump that stays"
works "with a new native kprobe on a jump that stays"
same "the new native kprobe is hit" "$(ask rktest_native hits "$place")" 10
check "the new native kprobe can be unregistered" ask rktest_native del "$place"
wait_for "the first jump is back again" is_jump alu 7

# rkprobes reads the kernel's blacklist when it is loaded again.
load_mod rkprobes
for place in alu+7 alu+10 alu+12 mov+5 mov+7; do
	refuse "a probe is refused at $place, in a region of a jump that stays" add again "rktest_functions:rktest_$place"
done
works "with rkprobes loaded again"
check "the first jump is as it was" is_jump alu 7
check "the second jump is as it was" is_jump mov 5
unload_mod rkprobes
unload_mod rktest_native
unload_mod rktest_functions
load_mod rktest_functions
same "the functions are as at the beginning when their module is loaded again" "$(texts)" "$text"
works "with the module loaded again"
