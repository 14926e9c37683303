#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The event of a probe: a record for each hit, on each lane, for the trace, an instance, a filter and a histogram; and its removal.
. ./functions.sh

tracing=/sys/kernel/tracing
[ -d "$tracing/events" ] || skip "this kernel has no events"
events=$tracing/events/rkprobes
load_mod rktest_victim
load_mod rkprobes

# records [FILE]: how many records of the event "work" a trace has.
records() {
	grep -c ' work: (rktest_victim_work+0x' "${1:-$tracing/trace}"
}

# called WHEN: ten calls give ten records.
called() {
	echo >"$tracing/trace"
	ask rktest_victim call 10 >/dev/null
	same "ten calls give ten records $1" "$(records)" 10
}

check "a probe can be added" add work rktest_victim:rktest_victim_work+4
same "the event is off" "$(cat "$events/work/enable")" 0
same "the event has the format of a kprobe event" "$(grep '^print fmt' "$events/work/format")" 'print fmt: "(%lx)", REC->__probe_ip'
check "the field of the address is that of a kprobe event" grep -q 'field:unsigned long __probe_ip;	offset:8;	size:8;	signed:0;' "$events/work/format"
ask rktest_victim call 10 >/dev/null
same "an event that is off has no records" "$(records)" 0
same "the probe counts all the same" "$(of work hits)" 10
echo 1 >"$events/work/enable"
same "the event is on" "$(cat "$events/work/enable")" 1
called "before the optimizer ran"
flush
same "the probe is a jump" "$(of work state)" optimized
called "with a jump"
echo 0 >"$debugfs/optimization"
same "the probe is a breakpoint" "$(of work state)" armed
called "with a breakpoint"
echo 1 >"$debugfs/optimization"
flush

# A consumer keeps the probe armed and the module loaded.
echo 0 >"$debugfs/probe/work/enable"
called "when the user has disabled the probe"
same "the event in use keeps the probe" "$(echo -:work | write_probes)" 'Device or resource busy'
check "errors names the event" grep -q 'event in use' "$debugfs/errors"
same "enable reads what was written to it" "$(of work enable)" 0
same "probes has the setting" "$(cat "$debugfs/probes")" "p:work rktest_victim:rktest_victim_work+4 enable=0"
refuse "the module is not unloaded while an event is on" rmmod rkprobes
echo 0 >"$events/work/enable"
wait_for "the disabled probe is taken out" state_is work disabled
same "enable reads 0 of the disabled probe" "$(of work enable)" 0
echo 1 >"$debugfs/probe/work/enable"

# The limit of a probe. A probe that the user has enabled stays disabled, also for a new consumer.
echo 10 >"$debugfs/probe/work/limit"
ask rktest_victim call 1000 >/dev/null
wait_for "the limit disables the probe" grep -q 'its limit' "$debugfs/probe/work/reason"
echo 1 >"$events/work/enable"
echo >"$tracing/trace"
ask rktest_victim call 5 >/dev/null
same "a consumer does not enable it again" "$(records)" 0
echo 1 >"$debugfs/probe/work/enable"
ask rktest_victim call 5 >/dev/null
same "the user does" "$(records)" 5
# A probe that only its consumers enable is enabled by the next one.
echo 0 >"$debugfs/probe/work/enable"
ask rktest_victim call 1000 >/dev/null
wait_for "the limit disables the probe of a consumer" grep -q 'its limit' "$debugfs/probe/work/reason"
echo 0 >"$events/work/enable"
echo 1 >"$events/work/enable"
echo >"$tracing/trace"
ask rktest_victim call 5 >/dev/null
same "the next consumer enables it" "$(records)" 5
echo 0 >"$events/work/enable"
echo 0 >"$debugfs/probe/work/limit"
echo 1 >"$debugfs/probe/work/enable"

# An instance has records of its own.
mkdir "$tracing/instances/rk"
echo 1 >"$tracing/instances/rk/events/rkprobes/work/enable"
called_before=$(records)
ask rktest_victim call 10 >/dev/null
same "ten calls give ten records in an instance" "$(records "$tracing/instances/rk/trace")" 10
same "the other trace has none of them" "$(records)" "$called_before"
check "the instance can be removed" rmdir "$tracing/instances/rk"
check "the probe can be removed" remove work
check "the event is gone" [ ! -e "$events/work" ]

# The entry of a function, through the function tracer.
if [ -e "$tracing/current_tracer" ]; then
	check "a probe can be added at an entry" add entry rktest_victim:rktest_victim_traced
	echo 1 >"$events/entry/enable"
	echo >"$tracing/trace"
	ask rktest_victim trace 10 >/dev/null
	same "ten calls give ten records at an entry" "$(grep -c ' entry: (rktest_victim_traced+0x' "$tracing/trace")" 10
	echo 0 >"$events/entry/enable"
	check "the probe at the entry can be removed" remove entry
else
	omit "an event at an entry" "this kernel has no function tracer"
fi

# The stack of a hit, from the consumer through the frame of the hit. The instruction before the probe has another stack: it is a push.
# callers: the four functions of the first stack in the trace, from the probed one on.
callers() {
	echo >"$tracing/trace"
	ask rktest_victim push 1 >/dev/null
	awk '$1 == "=>" && $2 ~ /^rktest_victim_pushed/ { found = 1 } $1 == "=>" && found && n++ < 4 { print $2 }' "$tracing/trace"
}

check "a probe can be added after a push" add pushed rktest_victim:rktest_victim_pushed+1
if { echo stacktrace >"$events/pushed/trigger"; } 2>/dev/null; then
	echo 0 >"$debugfs/optimization"
	expected=$(callers)
	same "the stack of a breakpoint has the callers" "$(echo "$expected" | wc -l)" 4
	echo 1 >"$debugfs/optimization"
	flush
	same "the probe after the push is a jump" "$(of pushed state)" optimized
	same "the stack of a jump has the callers too" "$(callers)" "$expected"
	echo '!stacktrace' >"$events/pushed/trigger"
else
	omit "the stack of a hit" "this kernel has no triggers"
fi
check "the probe after the push can be removed" remove pushed

# Names with dots: events have none.
check "a probe with a dot in its name can be added" add a.b rktest_victim:rktest_victim_work+4
check "its event has an underscore" [ -d "$events/a_b" ]
same "the name of its event cannot be given again" "$(echo 'p:a_b rktest_victim:rktest_victim_work+4' | write_probes)" 'File exists'
check "the probe with a dot can be removed" remove a.b
check "now the name is free" add a_b rktest_victim:rktest_victim_work+4

# An event of kprobe_events in the group of rkprobes.
if [ -e "$tracing/kprobe_events" ]; then
	check "kprobe_events takes an event of the group" sh -c "echo 'p:rkprobes/taken vfs_read' >>$tracing/kprobe_events"
	same "a probe cannot have its name" "$(echo 'p:taken rktest_victim:rktest_victim_work+4' | write_probes)" 'File exists'
	check "the refused probe is gone" [ ! -e "$debugfs/probe/taken" ]
	check "another name is free" add free rktest_victim:rktest_victim_work+4
	same "the name is refused again" "$(echo 'p:taken rktest_victim:rktest_victim_work+4' | write_probes)" 'File exists'
	check "the event of kprobe_events can be removed" sh -c "echo -:rkprobes/taken >>$tracing/kprobe_events"
	check "a probe can have its name now" add taken rktest_victim:rktest_victim_work+4
	refuse "kprobe_events cannot have it now" sh -c "echo 'p:rkprobes/taken vfs_read' >>$tracing/kprobe_events"
	check "both probes can be removed" sh -c "printf -- '-:taken\n-:free\n' >$debugfs/probes"
else
	omit "an event of kprobe_events in the group" "this kernel has no kprobe events"
fi

# Unloading the module takes all events away.
unload_mod rkprobes
check "the event is gone after the module is unloaded" [ ! -e "$events/a_b" ]
