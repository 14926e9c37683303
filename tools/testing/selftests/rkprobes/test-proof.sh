#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Eligible means safe: every instruction of busy functions of fs, mm, net, sched and lib is probed and becomes a jump if we say that it can,
# many at a time, under a load that runs them. All bytes come back and the kernel does not complain.
# Slow in an emulator, so it runs on demand: rk.proof=FUNCTIONS (300, say), rk.limit=SECONDS (2400) and rk.seed=N on the kernel command
# line.
. ./functions.sh

parameter() {
	sed -n "s/.*\\brk.$1=\\([0-9]*\\).*/\\1/p" /proc/cmdline
}

wanted=$(parameter proof)
[ -n "$wanted" ] || skip "slow: give rk.proof=FUNCTIONS on the kernel command line"
seed=$(parameter seed)
seed=${seed:-2010}
work=/tmp/rkprobes-proof.$$
mkdir "$work"

# said NAME: from the last answer.
said() {
	echo "$answer" | sed -n "s/^$1 //p"
}

# run COMMAND...: the answer is left for said.
run() {
	answer=$(ask rktest_proof "$@") || {
		cat /sys/module/rktest_proof/parameters/command
		fail "$*"
	}
}

# The functions of the parts of the kernel, by the first symbol of each and of what is behind it: lines for the test module.
candidates_of_parts() {
	awk '
		BEGIN {
			begin["wake_q_add"] = "sched"; end["sysrq_sched_debug_show"]
			begin["filemap_check_errors"] = "mm"
			begin["generic_file_open"] = "fs"; end["ipc_addid"]
			begin["sock_register"] = "net"; end["core_restore_code"]
			begin["argv_free"] = "lib"; end["memcpy"]
		}
		function out() { if (line) print "candidates " part line; line = ""; n = 0 }
		NF != 3 || $2 !~ /[tT]/ || $1 == last { next }
		name { line = line " " last "-" $1; if (++n == 100) out(); name = "" }
		$3 in begin || $3 in end { out(); part = begin[$3] }
		{ last = $1 }
		part && $3 !~ /^__(pfx|cfi)_|\.cold/ { name = $3 }
		END { out() }' /proc/kallsyms
}

files() {
	dd if=/dev/zero of="$work/a" bs=4k count=64
	cp "$work/a" "$work/b"
	cat "$work/a" "$work/b" | md5sum
	ln -s b "$work/c"
	ln "$work/b" "$work/d"
	mv "$work/d" "$work/e"
	chmod 600 "$work/e"
	truncate -s 100 "$work/e"
	mkdir -p "$work/f/g/h"
	stat "$work/c" "$work/f"
	rm -r "$work/a" "$work/b" "$work/c" "$work/e" "$work/f"
	find /proc/self /sys/module/rkprobes /sys/kernel/mm -type f
	df
	sync
}

tasks() {
	seq 100 | sort -r | head -n 5
	(sleep 0.01 & wait)
	timeout 0.02 sleep 1
	sh -c 'cat /proc/self/maps /proc/self/status /proc/meminfo /proc/stat'
	taskset 1 ps
	mkfifo "$work/fifo"
	echo through >"$work/fifo" &
	cat "$work/fifo"
	rm "$work/fifo"
	dd if=/dev/zero bs=1M count=4 | dd of=/dev/null bs=64k
}

net() {
	ping -c 1 -W 1 127.0.0.1
	nc -l -p 4711 >"$work/received" &
	until echo over tcp | nc -w 2 127.0.0.1 4711; do
		kill -0 $! || break
	done
	wait $!
	traceroute -n -q 1 -w 1 127.0.0.1
	logger -s rkprobes
	ip addr
	netstat -an
}

# Runs until the file "stop" is there, and counts its turns.
load() {
	turns=0
	until [ -e "$work/stop" ]; do
		"$1"
		turns=$((turns + 1))
		# Whole at any time: somebody reads it.
		echo "$turns" >"$work/new.$1"
		mv "$work/new.$1" "$work/turns.$1"
	done
}

loads="files tasks net"

# a_turn: waits until each load has had a whole turn that began after the call. The test's time is the bound.
a_turn() {
	for kind in $loads; do
		goal=$(($(cat "$work/turns.$kind") + 2))
		until [ "$(cat "$work/turns.$kind")" -ge "$goal" ]; do
			sleep 0.1
		done
	done
}

stop_loads() {
	touch "$work/stop"
	wait
}

# However the test ends: the loads end first.
# shellcheck disable=SC2317 # called by the trap
finish() {
	finish_status=$?
	stop_loads
	rm -r "$work"
	(exit "$finish_status")
	at_exit
}
trap finish EXIT

ip link set lo up || skip "there is no loopback network"
candidates_of_parts >"$work/candidates"
same "parts of the kernel" "$(cut -d' ' -f2 "$work/candidates" | sort -u | tr '\n' ' ')" "fs lib mm net sched "
for kind in $loads; do
	echo 0 >"$work/turns.$kind"
	load "$kind" >/dev/null 2>&1 &
done

# An optimizer that does nothing before it is asked to: what is queued is what was called optimizable.
load_mod rkprobes optimize_delay=15000000
load_mod rktest_proof
while read -r line; do
	echo "$line" >/sys/module/rktest_proof/parameters/command || fail "candidates"
done <"$work/candidates"
run watch
pass "$(said candidates) functions watched"
a_turn
run choose "$wanted" "$seed"
same "functions, of these parts: $(echo "$answer" | tr '\n' ' ')" "$(said functions)" "$wanted"
run learn
pass "$(said boundaries) boundaries in $(said bytes) bytes"

rounds=0 probed=0 optimized=0 hit=0 int3_hits=0 jump_hits=0
while run round && [ "$(said registered)" != 0 ]; do
	registered=$(said registered)
	optimizing=$(stat_of optimizing)
	a_turn
	run jumps
	same "nothing is a jump before the pass" "$(said jumps)" 0
	flush
	run jumps
	same "jumps of the $registered probes of round $rounds" "$(said jumps) $(stat_of optimized)" "$optimizing $optimizing"
	int3_hits=$((int3_hits + $(said int3_hits)))
	a_turn
	run end
	same "texts that are not as before" "$(said differing)" 0
	rounds=$((rounds + 1)) probed=$((probed + registered)) optimized=$((optimized + $(said jumps)))
	hit=$((hit + $(said jumps_hit))) jump_hits=$((jump_hits + $(said jump_hits)))
done
stop_loads
check "most boundaries are jumps" [ $((optimized * 10)) -gt $((probed * 8)) ]
check "most jumps were taken" [ $((hit * 10)) -gt $((optimized * 3)) ]
for left in probes sites foreign_text; do
	same "$left" "$(stat_of $left)" 0
done
pass "proof functions=$wanted boundaries=$probed optimized=$optimized jumps_hit=$hit int3_hits=$int3_hits jump_hits=$jump_hits rounds=$rounds"
