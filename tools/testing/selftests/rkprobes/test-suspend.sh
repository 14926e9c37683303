#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The kernel's own tests of suspend and of hibernation, at all levels, 20 times each (hibernation: 4 times), with entries, int3s, jumps and
# jumps that count, also in the code of suspend and resume itself.
. ./sleep.sh

[ -e $power/pm_test ] || skip "this kernel cannot test suspend: it needs CONFIG_PM_DEBUG"
can state mem || skip "this machine has no suspend to RAM"
[ -z "$(sed -n 's/.*\brk.sleeps=\([0-9]*\).*/\1/p' /proc/cmdline)" ] || skip "test-sleep runs in its place"

delays() {
	for delay in /sys/module/suspend/parameters/pm_test_delay /sys/module/hibernate/parameters/pm_test_delay; do
		[ ! -e $delay ] || echo "$1" >$delay
	done
}
# shellcheck disable=SC2317 # called by the trap
restore() {
	restore_status=$?
	echo none >$power/pm_test
	delays 5
	(exit $restore_status)
	at_exit
}
trap restore EXIT
delays 0

# level LEVEL STATE: suspends up to this level, and resumes.
level() {
	echo "$1" >$power/pm_test && echo "$2" >$power/state
}
# suspend_all, hibernate_all: each level once. The last two levels are for suspend to RAM only.
suspend_all() {
	for name in freezer devices platform; do
		level $name freeze || return 1
	done
	for name in freezer devices platform processors core; do
		level $name mem || return 1
	done
}
hibernate_all() {
	for name in freezer devices platform processors core; do
		level $name disk || return 1
	done
}
first() {
	suspend_all && { ! can state disk || hibernate_all; }
}

prepare first
repeat 7 "all levels of suspend to idle and to RAM" suspend_all
if can state disk; then
	repeat 2 "all levels of hibernation" hibernate_all
else
	omit "hibernation" "this kernel cannot hibernate"
fi
all_int3s
repeat 7 "all levels of suspend to idle and to RAM, with int3s only" suspend_all
! can state disk || repeat 1 "all levels of hibernation, with int3s only" hibernate_all
all_jumps
repeat 6 "all levels of suspend to idle and to RAM, with jumps" suspend_all
! can state disk || repeat 1 "all levels of hibernation, with jumps" hibernate_all
finish
