#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Random operations on hot sites, from several CPUs at once. When they have ended, nothing is left. Then the time until a site is a jump is
# measured. rk.operations=N and rk.seed=N on the kernel command line set the number of operations and the random numbers.
. ./functions.sh

parameter() {
	sed -n "s/.*\\brk.$1=\\([0-9]*\\).*/\\1/p" /proc/cmdline
}

operations=$(parameter operations)
operations=${operations:-100000}
seed=$(parameter seed)
seed=${seed:-2010}

load_mod rkprobes
load_mod rktest_random

# said NAME: prints a value of the last answer.
said() {
	echo "$answer" | sed -n "s/^$1 //p"
}

# run COMMAND...: runs a command of the test module. Its answer is in the report.
run() {
	answer=$(ask rktest_random "$@") || {
		cat /sys/module/rktest_random/parameters/command
		fail "the command fails: $*"
	}
	pass "the command succeeds: $*: $(echo "$answer" | tr '\n' ' ')"
}

# nothing_left WHEN: nothing is left of the registered probes.
nothing_left() {
	flush
	for left in probes sites armed optimizing optimized unoptimizing freeing missed; do
		same "stats has $left 0 $1" "$(stat_of $left)" 0
	done
	same "no foreign text was found $1" "$(stat_of foreign_text)" "$foreign"
}

foreign=$(stat_of foreign_text)
run random "$operations" "$seed"
check "all operations were made" [ "$(said operations)" -ge "$operations" ]
nothing_left "after the operations"

run exact 500
check "at least 100 sites were jumps while hits were counted" [ "$(said jumps)" -ge 100 ]
nothing_left "after the exact count"

run latency 2
same "200 registrations became jumps" "$(said registrations)" 200
nothing_left "after the single registrations"
