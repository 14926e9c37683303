#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The life of events: removal while a consumer has the event, with open files and with records in a trace; many events; and consumers that come
# and go while the event is hit.
. ./functions.sh

tracing=/sys/kernel/tracing
[ -d "$tracing/events" ] || skip "this kernel has no events"
events=$tracing/events/rkprobes
place=rktest_victim:rktest_victim_work+4
instance=$tracing/instances/rklife
calls='' reader=''

# A test that is stopped leaves no process that calls the victim or reads the trace, and no event that is on.
# shellcheck disable=SC2317 # called by the trap
finish() {
	finish_status=$?
	# shellcheck disable=SC2086 # none or two processes
	[ -z "$calls$reader" ] || kill $calls $reader 2>/dev/null
	[ ! -e "$events/enable" ] || echo 0 >"$events/enable"
	(exit "$finish_status")
	at_exit
}
trap finish EXIT
load_mod rktest_victim
load_mod rkprobes

# records NAME FILE: how many records of the event the trace has.
records() {
	grep -c " $1: (" "$2"
}

# kept WHY: the event work is in use, so its probe stays.
kept() {
	same "$1 keeps the probe" "$(echo -:work | write_probes)" 'Device or resource busy'
	check "the event is still there" [ -e "$events/work/format" ]
}

# Each consumer.
check "a probe can be added" add work "$place x=%di"
echo 1 >"$events/work/enable"
kept "the trace"
echo 0 >"$events/work/enable"
mkdir "$instance"
echo 1 >"$instance/events/rkprobes/work/enable"
kept "an instance"
ask rktest_victim call 5 >/dev/null
same "the instance has the records" "$(records work "$instance/trace")" 5
refuse "the module is not unloaded while an instance has the event" rmmod rkprobes
check "the instance can be removed with the event on" rmdir "$instance"
if { echo stacktrace >"$events/work/trigger"; } 2>/dev/null; then
	kept "a trigger"
	echo '!stacktrace' >"$events/work/trigger"
else
	omit "a trigger" "this kernel has no triggers"
fi
if { echo "e:rklife/later rkprobes.work x=\$x" >>"$tracing/dynamic_events"; } 2>/dev/null; then
	kept "an event probe that is off"
	echo 1 >"$tracing/events/rklife/later/enable"
	kept "an event probe"
	echo >"$tracing/trace"
	ask rktest_victim call 5 >/dev/null
	same "the event probe has records" "$(records later "$tracing/trace")" 5
	echo 0 >"$tracing/events/rklife/later/enable"
	echo '-:rklife/later' >>"$tracing/dynamic_events"
else
	omit "an event probe" "this kernel has no event probes"
fi

# Open files of a removed event.
exec 4<"$events/work/format" 5>"$events/work/enable" 6<"$events/work/trigger" 7<"$events/work/id"
check "the probe can be removed with open files" remove work
check "the event is gone" [ ! -e "$events/work" ]
refuse "format cannot be read any more" cat <&4
refuse "enable cannot be written any more" sh -c 'echo 1 >&5'
refuse "trigger cannot be read any more" cat <&6
cat <&7 >/dev/null 2>&1
exec 4<&- 5>&- 6<&- 7<&-

# The number of a removed event is used again. Its records are not those of the next event.
mkdir "$instance"
check "an event can be added" add old "$place x=%di"
id=$(cat "$events/old/id")
echo 1 >"$events/old/enable"
echo 1 >"$instance/events/rkprobes/old/enable"
ask rktest_victim call 5 >/dev/null
same "the trace has the records" "$(records old "$tracing/trace")" 5
same "the instance has the records too" "$(records old "$instance/trace")" 5
echo 0 >"$events/old/enable"
echo 0 >"$instance/events/rkprobes/old/enable"
cat >/tmp/rklife.$$ <<-END
	p:other $place
	-:old
	-:no_such_probe
	-:other
	p:new $place y=%si
END
write_probes </tmp/rklife.$$ >/dev/null
rm /tmp/rklife.$$
same "the next event has the number" "$(cat "$events/new/id")" "$id"
for trace in "$tracing/trace" "$instance/trace"; do
	same "no record of the removed event is in ${trace#"$tracing/"}" "$(records old "$trace")" 0
	same "no record is printed as one of the next event in ${trace#"$tracing/"}" "$(records new "$trace")" 0
done
# A removal that fails after one that does not.
check "another event can be added" add busy "$place"
echo 1 >"$events/new/enable"
ask rktest_victim call 5 >/dev/null
echo 0 >"$events/new/enable"
echo 1 >"$events/busy/enable"
printf -- '-:new\n-:busy\n' | write_probes >/dev/null
same "the event in use is left" "$(ls "$debugfs/probe")" busy
check "the number is given again" add next "$place"
same "the number is that of the removed event" "$(cat "$events/next/id")" "$id"
same "no record is printed as one of that event" "$(records next "$tracing/trace")" 0
echo 0 >"$events/busy/enable"
check "the events can be removed" sh -c "printf -- '-:next\n-:busy\n' >$debugfs/probes"
rmdir "$instance"

# Names that events cannot have.
for name in enable filter; do
	check "a probe can be named $name" add $name "$place"
	check "its event has another name" [ -d "$events/${name}_" ]
	check "the file of all events is still there" [ -f "$events/$name" ]
	check "it can be removed" remove $name
done

# Lines that name one probe twice: the later one fails. A line between them that fails keeps its probe.
printf 'p:twice %s\np:used %s\np:once %s\n' "$place" "$place" "$place" | write_probes || fail "probes cannot be added"
echo 1 >"$events/used/enable"
same "a write that names a probe twice fails" "$(printf -- '-:once\n-:twice\n-:used\n-:twice\n' | write_probes)" 'Device or resource busy'
same "the lines 3 and 4 have failed" "$(sed 's/ .*//' "$debugfs/errors" | tr '\n' ' ')" '3: 4: '
same "the event in use is left" "$(ls "$debugfs/probe")" used
echo 0 >"$events/used/enable"
check "it can be removed now" remove used

# Many events, three times: numbers are used again.
many=1000
awk -v many=$many -v place="$place" 'BEGIN { for (i = 0; i < many; i++) print "p:m" i " " place " i=\\" i " x=%di:u32" }' >/tmp/rklife.$$
sed 's/^p:\([^ ]*\) .*/-:\1/' /tmp/rklife.$$ >/tmp/rklife.$$.removals
for round in 1 2 3; do
	check "$many events are added in round $round" write_probes </tmp/rklife.$$
	same "each has a directory in round $round" "$(find "$events" -maxdepth 1 -name 'm*' | wc -l)" $many
	echo >"$tracing/trace"
	echo 1 >"$events/enable"
	ask rktest_victim call 1 >/dev/null
	echo 0 >"$events/enable"
	same "each has a record of the call in round $round" "$(grep -c ' m[0-9]*: (rktest_victim_work+0x4' "$tracing/trace")" $many
	same "each record is of its event in round $round" "$(sed -n 's/^.* m\([0-9]*\): ([^)]*) i=\(0x[0-9a-f]*\) .*/\1 \2/p' "$tracing/trace" | awk '{ if (sprintf("0x%x", $1) != $2) print }')" ""
	check "all are removed in round $round" write_probes </tmp/rklife.$$.removals
	same "no record is left in round $round" "$(grep -c ' m[0-9]*: (' "$tracing/trace")" 0
done
rm /tmp/rklife.$$ /tmp/rklife.$$.removals

# Consumers come and go while the event is hit.
(while :; do echo call 2000 >/sys/module/rktest_victim/parameters/command || exit; done) &
calls=$!
cat "$tracing/trace_pipe" >/dev/null &
reader=$!
round=0
while [ $round -lt 12 ]; do
	round=$((round + 1))
	add work "$place x=%di s=+0(%si):string" || fail "a probe cannot be added in round $round"
	echo 1 >"$events/work/enable"
	mkdir "$instance"
	echo 1 >"$instance/events/rkprobes/work/enable"
	[ $((round % 2)) = 0 ] || flush
	echo 0 >"$events/work/enable"
	rmdir "$instance" || fail "the instance cannot be removed in round $round"
	remove work || fail "the probe cannot be removed in round $round"
done
pass "consumers came and went $round times while the event was hit"

# The event is removed directly after its consumer is off, without an instance, whose removal would wait for hits. A hit under way has the filter.
round=0
while [ $round -lt 20 ]; do
	round=$((round + 1))
	echo "p:work $place x=%di s=+0(%si):string" >"$debugfs/probes" || fail "a probe cannot be added in round $round"
	echo 'x >= 0 && common_pid > 0' >"$events/work/filter"
	echo 1 >"$events/work/enable"
	echo 0 >"$events/work/enable"
	echo -:work >"$debugfs/probes" || fail "the probe cannot be removed in round $round"
done
kill $calls $reader
wait $calls $reader 2>/dev/null
calls='' reader=''
pass "an event with a filter was removed $round times while it was hit"
same "no probe is left" "$(stat_of probes)" 0

# An event probe that is off keeps the event when the module is unloaded. Records of the event are in the trace, so no other event gets its number,
# and no other printer its records. The event is left until the next boot, so its name is that of no other run.
left=left$$
check "a probe can be added again" add "$left" "$place x=%di"
if { echo "e:rklife/later rkprobes.$left x=\$x" >>"$tracing/dynamic_events"; } 2>/dev/null; then
	id=$(cat "$events/$left/id")
	format=$(cat "$events/$left/format")
	echo >"$tracing/trace"
	echo 1 >"$events/$left/enable"
	ask rktest_victim call 5 >/dev/null
	echo 0 >"$events/$left/enable"
	same "the trace has the records of the event" "$(records "$left" "$tracing/trace")" 5
	unload_mod rkprobes
	same "the format of the event is left" "$(cat "$events/$left/format")" "$format"
	same "no record is printed by the unloaded module" "$(records "$left" "$tracing/trace")" 0
	same "the records have the number of the event" "$(grep -c "type: $id\$" "$tracing/trace")" 5
	echo 1 >"$tracing/events/rklife/later/enable"
	ask rktest_victim call 5 >/dev/null
	echo 0 >"$tracing/events/rklife/later/enable"
	load_mod rkprobes
	check "a probe can be added after the module is loaded again" add next "$place"
	check "its event has another number" [ "$(cat "$events/next/id")" != "$id" ]
	same "none of its records is that of the event that is left" "$(records next "$tracing/trace")" 0
	check "it can be removed" remove next
	echo '-:rklife/later' >>"$tracing/dynamic_events"
else
	omit "an event that is left" "this kernel has no event probes"
fi
unload_mod rkprobes
unload_mod rktest_victim
