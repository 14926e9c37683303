#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Livepatches. Text of a livepatch is written by the kernel long after it was loaded, so it takes no probe. A function that is probed, called
# all the time and called by probed functions can be patched, and the patch can be removed, with exact hits.
. ./functions.sh

patches=/sys/kernel/livepatch
[ -d $patches ] || skip "this kernel has no livepatch"
patch=$patches/rktest_live_patch

load_mod rkprobes

# 1. Text of a livepatch. The kernel writes an operand in it when the patched module is loaded, and clears it when that is unloaded.
load_mod rktest_live_patch
insn=rktest_live_patch:rktest_live_late+$(ask rktest_live_patch offset)
same "the reference is empty without the patched module" "$(ask rktest_live_patch late)" no
refuse "a probe on the instruction with the reference is refused" add late "$insn"
check "the refusal has the reason" grep -q "$insn: .*text of a livepatch" "$debugfs/errors"
flush
check "the patched module can be loaded" load_mod rktest_live
same "the kernel has written the reference" "$(ask rktest_live_patch late)" yes
refuse "a probe is refused with the patched module loaded" add late "$insn"
refuse "a probe at the entry of the new function is refused" add patched rktest_live_patch:patched
echo "$insn" >"$debugfs/explain"
check "explain says no for the reason" grep -q '^probe no: text of a livepatch' "$debugfs/explain"
unload_mod rktest_live
same "the kernel has cleared the reference" "$(ask rktest_live_patch late)" no
check "the patched module can be loaded again" load_mod rktest_live
same "the kernel has written the reference again" "$(ask rktest_live_patch late)" yes

transition_is_over() {
	[ "$(cat $patch/transition 2>/dev/null || echo 0)" = 0 ]
}
uptime_ms() {
	sed 's/^\([0-9]*\)\.\([0-9]*\) .*/\1\20/' /proc/uptime
}
# within WHAT: waits until the transition is over, and tells how long it took since the time in "begin". The kernel looks at the tasks once a
# second until it finds each of them outside of the function. On an emulated CPU with busy tasks that takes seconds without probes too.
within() {
	wait_for "$1: the transition is over" transition_is_over
	pass "$1: the transition took $(($(uptime_ms) - begin)) ms"
}
# A livepatch that stays would keep the modules of all later tests.
# shellcheck disable=SC2317 # called by the trap
finish() {
	finish_status=$?
	if [ -e $patch/enabled ]; then
		echo 0 >$patch/enabled
		until transition_is_over; do sleep 0.1; done
	fi
	(exit "$finish_status")
	at_exit
}
trap finish EXIT
unpatch() {
	begin=$(uptime_ms)
	echo 0 >$patch/enabled || fail "the livepatch cannot be disabled"
	within "$1"
	unload_mod rktest_live_patch
}
unpatch "no call, no probe"

# 2. Patched and unpatched under load. Each instruction of both functions that can be probed has a probe. They are straight lines, so each
# has one hit a call. Half of the probes only count.
# size_of FUNCTION: the distance to the next symbol of the module.
size_of() {
	# shellcheck disable=SC2046 # Two words.
	set -- $(awk '$4 == "[rktest_live]" { print $1, $3 }' /proc/kallsyms | sort | awk -v name="$1" 'found { print $1; exit } $2 == name { print $1; found = 1 }')
	echo $((0x$2 - 0x$1))
}
for offset in $(seq 0 $(($(size_of rktest_live_inner) - 1))); do
	echo "p:i$offset rktest_live:rktest_live_inner+$offset"
done >/tmp/lines
for offset in $(seq 0 $(($(size_of rktest_live_outer) - 1))); do
	echo "c:o$offset rktest_live:rktest_live_outer+$offset"
done >>/tmp/lines
write_probes </tmp/lines >/dev/null
rm /tmp/lines
# Probes in the padding that follows a function are never hit. All others are hit by each call.
check "the tasks can be started without a livepatch" ask rktest_live start 4
check "the tasks call the functions without a livepatch" ask rktest_live progress
# shellcheck disable=SC2046 # Three numbers.
set -- $(ask rktest_live stop)
old=$1 all=$1
same "all calls ran the old function" "$2 $3" "0 0"
for name in $(cd "$debugfs/probe" && echo [io][0-9]*); do
	[ "$(of "$name" hits)" != 0 ] || remove "$name"
done
inner=$(cd "$debugfs/probe" && echo i*) outer=$(cd "$debugfs/probe" && echo o*)
# shellcheck disable=SC2086 # One word a probe.
check "there are at least 3 probes in the function" [ "$(echo $inner | wc -w)" -ge 3 ]
# shellcheck disable=SC2086 # One word a probe.
check "there are at least 3 probes in its caller" [ "$(echo $outer | wc -w)" -ge 3 ]
entry='' body=''
for name in $inner; do
	if state_is "$name" ftrace; then entry="$entry $name"; else body="$body $name"; fi
done
check "there is a probe at the entry of the function that will be patched" [ -n "$entry" ]

# hits NAME...: the different numbers of hits of these probes.
hits() {
	for hits_name; do of "$hits_name" hits; done | sort -u | tr '\n' ' '
}
for lane in jump int3; do
	[ $lane = jump ] || echo 0 >"$debugfs/optimization"
	flush
	for name in $body; do
		[ $lane = int3 ] || echo "# $name: $(of "$name" state) $(of "$name" reason)"
	done
	check "the tasks can be started, $lane" ask rktest_live start 4
	check "the tasks call the functions, $lane" ask rktest_live progress
	begin=$(uptime_ms)
	load_mod rktest_live_patch
	within "patched, $lane"
	check "the tasks call the patch, $lane" ask rktest_live progress
	unpatch "unpatched, $lane"
	check "the tasks call the old function again, $lane" ask rktest_live progress
	# shellcheck disable=SC2046 # Three numbers.
	set -- $(ask rktest_live stop)
	old=$((old + $1)) all=$((all + $1 + $2))
	echo "# calls: $*"
	check "the old function was called, $lane" [ "$1" -gt 0 ]
	check "the patch was called, $lane" [ "$2" -gt 0 ]
	same "all results are right, $lane" "$3" 0
	# shellcheck disable=SC2086 # One word a probe.
	same "the probes in the caller are hit by each call, $lane" "$(hits $outer)" "$all "
	# shellcheck disable=SC2086 # One word a probe.
	same "the probes at the entry are hit by each call, $lane" "$(hits $entry)" "$all "
	# shellcheck disable=SC2086 # One word a probe.
	same "the probes in the old function are hit by each call of it, $lane" "$(hits $body)" "$old "
done
same "no hit was missed" "$(stat_of missed)" 0
unload_mod rktest_live
