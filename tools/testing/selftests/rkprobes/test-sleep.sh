#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The machine really sleeps: suspend to RAM, suspend to idle, and hibernation with its image restored at once (test_resume), with entries,
# int3s, jumps and jumps that count, also in the code of suspend and resume itself. The real-time clock wakes it. rk.sleeps=N on the kernel
# command line is how often; without it the test is skipped.
. ./sleep.sh

sleeps=$(sed -n 's/.*\brk.sleeps=\([0-9]*\).*/\1/p' /proc/cmdline)
[ -n "$sleeps" ] || skip "this machine would sleep: the test needs rk.sleeps=N on the kernel command line"
alarm=/sys/class/rtc/rtc0/wakealarm
[ -w $alarm ] || skip "no real-time clock can wake this machine"
{ can state mem && can mem_sleep deep; } || skip "this machine has no suspend to RAM"

# An alarm before the machine sleeps would not wake it. Suspending takes less than a second, and more on a busy host.
asleep() {
	echo 0 >$alarm
	echo +5 >$alarm
	echo "$1" >$power/state
}
to_ram() {
	echo deep >$power/mem_sleep
	asleep mem
}
to_idle() { asleep freeze; }

# Each time the disk is new, because the next image would have the pages of the disk with the last image. Nothing else is on it.
take_disk() {
	insmod "$(module_file rktest_brd)" rd_nr=1 rd_size=600000 && mkswap /dev/ram0 >/dev/null && swapon /dev/ram0 &&
		cat /sys/block/ram0/dev >$power/resume && echo test_resume >$power/disk
}
drop_disk() {
	! grep -q ^/dev/ram0 /proc/swaps || swapoff /dev/ram0
	! module_loaded rktest_brd || rmmod rktest_brd
}
to_disk() {
	take_disk && echo disk >$power/state
	to_disk_status=$?
	drop_disk
	return $to_disk_status
}

idle=yes
if ! irq=$(sed -n 's/^ *\([0-9]*\):.*\brtc0$/\1/p' /proc/interrupts) || [ -z "$irq" ]; then
	idle="the real-time clock has no interrupt of its own (hpet=disable)"
else
	load_mod rktest_wake irq="$irq"
fi
disk=yes
if ! can disk test_resume || ! module_file rktest_brd >/dev/null; then
	disk="this kernel has no test_resume, or no disk in memory"
fi
# shellcheck disable=SC2317 # called by the trap
restore() {
	restore_status=$?
	drop_disk
	(exit $restore_status)
	at_exit
}
trap restore EXIT

first() {
	to_ram && { [ "$disk" != yes ] || to_disk; } && { [ "$idle" != yes ] || to_idle; }
}

# asleep_as WHAT: each kind of sleep half of the times.
asleep_as() {
	repeat $(((sleeps + 1) / 2)) "suspend to RAM, $1" to_ram
	[ "$idle" != yes ] || repeat $(((sleeps + 1) / 2)) "suspend to idle, $1" to_idle
	[ "$disk" != yes ] || repeat $(((sleeps + 1) / 2)) "hibernation with test_resume, $1" to_disk
}
prepare first
asleep_as "with jumps and int3s"
all_int3s
asleep_as "with int3s only"
[ "$idle" = yes ] || omit "suspend to idle" "$idle"
[ "$disk" = yes ] || omit "hibernation" "$disk"
finish
