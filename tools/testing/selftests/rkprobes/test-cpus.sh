#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Every CPU that can go offline goes offline and comes back 100 times, with probes in what CPUs run on that way: entries, int3s, jumps that call
# and jumps that count, and while the sites change between int3 and jump. rk.plugs=N on the kernel command line changes the number.
. ./functions.sh

cycles=$(sed -n 's/.*\brk.plugs=\([0-9]*\).*/\1/p' /proc/cmdline)
cycles=${cycles:-100}
cpus=$(ls /sys/devices/system/cpu/cpu[0-9]*/online 2>/dev/null)
[ -n "$cpus" ] || skip "no CPU can go offline"
count=$(echo "$cpus" | wc -l)
work=/tmp/rkprobes-cpus.$$
mkdir "$work"

# all_cpus: each CPU goes offline and comes back once.
all_cpus() {
	for cpu in $cpus; do
		{ echo 0 >"$cpu" && [ "$(cat "$cpu")" = 0 ]; } || fail "$cpu does not go offline"
		{ echo 1 >"$cpu" && [ "$(cat "$cpu")" = 1 ]; } || fail "$cpu does not come back"
	done
}

# The first use of all this leaves changes in the text that later uses do not make.
load_mod rkprobes
all_cpus
unload_mod rkprobes
load_mod rktest_bytes
check "the text is kept" ask rktest_bytes keep "$(address _stext)" "$(address _etext)"

# With a long delay the optimizer works in a flush only.
load_mod rkprobes optimize_delay=15000000
echo 0 >"$debugfs/optimization"
awk 'NF == 3 && $2 ~ /[tT]/ { print $3 }' /proc/kallsyms | sort | uniq -u >"$work/functions"

# Text that must not be probed: what a CPU that is idle runs while RCU does not watch it, what a dead CPU runs, and what a CPU that starts runs
# before its interrupt table is loaded.
refused=0
for symbol in default_idle default_idle_call native_play_dead play_dead_common mwait_play_dead hlt_play_dead acpi_idle_play_dead \
	cpuidle_play_dead cpuhp_ap_report_dead start_secondary cpu_init_exception_handling early_setup_idt; do
	grep -qx $symbol "$work/functions" || continue
	refused=$((refused + 1))
	seq 0 63 | sed "s/.*/p $symbol+&/" | write_probes >/dev/null
	same "places of $symbol that are accepted" "$(grep -c " $symbol+" "$debugfs/probes")" 0
done
check "the kernel has functions that must be refused" [ $refused -ge 5 ]

# Functions that run once when a CPU goes offline, or once when it comes back.
for symbol in cpuhp_report_idle_dead cpuhp_complete_idle_dead cpuhp_ap_sync_alive cpuhp_online_idle cpuhp_bringup_ap takedown_cpu take_cpu_down \
	sched_cpu_activate sched_cpu_deactivate sched_cpu_starting sched_cpu_dying notify_cpu_starting native_cpu_disable; do
	grep -x $symbol "$work/functions"
done >"$work/once"
# Functions that run often: on the way, in idle tasks, at each switch of tasks.
grep -E '^(__)?cpuhp_|^finish_task_switch(\.|$)|^(do_idle|cpu_startup_entry|cpuidle_idle_call|tick_nohz_idle_enter|tick_nohz_idle_exit|schedule_idle|multi_cpu_stop|smpboot_thread_fn|arch_cpu_idle_dead|idle_task_exit|play_dead)$' \
	"$work/functions" | grep -vxF -f "$work/once" >"$work/often"

# named PREFIX: makes "PREFIX_SYMBOL SYMBOL" of each symbol. A dot cannot be in the name of a probe.
named() {
	awk -v prefix="$1" '{ name = $1; gsub(/\./, "_", name); print prefix "_" name, $1 }'
}

# The first place of each function after its entry that takes a probe. A function begins with an ENDBR of 4 bytes, or without it, and the call
# of the function tracer.
cat "$work/once" "$work/often" | named inner | while read -r name symbol; do
	for offset in 5 9 6 7 8 10 11 12 13 14 15 16; do
		add "$name" "$symbol+$offset" 2>/dev/null && break
	done
done
sed 's/^p://' "$debugfs/probes" >"$work/places"
sed 's/^p:\([^ ]*\) .*/-:\1/' "$debugfs/probes" >"$work/removals"
write_probes <"$work/removals" || fail "removing the probes of the search"
cat "$work/once" "$work/often" | named p:entry | write_probes >/dev/null
entries=$(stat_of probes)
inner=$(wc -l <"$work/places")
check "probes at entries: $entries" [ "$entries" -ge 15 ]
check "probes beside entries: $inner" [ "$inner" -ge 15 ]

hits_of() { of "$1" hits; }

# phase WHAT LETTER CYCLES COMMAND: probes of this kind beside the entries, and then that many cycles with the command between them.
phase() {
	sed "s/^/$2:/" "$work/places" | write_probes >/dev/null || fail "adding probes: $1"
	same "probes: $1" "$(stat_of probes)" $((entries + inner))
	$4
	while read -r symbol; do
		[ ! -d "$debugfs/probe/entry_$symbol" ] || echo "$symbol $(hits_of "entry_$symbol")"
	done <"$work/once" >"$work/before"
	for cycle in $(seq "$3"); do
		all_cpus
		[ "$1" != "while sites change" ] || $4 "$cycle"
	done
	wrong=
	while read -r symbol before; do
		hits=$(($(hits_of "entry_$symbol") - before))
		[ $hits = $(($3 * count)) ] || wrong="$wrong $symbol:$hits"
	done <"$work/before"
	same "entries that do not have $(($3 * count)) hits: $1" "$wrong" ""
	wrong=
	while read -r symbol; do
		[ -d "$debugfs/probe/inner_$symbol" ] || continue
		[ "$(hits_of "inner_$symbol")" = $(($3 * count)) ] || wrong="$wrong $symbol:$(hits_of "inner_$symbol")"
	done <"$work/once"
	same "places that do not have $(($3 * count)) hits: $1" "$wrong" ""
	same "missed hits: $1" "$(cat "$debugfs"/probe/*/missed | sort -u)" "recursion 0"
	sed 's/ .*//; s/^/-:/' "$work/places" | write_probes || fail "removing probes: $1"
	flush
	same "probes that are left: $1" "$(stat_of probes)" "$entries"
}

none() { :; }
to_jumps() {
	echo 1 >"$debugfs/optimization"
	flush
	check "jumps: $(stat_of optimized)" [ "$(stat_of optimized)" -ge $((inner / 2)) ]
}
change() {
	echo $((${1:-0} % 2)) >"$debugfs/optimization"
	flush
}
quarter=$((cycles / 4))
phase "int3s" p $quarter none
phase "jumps that call" p $quarter to_jumps
phase "jumps that count" c $quarter to_jumps
phase "while sites change" p $((cycles - 3 * quarter)) change

busy=
named entry <"$work/often" >"$work/names"
while read -r name symbol; do
	[ ! -d "$debugfs/probe/$name" ] || [ "$(hits_of "$name")" = 0 ] || busy="$busy $symbol"
done <"$work/names"
check "hits at entries of functions that run often:$busy" [ "$(echo "$busy" | wc -w)" -ge 5 ]

sed 's/^p:\([^ ]*\) .*/-:\1/' "$debugfs/probes" >"$work/removals"
write_probes <"$work/removals" || fail "removing the entries"
flush
for left in probes sites slots foreign_text; do
	same "stats has $left 0" "$(stat_of $left)" 0
done
unload_mod rkprobes
same "text that differs from what it was" "$(ask rktest_bytes compare)" "differences 0"
rm -r "$work"
