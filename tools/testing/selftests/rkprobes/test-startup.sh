#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Text that a CPU runs without an interrupt table, or when it is dead, takes no probe. The text next to it takes probes, and a
# CPU goes offline and comes back with int3s and with jumps there.
. ./functions.sh

cpu=/sys/devices/system/cpu/cpu1/online
[ -e $cpu ] || skip "no CPU can go offline"
load_mod rkprobes
refuse "all of this text was found when the module was loaded" \
	sh -c "dmesg | grep -q 'cannot find all that runs \(without an interrupt table\|on a dead CPU\)'"
echo 0 >"$debugfs/optimization"

# reserved REASON SYMBOL...: no byte of these functions takes a probe, and REASON says why. A function that the kernel lacks is ignored.
reserved() {
	reason=$1
	shift
	for symbol in "$@"; do
		[ -n "$(address "$symbol")" ] || continue
		seq 0 63 | sed "s/.*/p:x& $symbol+&/" | write_probes >/dev/null
		same "places of $symbol that are refused" "$(grep -c "$symbol" "$debugfs/errors")" 64
		check "the reason of $symbol" grep -q "$symbol+0: .*$reason" "$debugfs/errors"
	done
}

reserved "runs without an interrupt table" secondary_startup_64 early_setup_idt start_secondary cr4_init cpu_init_exception_handling \
	load_current_idt wakeup_long64 do_suspend_lowlevel restore_processor_state restore_registers core_restore_code restore_image machine_kexec
reserved "runs on a CPU that is dead" native_play_dead play_dead_common cpuhp_ap_report_dead hlt_play_dead mwait_play_dead
same "no probe is left" "$(stat_of probes)" 0

# What start_secondary calls next, and what a CPU that goes offline runs last: a probe at the first place of each that is accepted.
near=0
for symbol in load_ucode_ap cpuhp_ap_sync_alive cpu_init fpu__init_cpu identify_secondary_cpu notify_cpu_starting check_tsc_sync_target \
	cpuhp_report_idle_dead idle_task_exit rcutree_report_cpu_dead native_cpu_disable; do
	[ -n "$(address $symbol)" ] || continue
	for offset in $(seq 9 32); do
		if add $symbol $symbol+"$offset" 2>/dev/null; then
			near=$((near + 1))
			break
		fi
	done
done
check "probes on the functions next to it" [ $near -ge 4 ]
for state in int3 jump; do
	for round in 1 2 3; do
		check "CPU 1 goes offline with ${state}s, round $round" sh -c "echo 0 >$cpu"
		check "it comes back" sh -c "echo 1 >$cpu"
	done
	hits=$(cat "$debugfs"/probe/*/hits | awk '{ sum += $1 } END { print sum }')
	check "probes were hit as $state" [ "$hits" -ge $((3 * near / 2)) ]
	echo 1 >"$debugfs/optimization"
	flush
done
