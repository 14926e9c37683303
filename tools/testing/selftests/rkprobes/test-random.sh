#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Random operations on hot sites from several CPUs at once; what is left when it is quiet; how long it takes until a site is a jump.
# rk.operations=N and rk.seed=N on the kernel command line are for other runs.
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

# said NAME: from the last answer.
said() {
	echo "$answer" | sed -n "s/^$1 //p"
}

# run COMMAND...: with its answer in the report.
run() {
	answer=$(ask rktest_random "$@") || {
		cat /sys/module/rktest_random/parameters/command
		fail "$*"
	}
	pass "$*: $(echo "$answer" | tr '\n' ' ')"
}

# Nothing is left of what was registered.
nothing_left() {
	flush
	for left in probes sites armed optimizing optimized unoptimizing freeing missed; do
		same "$left $1" "$(stat_of $left)" 0
	done
	same "foreign text $1" "$(stat_of foreign_text)" "$foreign"
}

foreign=$(stat_of foreign_text)
run random "$operations" "$seed"
check "operations" [ "$(said operations)" -ge "$operations" ]
nothing_left "behind the operations"

run exact 500
check "jumps while they were counted" [ "$(said jumps)" -ge 100 ]
nothing_left "behind the exact count"

run latency 2
same "registrations that became jumps" "$(said registrations)" 200
nothing_left "behind the single registrations"
