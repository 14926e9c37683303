#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The arguments of events. Each line is given to kprobe_events and to rkprobes, at one place, with one series of calls: the fields, the print
# format and all values must be equal, with a breakpoint and with a jump. What kprobe_events refuses is refused.
. ./functions.sh

tracing=/sys/kernel/tracing
[ -e "$tracing/kprobe_events" ] || skip "this kernel has no kprobe events"
load_mod rktest_victim
load_mod rkprobes
# Of the stack only the return address is equal in all tasks. kprobe_events takes functions with an ftrace entry only. The place is the first instruction after the entry that both can probe.
place=
for offset in 4 5 6 7 8 9 10 11 12 13; do
	place=rktest_victim:rktest_victim_traced+$offset
	if { echo "p:krk/work $place" >"$tracing/kprobe_events"; } 2>/dev/null; then
		echo >"$tracing/kprobe_events"
		{ add work "$place"; } 2>/dev/null && remove work && break
	fi
	place=
done
[ -n "$place" ] || fail "no place that both can probe"

# fields DIR: the fields and the print format of the event, without its name and number.
fields() {
	sed -n '/__probe_ip/,$p' "$1/format"
}

# values DIR: the arguments of three calls.
values() {
	echo >"$tracing/trace"
	echo 1 >"$1/enable"
	ask rktest_victim trace 3 >/dev/null
	echo 0 >"$1/enable"
	sed -n 's/^.* work: ([^)]*)//p' "$tracing/trace"
}

# equal ARGUMENTS
equal() {
	echo "p:krk/work $place $1" >"$tracing/kprobe_events" || fail "kprobe_events refuses $1"
	native_fields=$(fields "$tracing/events/krk/work")
	native_values=$(values "$tracing/events/krk/work")
	echo >"$tracing/kprobe_events"
	[ "$(echo "$native_values" | wc -l)" = 3 ] || fail "kprobe_events has other than three records: $1"
	check "a probe has the arguments $1" add work "$place $1"
	same "the fields are equal" "$(fields "$tracing/events/rkprobes/work")" "$native_fields"
	echo 0 >"$debugfs/optimization"
	same "the values are equal with a breakpoint" "$(values "$tracing/events/rkprobes/work")" "$native_values"
	echo 1 >"$debugfs/optimization"
	flush
	same "the values are equal after the optimizer ran" "$(values "$tracing/events/rkprobes/work")" "$native_values"
	same "the line is shown as it was written" "$(cat "$debugfs/probes")" "p:work $place $1"
	remove work
}

while read -r arguments; do
	equal "$arguments"
done <<-'END'
	%di
	x=%di y=%di:u64 z=%di:s8
	%di:u8 %di:u16 %di:u32 %di:x8 %di:x16 %di:x32 %di:x64 %di:s16 %di:s32 %di:s64
	%ip %cs %flags:x16
	$stack0 $stack0:u32
	+0(%sp) +4(%sp):x32 +0($stack):x16 -8(+0(%sp)):u8 +4(+0(%sp)):x64
	name=$comm $comm:string
	\5 \-1:s32 \0x10:u8
	@linux_banner:u8 @linux_banner+1:char @linux_banner:u64
	line=+0(@saved_command_line):x8 text=+0(@saved_command_line):string tail=+3(@saved_command_line):string
	banner=@linux_banner:string tail=@linux_banner+6:string
	text=+0(%di):string
	fault=+u0(%di):ustring
	%di:b4@0/32 %di:b1@1/8
	text=\"hello"
	@linux_banner:x64[3] @linux_banner:char[5] +0(%sp):u8[8] +0(%sp):u32[2]
	%ip:symbol +0(%sp):symbol
END

# refused ARGUMENTS COLUMN
refused() {
	refuse "kprobe_events refuses $1" sh -c "echo 'p:krk/work $place $1' >$tracing/kprobe_events"
	refuse "the argument is refused: $1" add work "$place $1"
	text=$(cat "$debugfs/errors")
	case $text in
	*": column $2: "*) pass "errors names column $2" ;;
	*) fail "errors names another column than $2: $text" ;;
	esac
	same "no probe is left" "$(stat_of probes)" 0
}

base=$(printf 'p:work %s ' "$place" | wc -c)
refused '%xx' $((base + 1))
refused 'a=%di a=%si' $((base + 7))
refused '%di:u63' $((base + 5))
refused '+0(%di' $((base + 7))
refused "\$foo" $((base + 1))
unload_mod rkprobes
unload_mod rktest_victim
