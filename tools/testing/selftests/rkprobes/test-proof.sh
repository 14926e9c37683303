#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# An eligible site is a safe site. Each instruction of busy functions of fs, mm, net, sched and lib is probed, and becomes a jump if rkprobes
# calls it optimizable. Many are probed at a time, under a load that runs them. Afterwards all bytes are the original ones, and the kernel does
# not complain. The test is slow in an emulator, so it runs on demand: rk.proof=FUNCTIONS (for example 300), rk.limit=SECONDS (2400) and
# rk.seed=N on the kernel command line.
. ./functions.sh

parameter() {
	sed -n "s/.*\\brk.$1=\\([0-9]*\\).*/\\1/p" /proc/cmdline
}

wanted=$(parameter proof)
[ -n "$wanted" ] || skip "this test is slow: it needs rk.proof=FUNCTIONS on the kernel command line"
seed=$(parameter seed)
seed=${seed:-2010}
work=/tmp/rkprobes-proof.$$
mkdir "$work"

# said NAME: prints a value of the last answer.
said() {
	echo "$answer" | sed -n "s/^$1 //p"
}

# run COMMAND...: runs a command of the test module. "said" reads its answer.
run() {
	answer=$(ask rktest_proof "$@") || {
		cat /sys/module/rktest_proof/parameters/command
		fail "the command fails: $*"
	}
}

# candidates_of_parts: prints the functions of the parts of the kernel, as lines for the test module. A part begins at its first symbol and ends
# at the first symbol after it.
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

# load KIND: runs until the file "stop" exists, and counts its turns.
load() {
	turns=0
	until [ -e "$work/stop" ]; do
		"$1"
		turns=$((turns + 1))
		# The file is renamed, so that a reader never sees half a number.
		echo "$turns" >"$work/new.$1"
		mv "$work/new.$1" "$work/turns.$1"
	done
}

loads="files tasks net"

# a_turn: waits until each load has made a whole turn that began after the call. If it does not, the test ends by its time.
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

# The loads end before the test, also when it fails.
# shellcheck disable=SC2317 # called by the trap
finish() {
	finish_status=$?
	stop_loads
	rm -r "$work"
	(exit "$finish_status")
	at_exit
}
trap finish EXIT

ip link set lo up || skip "this kernel has no loopback network"
candidates_of_parts >"$work/candidates"
same "there are functions of each part of the kernel" "$(cut -d' ' -f2 "$work/candidates" | sort -u | tr '\n' ' ')" "fs lib mm net sched "
for kind in $loads; do
	echo 0 >"$work/turns.$kind"
	load "$kind" >/dev/null 2>&1 &
done

# With a long delay the optimizer works in a flush only. The queued sites are the sites that were called optimizable.
load_mod rkprobes optimize_delay=15000000
load_mod rktest_proof
while read -r line; do
	echo "$line" >/sys/module/rktest_proof/parameters/command || fail "the candidates are refused"
done <"$work/candidates"
run watch
pass "$(said candidates) functions are watched"
a_turn
run choose "$wanted" "$seed"
same "enough functions are busy, of these parts: $(echo "$answer" | tr '\n' ' ')" "$(said functions)" "$wanted"
run learn
pass "the functions have $(said boundaries) boundaries in $(said bytes) bytes"

rounds=0 probed=0 optimized=0 hit=0 int3_hits=0 jump_hits=0
while run round && [ "$(said registered)" != 0 ]; do
	registered=$(said registered)
	optimizing=$(stat_of optimizing)
	a_turn
	run jumps
	same "no site is a jump before the pass of round $rounds" "$(said jumps)" 0
	flush
	run jumps
	same "each optimizable site of the $registered probes of round $rounds is a jump" "$(said jumps) $(stat_of optimized)" "$optimizing $optimizing"
	int3_hits=$((int3_hits + $(said int3_hits)))
	a_turn
	run end
	same "each function has its original bytes after round $rounds" "$(said differing)" 0
	rounds=$((rounds + 1)) probed=$((probed + registered)) optimized=$((optimized + $(said jumps)))
	hit=$((hit + $(said jumps_hit))) jump_hits=$((jump_hits + $(said jump_hits)))
done
stop_loads
check "more than 80 % of the boundaries became jumps" [ $((optimized * 10)) -gt $((probed * 8)) ]
check "more than 30 % of the jumps were taken" [ $((hit * 10)) -gt $((optimized * 3)) ]
for left in probes sites foreign_text; do
	same "stats has $left 0" "$(stat_of $left)" 0
done
pass "the proof is complete: functions=$wanted boundaries=$probed optimized=$optimized jumps_hit=$hit int3_hits=$int3_hits jump_hits=$jump_hits rounds=$rounds"
