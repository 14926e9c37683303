# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Shared by test-suspend and test-sleep: probes of each kind with exact numbers of hits, and probes all over the code of suspend and resume.
. ./functions.sh

power=/sys/power

# kinds: the words of a file of /sys/power, without the marks of the chosen one.
kinds() {
	tr -d '[]' <"$power/$1" 2>/dev/null
}

can() {
	kinds "$1" | grep -qw "$2"
}

# prepare COMMAND...: keeps the text, after the command has run once with the module loaded, because the first use of suspend leaves changes in
# the text. Then adds the probes.
prepare() {
	load_mod rktest_functions
	load_mod rktest_victim
	load_mod rkprobes
	check "the first time, without probes" "$@"
	unload_mod rkprobes
	load_mod rktest_bytes
	check "the text is kept" ask rktest_bytes keep "$(address _stext)" "$(address _etext)"

	# With a long delay the optimizer works in a flush only.
	load_mod rkprobes optimize_delay=15000000
	awk 'NF == 3 && $2 ~ /[tT]/ { print $3 }' /proc/kallsyms | sort | uniq -u |
		grep -E '^(pm_|dpm_|suspend_|hibernat|swsusp_|syscore_|freeze_|thaw_|s2idle_|snapshot_|machine_|native_(kick|cpu|play|smp|stop)|cpuhp_|_?cpu_(up|down|init)|do_boot_cpu|load_(idt|gdt|percpu)|wakeup_|restore_|save_|fix_processor)|suspend|resume|processor_state|sleep_state|smpboot' |
		grep -vE '^__(pfx|cfi)_|\.cold|[.]' >/tmp/rkprobes.sleep
	sed -n 'p;n;n;n' /tmp/rkprobes.sleep | sed 's/.*/p &/' | write_probes >/dev/null
	for offset in 5 9; do sed "s/.*/p &+$offset/" /tmp/rkprobes.sleep | write_probes >/dev/null; done
	add jump rktest_functions:rktest_alu || fail "a jump"
	echo c:count rktest_functions:rktest_nothing >"$debugfs/probes" || fail "a jump that counts"
	add entry rktest_victim:rktest_victim_traced || fail "an entry"
	flush
	for offset in 13 14 15 16 17 18 19 20 21 22; do sed "s/.*/p &+$offset/" /tmp/rkprobes.sleep | write_probes >/dev/null; done
	add int3 rktest_functions:rktest_mov || fail "an int3"
	rm /tmp/rkprobes.sleep
	calls=0
	each_is_hit
	probes=$(stat_of probes)
	check "$(stat_of optimized) jumps and $(($(stat_of sites) - $(stat_of optimized))) int3s and entries" [ "$(stat_of optimized)" -ge 200 ]
	check "$probes probes" [ "$probes" -ge 1000 ]
}

# each_is_hit: ten calls of each of the four probed functions are ten hits of its probe, and the probes are what they were.
each_is_hit() {
	for name in alu nothing mov; do
		ask rktest_functions call $name 10 >/dev/null || fail "calls of $name"
	done
	ask rktest_victim trace 10 >/dev/null || fail "calls of the entry"
	calls=$((calls + 10))
	hit="jump:$(of jump hits) count:$(of count hits) int3:$(of int3 hits) entry:$(of entry hits)"
	[ "$hit" = "jump:$calls count:$calls int3:$calls entry:$calls" ] || fail "$calls hits each, and not $hit"
	are="$(of jump state) $(of count state) $(of int3 state) $(of entry state)"
	[ "$are" = "$states" ] || fail "the states are $are and not $states"
}
states="optimized optimized optimizing ftrace"

# repeat NUMBER WHAT COMMAND...: runs the command so often. Each time all hits are exact.
repeat() {
	repeat_number=$1 repeat_what=$2
	shift 2
	for repeat_now in $(seq "$repeat_number"); do
		"$@" || fail "$repeat_what, time $repeat_now"
		each_is_hit
	done
	pass "$repeat_what, $repeat_number times: $calls hits each"
}

# all_int3s: turns all jumps into int3s.
all_int3s() {
	echo 0 >"$debugfs/optimization"
	states="armed armed armed ftrace"
	same "no jump is left" "$(stat_of optimized)" 0
}

# all_jumps: makes jumps of all int3s that can be jumps.
all_jumps() {
	echo 1 >"$debugfs/optimization"
	flush
	states="optimized optimized optimized ftrace"
	check "jumps: $(stat_of optimized)" [ "$(stat_of optimized)" -ge 200 ]
}

# finish: the probes are as many as before; the text is what it was when they are removed.
finish() {
	each_is_hit
	same "probes" "$(stat_of probes)" "$probes"
	check "probes in the code of suspend had hits: $(stat_of hits) hits in all" [ "$(stat_of hits)" -gt $((4 * calls + 100)) ]
	same "text of other tools" "$(stat_of foreign_text)" 0
	sed 's/^.:\([^ ]*\) .*/-:\1/' "$debugfs/probes" >/tmp/rkprobes.removals
	write_probes </tmp/rkprobes.removals || fail "removing the probes"
	rm /tmp/rkprobes.removals
	flush
	same "sites and slots that are left" "$(stat_of sites) $(stat_of slots)" "0 0"
	unload_mod rkprobes
	same "text that differs from what it was" "$(ask rktest_bytes compare)" "differences 0"
}
