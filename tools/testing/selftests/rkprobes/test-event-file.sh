#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# rkprobe_events in tracefs: it behaves as kprobe_events does. And the groups of events, in both files.
. ./functions.sh

tracing=/sys/kernel/tracing
[ -d "$tracing/events" ] || skip "this kernel has no events"
file=$tracing/rkprobe_events
events=$tracing/events
place=rktest_victim:rktest_victim_work+4
load_mod rktest_victim
load_mod rkprobes
[ -e "$file" ] || fail "there is no rkprobe_events"

# records NAME: how many records of the event the trace has.
records() {
	grep -c " $1: (rktest_victim_work+0x" "$tracing/trace"
}

# event COMMAND: appends one line, without a newline, in one write.
event() {
	printf '%s' "$1" >>"$file"
}

same "the file is empty" "$(cat "$file")" ""
check "a line makes an event" event "p:first $place"
check "the event is there" [ -d "$events/rkprobes/first" ]
same "the probe is not armed" "$(of first state)" disabled
ask rktest_victim call 10 >/dev/null
same "it counts no hits" "$(of first hits)" 0
echo 1 >"$events/rkprobes/first/enable"
echo >"$tracing/trace"
ask rktest_victim call 10 >/dev/null
same "ten calls give ten records while the event is on" "$(records first)" 10
same "rkprobe_profile has the hits and the misses" "$(awk '{ print $1, $2, $3 }' "$tracing/rkprobe_profile")" "first 10 0"

# What truncates the file removes its probes, or none.
check "a probe of the other file" add other "$place"
check "a second event" event "p:second $place x=%di"
refuse "the file is not truncated while an event is in use" sh -c ": >$file"
same "all events are left" "$(cut -d' ' -f1 "$file" | tr '\n' ' ')" "p:rkprobes/first p:rkprobes/second "
echo 0 >"$events/rkprobes/first/enable"
wait_for "the probe is taken out" state_is first disabled
check "the file is truncated" sh -c ": >$file"
same "the file is empty again" "$(cat "$file")" ""
same "the events are gone" "$(find "$events/rkprobes" -mindepth 1 -type d | sed 's:.*/::')" other
same "the probe of the other file is left" "$(cat "$debugfs/probes")" "p:other $place"
check "it is removed by this file too" event "-:other"
same "no probe is left" "$(stat_of probes)" 0

# The file gives lines that make equal probes.
lines=$(printf 'p:grp/two %s enable=1 limit=500000 name=%%si:u32\np:rkprobes/one %s arg1=%%di arg2=+0(%%sp):x64' "$place" "$place")
cat >/tmp/rkevents.$$ <<-END
	p:one $place %di +0(%sp):x64
	# a comment

	p:grp/two $place limit=500000 enable=1 name=%si:u32
END
check "lines are added by one write" sh -c "cat /tmp/rkevents.$$ >$file"
rm /tmp/rkevents.$$
same "reading shows the groups and the names of arguments" "$(cat "$file")" "$lines"
check "the event is in its group" [ -d "$events/grp/two" ]
check "the other event is in the group of rkprobes" [ -d "$events/rkprobes/one" ]
same "the directory of the probe has the group" "$(of grp:two limit)" 500000
check "what was read is written" sh -c "cat $file >/tmp/rkevents.$$ && cat /tmp/rkevents.$$ >$file"
same "the file gives the lines again" "$(cat "$file")" "$lines"
rm /tmp/rkevents.$$
same "probes has the group, and the setting" "$(grep '^p:grp' "$debugfs/probes")" "p:grp/two $place limit=500000 name=%si:u32"
refuse "a name in a group is given once" event "p:grp/two $place"
check "the name is free in another group" event "p:grp2/two $place"
check "an event of a group is removed by its group" event "-:grp2/two"
check "the group is gone" [ ! -e "$events/grp2" ]
check "an event of a group is removed without its group" event "-:two"
check "its group is gone" [ ! -e "$events/grp" ]
refuse "a name that is not there cannot be removed" event "-:two"
check "probes takes a group too" add grp/three "$place"
check "its event is in the group" [ -d "$events/grp/three" ]
same "it is no line of rkprobe_events" "$(grep -c three "$file")" 0
check "probes removes it" remove grp/three

# Events with several places, and removal by pattern.
check "the file is truncated once more" sh -c ": >$file"
loop=rktest_victim:rktest_victim_loop
lines="p:grp/all $loop+blocks,$place n=%di:x32
p:rkprobes/one $place"
check "events with one and with four places" event "$lines"
same "reading gives the lines" "$(cat "$file")" "$lines"
check "what was read is written" sh -c "cat $file >/tmp/rkevents.$$ && cat /tmp/rkevents.$$ >$file"
rm /tmp/rkevents.$$
same "the file gives the lines again" "$(cat "$file")" "$lines"
echo 1 >"$events/grp/all/enable"
echo >"$tracing/trace"
ask rktest_victim loop 3 >/dev/null
ask rktest_victim call 2 >/dev/null
same "each place gives records" "$(sed -n 's/.* all: (\(rktest_victim_[a-z]*+0x[0-9a-f]*\).*/\1/p' "$tracing/trace" | sort | uniq -c | awk '{ print $1, $2 }' | tr '\n' ' ')" \
	'1 rktest_victim_loop+0x0 1 rktest_victim_loop+0x10 3 rktest_victim_loop+0x7 2 rktest_victim_work+0x4 '
same "rkprobe_profile has one line for all places" "$(awk '$1 == "all" { print $2, $3 }' "$tracing/rkprobe_profile")" "7 0"
echo 0 >"$events/grp/all/enable"
check "a probe of the other file" add grp/other "$place"
check "a pattern of a group removes events of the file" event "-:g*/*"
same "the event of the group is removed" "$(cat "$file")" "p:rkprobes/one $place"
same "the probe of the other file is left" "$(sed 's/ .*//' "$debugfs/probes" | tr '\n' ' ')" "p:grp/other p:one "
refuse "a pattern without a match is refused" event "-:grp/*"
check "a group is removed by the other file" add grp2/more "$place"
check "a removal of a whole group" sh -c "echo -:grp2/ >$debugfs/probes"
check "a pattern without a group stands for all groups" sh -c "echo '-:*o*' >$debugfs/probes"
same "all are removed" "$(cat "$debugfs/probes")" ""

# Names that are made, and what is refused.
check "a line without a name" event "p $place"
check "its event has the name of the symbol" [ -d "$events/rkprobes/p_rktest_victim_work_4" ]
for line in "p:/name $place" "p:a.b/name $place" "p:grp/a/b $place" "c:count $place" "p:bad $place %xx" "p:bad no_such_symbol" "x"; do
	refuse "refused: $line" event "$line"
done
check "errors has the last one" grep -q '^1: x: ' "$debugfs/errors"
if [ -e "$tracing/kprobe_events" ]; then
	check "kprobe_events takes an event of the group" sh -c "echo 'p:grp/taken vfs_read' >>$tracing/kprobe_events"
	refuse "its name is refused in the group" event "p:grp/taken $place"
	check "another name of the group is free" event "p:grp/free $place"
	check "it is removed" event "-:grp/free"
	check "the event of kprobe_events is removed" sh -c "echo -:grp/taken >>$tracing/kprobe_events"
else
	omit "an event of kprobe_events in a group" "this kernel has no kprobe events"
fi

# An open file keeps the module. A mount of the file does not, and the file can be opened by it later.
exec 4<"$file"
refuse "an open file keeps the module" rmmod rkprobes
exec 4<&-
: >/tmp/rkevents.$$
check "the file can be mounted elsewhere" mount --bind "$file" /tmp/rkevents.$$
unload_mod rkprobes
same "nothing is read from the mount of the removed file" "$(cat /tmp/rkevents.$$ 2>/dev/null)" ""
refuse "nothing is written to it" sh -c "echo -:x >/tmp/rkevents.$$"
# Tasks open the file while the module is unloaded.
: >/tmp/rkopen.$$
openers=
for _ in 1 2; do
	(while [ -e /tmp/rkopen.$$ ] && kill -0 $$; do cat "$file" /tmp/rkevents.$$; done) >/dev/null 2>&1 &
	openers="$openers $!"
done
for reload in 1 2 3 4 5; do
	load_mod rkprobes
	wait_for "the module is unloaded" rmmod rkprobes 2>/dev/null
	loaded=${loaded#rkprobes }
done
rm /tmp/rkopen.$$
# shellcheck disable=SC2086 # a list of processes
wait $openers
pass "the module is unloaded $reload times while tasks open the file"
load_mod rkprobes
check "the module can be loaded again" [ -e "$file" ]
umount /tmp/rkevents.$$
rm /tmp/rkevents.$$
check "the new file works" event "p:next $place"
unload_mod rkprobes
check "the file is gone with the module" [ ! -e "$file" ]
check "so is the event" [ ! -e "$events/rkprobes" ]
unload_mod rktest_victim
