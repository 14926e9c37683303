#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What runs between an int3 and our handler is refused, all of it, and what is around it can be probed without recursion.
. ./functions.sh

tracing=/sys/kernel/tracing
work=/tmp/rkprobes-path.$$
load_mod rktest_functions
load_mod rkprobes
plain=$(ask rktest_functions call alu 100)

# known NAME: is there such a function?
known() {
	grep -q " [tT] $1\$" /proc/kallsyms
}

# The path as its source has it (arch/x86/kernel/traps.c:exc_int3 to the notifiers and back), where this kernel has that.
refused=0
for name in exc_int3 do_int3 kprobe_int3_handler get_kprobe notify_die atomic_notifier_call_chain notifier_call_chain \
	__rcu_read_lock __rcu_read_unlock rcu_read_unlock_special hw_breakpoint_exceptions_notify kprobe_exceptions_notify \
	irqentry_nmi_enter irqentry_nmi_exit smp_text_poke_int3_handler ct_nmi_enter ct_nmi_exit __x86_return_thunk \
	ftrace_caller ftrace_caller_op_ptr ftrace_call ftrace_regs_caller ftrace_regs_call return_to_handler \
	function_trace_call ring_buffer_lock_reserve trace_event_raw_event_notifier_info; do
	known $name || continue
	for offset in 0 4; do
		said=$(echo "p:x $name+$offset" | write_probes) && fail "$name+$offset is accepted"
		[ "$said" = 'Invalid argument' ] || fail "$name+$offset: $said"
	done
	refused=$((refused + 1))
done
check "$refused functions of the path are refused" [ $refused -ge 14 ]

# Each function that was found on the path, at each of its first bytes, is refused with that reason.
sed -n 's/^0x\([0-9a-f]*\)-.* \([^ ]*\) int3-path$/\1 \2/p' "$debugfs/blacklist" >"$work.path"
count=$(wc -l <"$work.path")
echo "# $count functions: $(cut -d' ' -f2 "$work.path" | head -n 400 | tr '\n' ' ')"
check "$count functions are on the path" [ "$count" -ge 20 ]
while read -r address name; do
	for offset in 0 1 2 3 4 5 8; do
		printf 'p:x 0x%x\n' $((0x$address + offset))
	done
done <"$work.path" >"$work.lines"
write_probes <"$work.lines" >/dev/null
same "every line is refused" "$(wc -l <"$debugfs/errors")" "$(wc -l <"$work.lines")"
same "no probe is there" "$(cat "$debugfs/probes")" ""

# The same for all of our own text, our slots, what is made at run time, and what is in front of functions.
add ours rktest_functions:rktest_alu || fail "add"
flush
{
	awk '$2 ~ /[tT]/ && $4 == "[rkprobes]" { print "p:x 0x" $1 }' /proc/kallsyms
	sed -n 's/^detour \(0x.*\)/p:x \1/p' "$debugfs/probe/ours/text"
	awk '$4 == "[bpf]" || $4 == "[__builtin__ftrace]" || $4 == "[__builtin__kprobes]" { print "p:x 0x" $1 }' /proc/kallsyms
	awk '$3 == "__pfx_vfs_read" { print "p:x 0x" $1; exit }' /proc/kallsyms
} >"$work.lines"
check "$(wc -l <"$work.lines") lines" [ "$(wc -l <"$work.lines")" -gt 300 ]
write_probes <"$work.lines" >/dev/null
same "every one is refused" "$(wc -l <"$debugfs/errors")" "$(wc -l <"$work.lines")"
# Pieces of what is in the blacklist have other names.
awk '
	FNR == NR { on[$2] = 1; next }
	NF == 3 && $2 ~ /[tT]/ && $3 ~ /[.]/ {
		stem = $3
		sub(/[.].*/, "", stem)
		if (stem in on) print "p:x 0x" $1
	}' /sys/kernel/debug/kprobes/blacklist /proc/kallsyms >"$work.lines"
write_probes <"$work.lines" >/dev/null
same "$(wc -l <"$work.lines") pieces are refused" "$(wc -l <"$debugfs/errors")" "$(wc -l <"$work.lines")"
check "remove" remove ours
flush

# Their neighbours in the text, and what the path would call if something else happened.
awk -v path="$work.path" '
	BEGIN { while ((getline line < path) > 0) { split(line, words, " "); on[words[2]] = 1 } }
	NF == 3 && $2 ~ /[tT]/ && $3 !~ /^__(pfx|cfi)_/ {
		if (!($1 in seen)) { seen[$1] = 1; names[++n] = $3; addresses[n] = $1 }
	}
	END {
		for (i = 1; i <= n; i++) {
			near = names[i] ~ /^(panic|_printk|wake_up_process|preempt_schedule|_raw_spin_lock|_raw_spin_unlock|rcu_preempt_deferred_qs_irqrestore)$/
			for (j = i - 3; j <= i + 3; j++)
				if (names[j] in on) near = 1
			if (near && !(names[i] in on)) print addresses[i], names[i]
		}
	}' /proc/kallsyms >"$work.near"
while read -r address name; do
	for offset in 0 4 5 7 8 11; do
		printf 'p 0x%x\n' $((0x$address + offset))
	done
done <"$work.near" >"$work.lines"
echo 0 >"$debugfs/optimization"
check "ours, as int3" add ours rktest_functions:rktest_alu
write_probes <"$work.lines" >/dev/null
probes=$(stat_of probes)
check "$probes probes on $(wc -l <"$work.near") functions around the path" [ "$probes" -ge 20 ]
same "results through them" "$(ask rktest_functions call alu 100)" "$plain"
same "hits" "$(of ours hits)" 100

# With our own way traced: by the event of each notifier, and by the function tracers. Probes stay around what the tracers run themselves; with
# all of the others a trace of each of their hits would take hours.
remove_others() {
	sed -n 's/^p\(:p_[^ ]*\) .*/-\1/p' "$debugfs/probes" | write_probes || fail "remove"
}
remove_others
if [ -e "$tracing/current_tracer" ]; then
	awk 'FNR == NR { if ($2 ~ /trace|ring_buffer/) on[$1] = 1; next } NF == 3 && $2 ~ /[tT]/ { if ($1 in on) left = 4; else if (left-- > 0) print $1 }' \
		"$work.path" /proc/kallsyms | while read -r address; do
		for offset in 0 4 5 7 8 11; do
			printf 'p 0x%x\n' $((0x$address + offset))
		done
	done >"$work.lines"
	# What of the path the tracer can trace, and only that path runs.
	awk '/^(notify_die|atomic_notifier_call_chain|notifier_call_chain|kprobe_exceptions_notify|hw_breakpoint_exceptions_notify)$/' \
		"$tracing/available_filter_functions" | sort -u >"$work.traced"
	check "functions of the path can be traced: $(tr '\n' ' ' <"$work.traced")" [ -s "$work.traced" ]
	write_probes <"$work.lines" >/dev/null
	check "$(stat_of probes) probes around the tracers" [ "$(stat_of probes)" -ge 5 ]
	event=$tracing/events/notifier/notifier_run/enable
	[ ! -e "$event" ] || echo 1 >"$event"
	traced=$(ask rktest_functions call alu 100)
	[ ! -e "$event" ] || echo 0 >"$event"
	same "results with the event on" "$traced" "$plain"
	cat "$work.traced" >"$tracing/set_ftrace_filter"
	for tracer in function function_graph; do
		echo $tracer >"$tracing/current_tracer"
		traced=$(ask rktest_functions call alu 100)
		echo nop >"$tracing/current_tracer"
		same "results with our way traced by $tracer" "$traced" "$plain"
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
