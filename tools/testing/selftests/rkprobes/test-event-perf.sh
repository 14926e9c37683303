#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The event of a probe as perf and BPF use it: perf counts each hit and makes a record of it, and a program runs for each hit, on each lane.
. ./functions.sh

perf_event=$here/../perf_event
[ -x "$perf_event" ] || perf_event=$here/test_modules/perf_event
[ -x "$perf_event" ] || skip "perf_event is not built"
tracing=/sys/kernel/tracing
[ -d "$tracing/events" ] || skip "this kernel has no events"
load_mod rktest_victim
load_mod rkprobes

# used NAME CALL: what perf and BPF see of the event while rktest_victim makes 1000 calls.
used() {
	"$perf_event" "$(cat "$tracing/events/rkprobes/$1/id")" "echo $2 1000 >/sys/module/rktest_victim/parameters/command"
}

# seen NAME CALL WHEN
seen() {
	seen_ip=$(sed -n 's/^address //p' "$debugfs/probe/$1/text")
	same "perf and BPF see each hit $3" "$(used "$1" "$2")" "counted=1000 ran=1000 samples=1000 ip=${seen_ip#0x}"
}

check "a probe can be added" add work "rktest_victim:rktest_victim_work+4 x=%di"
echo 0 >"$debugfs/optimization"
seen work call "of an int3"
echo 1 >"$debugfs/optimization"
flush
same "the probe is a jump" "$(of work state)" optimized
seen work call "of a jump"
if [ -e "$tracing/current_tracer" ]; then
	check "a probe can be added at an entry" add entry rktest_victim:rktest_victim_traced
	seen entry trace "of an entry"
	check "the probe at the entry can be removed" remove entry
else
	omit "perf on an entry" "this kernel has no function tracer"
fi

# While perf has the event, neither the probe nor the module is removed.
id=$(cat "$tracing/events/rkprobes/work/id")
used_by=$("$perf_event" "$id" "echo -:work >$debugfs/probes; rmmod rkprobes; ls $debugfs/probe" 2>/dev/null | head -n 1)
same "perf keeps the probe and the module" "$used_by" work
echo 0 >"$debugfs/probe/work/enable"
same "perf arms a disabled probe" "$(used work call | cut -d' ' -f1)" counted=1000
wait_for "the disabled probe is taken out" state_is work disabled
check "the probe can be removed" remove work
refuse "perf does not find the number of a removed event" "$perf_event" "$id" true
unload_mod rkprobes
unload_mod rktest_victim
