#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Events in the functions of the ring buffer, the trace, perf, and reads of memory. All are on, and the trace and perf read. The records that the
# ring buffer has counted are the hits of all events. Functions that write records take no probe, because the function tracer calls them on the
# way to a handler.
. ./functions.sh

tracing=/sys/kernel/tracing
[ -d "$tracing/events" ] || skip "this kernel has no events"
perf_event=$here/../perf_event
[ -x "$perf_event" ] || perf_event=$here/test_modules/perf_event
events=$tracing/events/rkprobes
lines=/tmp/rkrecursion.$$

# A test that fails leaves no event that is on, because that keeps the module loaded.
# shellcheck disable=SC2317 # called by the trap
finish() {
	finish_status=$?
	[ -z "${reader:-}" ] || kill "$reader" 2>/dev/null
	[ ! -e "$events/enable" ] || echo 0 >"$events/enable"
	(exit "$finish_status")
	at_exit
}
trap finish EXIT
load_mod rktest_victim
load_mod rkprobes

# sum FILE: the sum of a file of all probes in the functions.
sum() {
	cat "$debugfs"/probe/e*/"$1" | awk '{ sum += $NF } END { print sum + 0 }'
}

# first_place NAME SYMBOL: a probe at the first instruction after the entry that takes one.
first_place() {
	for first_offset in 4 5 6 7 8 9 10 11 12 13 14 15 16; do
		{ add "$1" "$2+$first_offset"; } 2>/dev/null && return
	done
	return 1
}

called() {
	ask rktest_victim call "$1" >/dev/null
}

missed() {
	of "$1" missed | awk '{ print $2 }'
}

# written: how many records were written to the trace, also those that were read, overwritten or had no room.
written() {
	cat "$tracing"/per_cpu/cpu*/stats | awk '/^(entries|overrun|commit overrun|dropped events|read events):/ { sum += $NF } END { print sum + 0 }'
}

# Each function has an event at its entry, and events at two offsets. Most offsets are not those of an instruction, so most lines are refused.
# The probes are disabled until a consumer has their events.
awk '
	NF == 3 && $2 ~ /[tT]/ && $3 !~ /^__(pfx|cfi)_|[.]|show$|_init$|^trace_(raw|event_raw|event_get_offsets)/ &&
	$3 ~ /^_*(ring_buffer_|rb_|trace_buffer|trace_event_buffer|trace_(array|seq|clock|find)|tracing_|perf_(trace|tp|swevent|output|event_output)|(copy|strncpy)_from_(kernel|user)_nofault|event_trigger|print_trace|filter_match)/ {
		if (seen[$3]++)
			next
		print "p:e" n " " $3 " enable=0"
		print "p:e" n "a " $3 "+9 enable=0 x=%di"
		print "p:e" n "b " $3 "+17 enable=0 x=%di"
		n++
	}' /proc/kallsyms >$lines
write_probes <$lines >/dev/null
rm $lines
added=$(stat_of probes)
[ "$added" -ge 100 ] || fail "only $added probes are accepted"
pass "at least 100 probes are accepted"
check "a probe has an argument that reads memory" add work "rktest_victim:rktest_victim_work+4 enable=0 top=+0(%sp):u64"

echo 0 >"$debugfs/optimization"
echo >"$tracing/trace"
records=$(written)
# All probes are armed after the last event is on, and disarmed before the first one is off: a hit of a probe whose event is off is no record.
echo 0 >"$debugfs/enabled"
echo 1 >"$events/enable"
echo 1 >"$debugfs/enabled"
# Its event stays off, so its hits are no records.
reads=''
if first_place read copy_from_kernel_nofault; then
	pass "a probe counts the reads of memory"
	reads=$(missed read)
else
	omit "a probe counts the reads of memory" "copy_from_kernel_nofault takes none here"
fi
cat "$tracing/trace_pipe" >/dev/null &
reader=$!
check "the victim makes its calls with breakpoints" called 2000
echo 1 >"$debugfs/optimization"
flush
check "the victim makes its calls with jumps" called 2000
if [ -x "$perf_event" ]; then
	seen=$("$perf_event" "$(cat "$events/work/id")" "echo call 1000 >/sys/module/rktest_victim/parameters/command")
	same "perf and BPF see each hit" "$(echo "$seen" | cut -d' ' -f1-3)" "counted=1000 ran=1000 samples=1000"
else
	omit "perf and BPF see each hit" "perf_event is not built"
	called 1000
fi
kill $reader
wait $reader 2>/dev/null
reader=''
echo 0 >"$debugfs/enabled"
echo 0 >"$events/enable"
records=$(($(written) - records))
[ -z "$reads" ] || reads=$(($(missed read) - reads))
hits=$(sum hits)
same "each call is a hit" "$(of work hits)" 5000
[ -z "$reads" ] || same "each argument is read once for all consumers" "$reads" 5000
same "each hit of an event is one record" "$records" $((hits + 5000))
check "the functions are hit outside of handlers" [ "$hits" -gt 0 ]
check "the functions miss hits inside of handlers" [ "$(sum missed)" -gt 0 ]
unload_mod rkprobes
unload_mod rktest_victim
