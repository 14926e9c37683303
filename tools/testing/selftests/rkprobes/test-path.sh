#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What runs between an int3 and our handler is refused, all of it, and what is around it can be probed without recursion.
. ./functions.sh

tracing=/sys/kernel/tracing
work=/tmp/rkprobes-path.$$
EOPNOTSUPP='Operation not supported'
load_mod rktest_functions
load_mod rkprobes
plain=$(ask rktest_functions call alu 100)

# same_results WHAT GOT: as without probes. Calls and returns that count their depth change the flags, which are part of the results.
counts_depth=
! grep -q Stuffing /sys/devices/system/cpu/vulnerabilities/retbleed || counts_depth=yes
[ -z "$counts_depth" ] || echo "# results are not compared: this kernel tracks the depth of calls"
same_results() {
	[ -n "$counts_depth" ] || same "$1" "$2" "$plain"
}

# all_refused WHAT: each of the lines in $work.lines is.
all_refused() {
	write_probes <"$work.lines" >/dev/null
	same "$1: each of $(wc -l <"$work.lines") lines is refused" "$(wc -l <"$debugfs/errors")" "$(wc -l <"$work.lines")"
}

# Read once, for it takes seconds in an emulator; with a probe, so that its memory is among the symbols.
add ours rktest_functions:rktest_alu || fail "add"
flush
awk '$2 ~ /[tT]/' /proc/kallsyms >"$work.text"

# The path as its source has it (arch/x86/kernel/traps.c:exc_int3 to the notifiers and back), where this kernel has that.
printf '%s\n' exc_int3 do_int3 kprobe_int3_handler get_kprobe notify_die atomic_notifier_call_chain notifier_call_chain \
	__rcu_read_lock __rcu_read_unlock rcu_read_unlock_special hw_breakpoint_exceptions_notify kprobe_exceptions_notify \
	irqentry_nmi_enter irqentry_nmi_exit smp_text_poke_int3_handler ct_nmi_enter ct_nmi_exit __x86_return_thunk srso_alias_return_thunk \
	ftrace_caller ftrace_caller_op_ptr ftrace_call ftrace_regs_caller ftrace_regs_call return_to_handler \
	function_trace_call ring_buffer_lock_reserve trace_event_raw_event_notifier_info >"$work.names"
awk 'FNR == NR { on[$1] = 1; next } $3 in on { print "p:x " $3; print "p:x " $3 "+4" }' "$work.names" "$work.text" >"$work.lines"
check "most names are there" [ "$(wc -l <"$work.lines")" -ge 28 ]
all_refused "by name"

# Each function that was found on the path, at each of its first bytes, is refused with that reason.
sed -n 's/^0x\([0-9a-f]*\)-.* \([^ ]*\) int3-path$/\1 \2/p' "$debugfs/blacklist" >"$work.path"
count=$(wc -l <"$work.path")
echo "# $count functions: $(cut -d' ' -f2 "$work.path" | head -n 400 | tr '\n' ' ')"
check "$count functions are on the path" [ "$count" -ge 20 ]
while read -r address _; do
	for offset in 0 1 4; do
		printf 'p:x 0x%x\n' $((0x$address + offset))
	done
done <"$work.path" >"$work.lines"
all_refused "as found"

# The same for all of our own text, our slots, what is made at run time, and what is in front of functions.
{
	awk '$4 ~ /^\[(rkprobes|bpf|__builtin__ftrace|__builtin__kprobes)\]$/ || $3 == "__pfx_vfs_read" { print "p:x 0x" $1 }' "$work.text"
	sed -n 's/^detour \(0x.*\)/p:x \1/p' "$debugfs/probe/ours/text"
} >"$work.lines"
check "our functions are among them" [ "$(wc -l <"$work.lines")" -gt 300 ]
all_refused "our text and others'"
# Pieces of what is in the blacklist have other names.
awk '
	FNR == NR { on[$2] = 1; next }
	NF == 3 && $3 ~ /[.]/ {
		stem = $3
		sub(/[.].*/, "", stem)
		if (stem in on) print "p:x 0x" $1
	}' /sys/kernel/debug/kprobes/blacklist "$work.text" >"$work.lines"
if [ -s "$work.lines" ]; then
	all_refused "pieces"
else
	echo "# the kernel's compiler has made no pieces of them"
fi
same "no other probe is there" "$(cut -d' ' -f1 "$debugfs/probes")" p:ours
check "remove" remove ours
flush

# Their neighbours in the text, and what the path would call if something else happened.
awk '
	FNR == NR { on[$2] = 1; next }
	NF != 3 || $3 ~ /^__(pfx|cfi)_/ { next }
	$3 in on { if (before) print before; before = ""; behind = 1; next }
	behind || $3 ~ /^(panic|_printk|wake_up_process|preempt_schedule|_raw_spin_(un)?lock|rcu_preempt_deferred_qs_irqrestore)$/ { print $1 }
	{ behind = 0; before = $1 }' "$work.path" "$work.text" | sort -u >"$work.near"
while read -r address; do
	for offset in 0 4 5 9; do
		printf 'p 0x%x\n' $((0x$address + offset))
	done
done <"$work.near" >"$work.lines"
echo 0 >"$debugfs/optimization"
check "ours, as int3" add ours rktest_functions:rktest_alu
write_probes <"$work.lines" >/dev/null
probes=$(stat_of probes)
check "$probes probes on $(wc -l <"$work.near") functions around the path" [ "$probes" -ge 20 ]
same_results "results through them" "$(ask rktest_functions call alu 100)"
same "hits" "$(of ours hits)" 100

# With our own way traced: by the event of each notifier, and by the function tracers. Probes stay around what the tracers run themselves; with
# all of the others a trace of each of their hits would take hours.
remove_others() {
	sed -n 's/^p\(:p_[^ ]*\) .*/-\1/p' "$debugfs/probes" | write_probes || fail "remove"
}
remove_others
if [ -e "$tracing/current_tracer" ]; then
	awk 'FNR == NR { if ($2 ~ /trace|ring_buffer/) on[$1] = 1; next } NF == 3 { if ($1 in on) left = 4; else if (left-- > 0) print $1 }' \
		"$work.path" "$work.text" | while read -r address; do
		for offset in 0 4 5 7 8 11; do
			printf 'p 0x%x\n' $((0x$address + offset))
		done
	done >"$work.lines"
	# What of the path the tracer can trace, and only that path runs.
	for name in notify_die atomic_notifier_call_chain notifier_call_chain kprobe_exceptions_notify hw_breakpoint_exceptions_notify; do
		echo $name >>"$tracing/set_ftrace_filter"
	done 2>/dev/null
	check "functions of the path can be traced" grep -q notifier_call_chain "$tracing/set_ftrace_filter"
	write_probes <"$work.lines" >/dev/null
	check "$(stat_of probes) probes around the tracers" [ "$(stat_of probes)" -ge 5 ]
	event=$tracing/events/notifier/notifier_run/enable
	[ ! -e "$event" ] || echo 1 >"$event"
	traced=$(ask rktest_functions call alu 100)
	[ ! -e "$event" ] || echo 0 >"$event"
	same_results "results with the event on" "$traced"
	for tracer in function function_graph; do
		echo $tracer >"$tracing/current_tracer"
		traced=$(ask rktest_functions call alu 100)
		echo nop >"$tracing/current_tracer"
		same_results "results with our way traced by $tracer" "$traced"
	done
	echo >"$tracing/set_ftrace_filter"
	echo >"$tracing/trace"
	same "hits of all" "$(of ours hits)" 400
	remove_others
fi
check "remove ours" remove ours
echo 1 >"$debugfs/optimization"
flush
same "nothing is left" "$(stat_of sites)" 0
rm "$work".*
unload_mod rkprobes

# What cannot be followed to its end is not taken for followed: the module says so, and does not load.
load_mod rktest_crowd
refused=$(insmod "$(module_file rkprobes)" 2>&1) && fail "it loads where not all of the path can be told"
check "the error: $refused" [ "${refused%"$EOPNOTSUPP"*}" != "$refused" ]
check "and the reason" sh -c 'dmesg | tail -n 3 | grep -q "rkprobes: cannot find all that runs between an int3 and its handler: die_chain has too many notifiers"'
unload_mod rktest_crowd
load_mod rkprobes
unload_mod rkprobes
