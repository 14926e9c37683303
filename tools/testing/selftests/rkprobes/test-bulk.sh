#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Many probes in the middle of functions all over the kernel, added and removed in one write each. The number of sync rounds and grace periods
# depends on the number of batches alone. In the end the text has its original bytes.
. ./functions.sh

# A delay of a minute: the optimizer works in a flush only, so that each command's sync rounds and grace periods are known exactly.
load_mod rkprobes optimize_delay=15000
wanted=500
# The kernel pokes up to 256 sites with one set of sync rounds (arch/x86/kernel/alternative.c:TEXT_POKE_ARRAY_MAX).
vector=256
tracing=/sys/kernel/tracing
work=/tmp/rkprobes-bulk.$$
mkdir "$work"

# The function tracer counts what the kernel does: each sync round runs do_sync_core() on each CPU, so also on the first one.
trace_kernel() {
	for traced in do_sync_core synchronize_rcu_tasks; do
		echo $traced >>"$tracing/set_ftrace_filter" || return 1
	done 2>/dev/null
	echo function >"$tracing/current_tracer"
}

# Tracing stops also when the test fails.
stop_tracing() {
	echo nop >"$tracing/current_tracer"
	echo >"$tracing/set_ftrace_filter"
	echo >"$tracing/trace"
}

# shellcheck disable=SC2317 # called by the trap
finish() {
	finish_status=$?
	[ -z "$kernel_counts" ] || stop_tracing
	(exit "$finish_status")
	at_exit
}

kernel_counts=
if [ -e "$tracing/current_tracer" ] && trace_kernel; then
	kernel_counts=yes
	trap finish EXIT
else
	omit "the kernel's own count of sync rounds and grace periods" "the function tracer cannot trace do_sync_core and synchronize_rcu_tasks"
fi

# counted WHAT ROUNDS GRACE_PERIODS COMMAND...: the command needs exactly that many, by our counters and by the kernel's calls.
counted() {
	what=$1 right_rounds=$2 right_waits=$3
	shift 3
	[ -z "$kernel_counts" ] || echo >"$tracing/trace"
	rounds=$(stat_of sync_rounds) waits=$(stat_of grace_periods)
	"$@" || fail "$what"
	rounds=$(($(stat_of sync_rounds) - rounds)) waits=$(($(stat_of grace_periods) - waits))
	same "$what: sync rounds" "$rounds" "$right_rounds"
	same "$what: grace periods" "$waits" "$right_waits"
	[ -n "$kernel_counts" ] || return 0
	same "$what: calls of do_sync_core on the first CPU" "$(grep -c ': do_sync_core <-' "$tracing/per_cpu/cpu0/trace")" "$right_rounds"
	same "$what: calls of synchronize_rcu_tasks" "$(grep -c ': synchronize_rcu_tasks <-' "$tracing/trace")" "$right_waits"
}

# batches COUNT: the number of the kernel's batches for that many sites.
batches() {
	echo $((($1 + vector - 1) / vector))
}

# jumps_in_text: the number of probes that are jumps in the text, and the sum of their hits.
jumps_in_text() {
	awk '
		{ dir = FILENAME; sub(/[^\/]*$/, "", dir) }
		FILENAME ~ /\/text$/ && /^current e9/ { jump[dir] = 1; jumps++ }
		FILENAME ~ /\/hits$/ && dir in jump { hits += $1 }
		END { printf "%d %d\n", jumps, hits }' "$debugfs"/probe/*/text "$debugfs"/probe/*/hits
}

# load_hits_jumps WHAT: a load runs into the jumps. Hits of sites that stayed int3 do not count.
load_hits_jumps() {
	before=$(jumps_in_text)
	same "$1: jumps in the text before the load" "${before% *}" "$jumps"
	find /sys/kernel /proc/self -type f >"$work/files" 2>/dev/null
	after=$(jumps_in_text)
	same "$1: jumps in the text after the load" "${after% *}" "$jumps"
	check "$1: the jumps are hit" [ "${after#* }" -gt "${before#* }" ]
}

write_all() {
	write_probes <"$work/lines"
}

remove_all() {
	sed 's/^.:\([^ ]*\).*/-:\1/' "$work/lines" | write_probes
}

optimization_off() {
	echo 0 >"$debugfs/optimization"
}

# differing: prints how many probes do not have their original bytes in the text.
differing() {
	awk '/^original/ { sub("original ", ""); bytes = $0 } /^current/ { sub("current ", ""); n += $0 != bytes } END { print n + 0 }' \
		"$debugfs"/probe/*/text
}

# The right guesses are found by adding all of them. Then the right ones are added again, to count what that needs.
echo 0 >"$debugfs/optimization"
candidates 5000 >"$work/guesses"
write_probes <"$work/guesses" >/dev/null
head -n "$wanted" "$debugfs/probes" >"$work/lines"
sed 's/^p:\([^ ]*\).*/-:\1/' "$debugfs/probes" | write_probes || fail "the guessed probes cannot be removed"
flush
same "enough guesses are right" "$(wc -l <"$work/lines")" "$wanted"

counted "arm" 1 0 write_all
same "all sites are armed" "$(stat_of armed)" "$wanted"
same "the text has an int3 for each site" "$(differing)" "$wanted"
# A load that hits many of the probes.
find /sys/kernel /proc/self -type f >"$work/files" 2>/dev/null
check "the load hits int3s" [ "$(stat_of hits)" -gt 0 ]

echo 1 >"$debugfs/optimization"
jumps=$(stat_of optimizing)
counted "optimize" $((3 * $(batches "$jumps"))) 1 flush
same "all queued sites became jumps" "$(stat_of optimized)" "$jumps"
check "$jumps of $wanted sites are jumps, more than half" [ "$jumps" -gt $((wanted / 2)) ]
same "all other sites are armed" "$(stat_of armed)" $((wanted - jumps))
load_hits_jumps "jumps that call"

counted "unoptimize" $((2 * $(batches "$jumps"))) 0 optimization_off
same "all sites are armed again" "$(stat_of armed)" "$wanted"
counted "disarm" 1 0 remove_all
same "no probe is left" "$(stat_of probes)" 0
counted "free" 0 1 flush
same "no site is left" "$(stat_of sites)" 0

# The sites become jumps again and are then disarmed. Disabled probes show the bytes in the text.
write_all || fail "the probes cannot be added again"
echo 1 >"$debugfs/optimization"
flush
echo 0 >"$debugfs/enabled"
same "no text differs from the original after all jumps are disarmed" "$(differing)" 0
echo 1 >"$debugfs/enabled"
remove_all || fail "the probes cannot be removed again"
flush

# The sites get probes that only count, under the load from before.
sed -i 's/^p/c/' "$work/lines"
write_all || fail "counting probes cannot be added"
flush
same "as many sites become jumps that count" "$(stat_of optimized)" "$jumps"
load_hits_jumps "jumps that count"
echo 0 >"$debugfs/enabled"
same "no text differs from the original after all counting jumps are disarmed" "$(differing)" 0
same "no foreign text was found" "$(stat_of foreign_text)" 0
rm -r "$work"
