#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Each function that may run between an int3 and our handler is refused. The functions around them can be probed without recursion.
. ./functions.sh

tracing=/sys/kernel/tracing
work=/tmp/rkprobes-path.$$
EOPNOTSUPP='Operation not supported'
load_mod rktest_functions
load_mod rkprobes
plain=$(ask rktest_functions call alu 100)

# same_results WHAT GOT: the results are as without probes. Calls and returns that count their depth change the flags, which are part of the
# results.
counts_depth=
! grep -q Stuffing /sys/devices/system/cpu/vulnerabilities/retbleed || counts_depth=yes
[ -z "$counts_depth" ] || omit "the results of probed functions" "this kernel tracks the depth of calls, which changes the flags"
same_results() {
	[ -n "$counts_depth" ] || same "$1" "$2" "$plain"
}

# all_refused WHAT REASON...: each of the targets in $work.lines is refused with one of these reasons. Each has a name of its own, because a name
# that is in use is a reason as well.
all_refused() {
	refused_what=$1
	shift
	awk '{ print "p:x" NR " " $1 }' "$work.lines" | write_probes >/dev/null
	same "$refused_what: each of $(wc -l <"$work.lines") lines is refused" "$(wc -l <"$debugfs/errors")" "$(wc -l <"$work.lines")"
	sed 's/^[0-9]*: p:x[0-9]* [^ ]*: //; s/[:,] .*//' "$debugfs/errors" >"$work.reasons"
	printf '%s\n' "$@" >"$work.known"
	echo "reasons: $(sort "$work.reasons" | uniq -c | sort -rn | tr '\n' ';')"
	same "$refused_what: each reason is a known one" "$(grep -vxFf "$work.known" "$work.reasons" | sort | uniq -c)" ""
}

# What the reasons begin with.
on_path='runs between a breakpoint and its handler'
noinstr='noinstr or entry text'
listed='in the kprobe blacklist'
preamble='bytes before a function'
no_text='not kernel or module text'
no_function='address in no function'
own='text of this module'
key='jump label'
call='static call'

# The symbols are read once, because that takes seconds in an emulator. A probe is there, so that the memory of its detour is among the symbols.
add ours rktest_functions:rktest_alu || fail "our probe cannot be added"
flush
awk '$2 ~ /[tT]/' /proc/kallsyms >"$work.text"

# Functions of the path by the kernel's source (from arch/x86/kernel/traps.c:exc_int3 to the notifiers and back). This kernel may lack some.
printf '%s\n' exc_int3 do_int3 kprobe_int3_handler get_kprobe notify_die atomic_notifier_call_chain notifier_call_chain \
	__rcu_read_lock __rcu_read_unlock rcu_read_unlock_special hw_breakpoint_exceptions_notify kprobe_exceptions_notify \
	irqentry_nmi_enter irqentry_nmi_exit smp_text_poke_int3_handler ct_nmi_enter ct_nmi_exit __x86_return_thunk srso_alias_return_thunk \
	ftrace_caller ftrace_caller_op_ptr ftrace_call ftrace_regs_caller ftrace_regs_call return_to_handler \
	function_trace_call ring_buffer_lock_reserve trace_event_raw_event_notifier_info \
	__bpf_prog_enter_recur __bpf_prog_exit_recur __bpf_tramp_enter __bpf_tramp_exit bpf_prog_inc_misses_counter __bpf_trace_notifier_info \
	bpf_trace_run1 __bpf_trace_run __traceiter_notifier_run rcu_is_watching fprobe_ftrace_entry klp_ftrace_handler >"$work.names"
awk 'FNR == NR { on[$1] = 1; next } $3 in on { print $3; print $3 "+4" }' "$work.names" "$work.text" >"$work.lines"
check "this kernel has most of the names" [ "$(wc -l <"$work.lines")" -ge 28 ]
all_refused "functions by name" "$on_path" "$noinstr" "$listed"

# Each function that rkprobes found on the path is refused with that reason, at three of its first bytes. The kernel's jump labels and static
# calls in these functions have reasons of their own.
sed -n 's/^0x\([0-9a-f]*\)-.* \([^ ]*\) int3-path$/\1 \2/p' "$debugfs/blacklist" >"$work.path"
count=$(wc -l <"$work.path")
echo "$count functions: $(cut -d' ' -f2 "$work.path" | head -n 400 | tr '\n' ' ')"
check "$count functions are on the path, at least 20" [ "$count" -ge 20 ]
while read -r address _; do
	for offset in 0 1 4; do
		printf '0x%x\n' $((0x$address + offset))
	done
done <"$work.path" >"$work.lines"
all_refused "functions as found" "$on_path" "$key" "$call"

# The text of rkprobes, its slots, code that the kernel makes at run time, and the bytes before a function are refused.
{
	awk '$4 ~ /^\[(rkprobes|bpf|__builtin__ftrace|__builtin__kprobes)\]$/ || $3 == "__pfx_vfs_read" { print "0x" $1 }' "$work.text"
	sed -n 's/^detour \(0x.*\)/\1/p' "$debugfs/probe/ours/text"
} >"$work.lines"
check "the functions of rkprobes are among the targets" [ "$(wc -l <"$work.lines")" -gt 300 ]
all_refused "text of rkprobes and text made at run time" "$own" "$no_text" "$no_function" "$preamble" "$listed"
# Pieces of blacklisted functions have other names.
awk '
	FNR == NR { on[$2] = 1; next }
	NF == 3 && $3 ~ /[.]/ {
		stem = $3
		sub(/[.].*/, "", stem)
		if (stem in on) print "0x" $1
	}' /sys/kernel/debug/kprobes/blacklist "$work.text" >"$work.lines"
if [ -s "$work.lines" ]; then
	all_refused "pieces of blacklisted functions" "$listed"
else
	omit "pieces of blacklisted functions" "the kernel's compiler has made none"
fi
same "only our first probe is there" "$(cut -d' ' -f1 "$debugfs/probes")" p:ours
check "our first probe can be removed" remove ours
flush

# The neighbours of these functions in the text, and functions that the path would call if something else happened.
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
check "our probe can be added as an int3" add ours rktest_functions:rktest_alu
write_probes <"$work.lines" >/dev/null
probes=$(stat_of probes)
check "$probes probes are accepted on $(wc -l <"$work.near") functions around the path, at least 20" [ "$probes" -ge 20 ]
same_results "results are right with probes around the path" "$(ask rktest_functions call alu 100)"
same "each call is a hit with probes around the path" "$(of ours hits)" 100

# The path is traced: by the event of each notifier, and by the function tracers. Probes stay around the functions that the tracers run. With all
# other probes as well, tracing each of their hits would take hours.
remove_others() {
	sed -n 's/^p\(:p_[^ ]*\) .*/-\1/p' "$debugfs/probes" | write_probes || fail "the probes around the path cannot be removed"
}
remove_others
if [ -e "$tracing/current_tracer" ]; then
	awk 'FNR == NR { if ($2 ~ /trace|ring_buffer/) on[$1] = 1; next } NF == 3 { if ($1 in on) left = 4; else if (left-- > 0) print $1 }' \
		"$work.path" "$work.text" | while read -r address; do
		for offset in 0 4 5 7 8 11; do
			printf 'p 0x%x\n' $((0x$address + offset))
		done
	done >"$work.lines"
	# Functions of the path that the tracer can trace.
	for name in notify_die atomic_notifier_call_chain notifier_call_chain kprobe_exceptions_notify hw_breakpoint_exceptions_notify; do
		echo $name >>"$tracing/set_ftrace_filter"
	done 2>/dev/null
	check "the tracer can trace functions of the path" grep -q notifier_call_chain "$tracing/set_ftrace_filter"
	write_probes <"$work.lines" >/dev/null
	check "$(stat_of probes) probes are accepted around the tracers, at least 5" [ "$(stat_of probes)" -ge 5 ]
	event=$tracing/events/notifier/notifier_run/enable
	[ ! -e "$event" ] || echo 1 >"$event"
	traced=$(ask rktest_functions call alu 100)
	[ ! -e "$event" ] || echo 0 >"$event"
	same_results "results are right with the event on" "$traced"
	for tracer in function function_graph; do
		echo $tracer >"$tracing/current_tracer"
		traced=$(ask rktest_functions call alu 100)
		echo nop >"$tracing/current_tracer"
		same_results "results are right with the path traced by $tracer" "$traced"
	done
	echo >"$tracing/set_ftrace_filter"
	echo >"$tracing/trace"
	same "each call is a hit with the path traced" "$(of ours hits)" 400
	remove_others
else
	omit "a traced path" "this kernel has no function tracer"
fi

# With BPF programs on the path: each int3 calls their trampolines, which have no guards of ftrace. A function that a program calls runs under
# the program's own guard, so it can be probed.
trace_bpf=$here/../trace_bpf
[ -x "$trace_bpf" ] || trace_bpf=$here/test_modules/trace_bpf
if [ -x "$trace_bpf" ] && [ -e /sys/kernel/btf/vmlinux ]; then
	awk 'FNR == NR { if ($2 ~ /bpf|notif|kprobe|rcu/) on[$1] = 1; next } NF == 3 { if ($1 in on) left = 4; else if (left-- > 0) print $1 }' \
		"$work.path" "$work.text" | while read -r address; do
		for offset in 0 4 5 7 8 11; do
			printf 'p 0x%x\n' $((0x$address + offset))
		done
	done >"$work.lines"
	write_probes <"$work.lines" >/dev/null
	check "$(stat_of probes) probes around the trampolines" [ "$(stat_of probes)" -ge 5 ]
	check "a function that the programs call can be probed" add called bpf_ktime_get_ns+4
	before=$(of ours hits)
	# Two programs on the tracepoint are called by an iterator.
	set -- call:notifier_run call:notifier_run
	for name in notifier_call_chain kprobe_exceptions_notify hw_breakpoint_exceptions_notify get_kprobe kprobe_int3_handler; do
		set -- "$@" fentry:$name fexit:$name
	done
	rm -f "$work.over"
	"$trace_bpf" hold "$work.over" "$@" >"$work.said" 2>&1 &
	program=$!
	programs_are_there() { grep -Eq 'ready|left out' "$work.said" || ! kill -0 "$program"; }
	wait_for "the programs are attached" programs_are_there
	traced=$(ask rktest_functions call alu 100)
	touch "$work.over"
	wait "$program" || fail "trace_bpf: $(cat "$work.said")"
	sed 's/^/# /' "$work.said"
	same_results "the results are right with BPF on the path" "$traced"
	same "each call is a hit with BPF on the path" $(($(of ours hits) - before)) 100
	# Each int3 runs the programs. The runs of nested int3s are missed.
	check "the programs ran: $(sed -n 's/.*runs=//p' "$work.said")" [ "$(sed -n 's/.*runs=//p' "$work.said")" -ge 200 ]
	check "the function that they call was hit: $(of called hits)" [ "$(of called hits)" -ge 200 ]
	check "the probe of that function can be removed" remove called
	remove_others
else
	omit "BPF programs on the path" "trace_bpf is not built, or this kernel has no BTF"
fi
check "our probe can be removed after the traces" remove ours
echo 1 >"$debugfs/optimization"
flush
same "no site is left" "$(stat_of sites)" 0
rm "$work".*
unload_mod rkprobes

# If rkprobes cannot follow the whole path, it says so and does not load.
load_mod rktest_crowd
refused=$(insmod "$(module_file rkprobes)" 2>&1) && fail "rkprobes loads although it cannot follow the whole path"
check "loading fails with the right errno: $refused" [ "${refused%"$EOPNOTSUPP"*}" != "$refused" ]
check "the kernel's log has the reason" sh -c 'dmesg | tail -n 3 | grep -q "rkprobes: cannot find all that runs between an int3 and its handler: die_chain has too many notifiers"'
unload_mod rktest_crowd
load_mod rkprobes
unload_mod rkprobes
