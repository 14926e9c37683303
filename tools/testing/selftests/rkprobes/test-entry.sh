#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Probes at a function's entry, which ftrace attaches: alone, together with the function tracer in both orders, and in a module that is unloaded.
. ./functions.sh

tracing=/sys/kernel/tracing
[ -e "$tracing/current_tracer" ] || skip "this kernel has no function tracer"
load_mod rktest_victim
load_mod rkprobes
plain=$(ask rktest_victim trace 10)

# called HITS WHEN: ten calls give the right results and that many hits.
called() {
	before=$(of entry hits)
	same "results are right $2" "$(ask rktest_victim trace 10)" "$plain"
	same "the probe has $1 hits $2" $(($(of entry hits) - before)) "$1"
}

tracer_on() {
	echo rktest_victim_traced >"$tracing/set_ftrace_filter" && echo function >"$tracing/current_tracer"
}

tracer_off() {
	echo nop >"$tracing/current_tracer" && echo >"$tracing/set_ftrace_filter"
}

traced() {
	grep -q rktest_victim_traced "$tracing/trace"
}

check "the tracer knows functions of the module" grep -q '\[rkprobes\]' "$tracing/available_filter_functions"
refuse "the callback for entries cannot be traced" grep -q '^rk_ftrace_fn ' "$tracing/available_filter_functions"
check "a probe can be added at the entry" add entry rktest_victim:rktest_victim_traced
same "the state is ftrace" "$(of entry state)" ftrace
check "list marks the probe with [FTRACE]" grep -q 'rktest_victim_traced+0x[0-9a-f]*  \[rktest_victim\] *\[FTRACE\]' "$debugfs/list"
called 10 "with one probe"
flush
same "the state is ftrace after a flush" "$(of entry state)" ftrace
check "a second probe can be added at the entry" add second rktest_victim:rktest_victim_traced
called 10 "with two probes"
same "the second probe has 10 hits" "$(of second hits)" 10
check "the second probe can be removed" remove second
echo 0 >"$debugfs/probe/entry/enable"
called 0 "while disabled"
same "the state is disabled while the probe is disabled" "$(of entry state)" disabled
echo 1 >"$debugfs/probe/entry/enable"
called 10 "when it is enabled again"
echo 0 >"$debugfs/enabled"
called 0 "when all probes are disarmed"
echo 1 >"$debugfs/enabled"
called 10 "when all probes are armed again"

# The switch of ftrace. Entries are hit, in whatever order the switch is tried and the probe is added.
ftrace_enabled=/proc/sys/kernel/ftrace_enabled
switch_off() {
	echo 0 >$ftrace_enabled
}
refuse "ftrace cannot be switched off while it attaches a probe" switch_off
same "ftrace is still on" "$(cat $ftrace_enabled)" 1
called 10 "after the attempt to switch ftrace off"
check "the probe at the entry can be removed" remove entry
unload_mod rkprobes
load_mod rkprobes
if switch_off 2>/dev/null; then
	# Only before Linux 7.3.
	refuse "a probe cannot be added at the entry while ftrace is off" add entry rktest_victim:rktest_victim_traced
	flush
	same "no site is left of it" "$(stat_of sites)" 0
	echo 1 >$ftrace_enabled
else
	check "ftrace cannot be switched off before the first probe" true
fi
same "ftrace is on before the first probe" "$(cat $ftrace_enabled)" 1
check "a probe can be added at the entry" add entry rktest_victim:rktest_victim_traced
called 10 "when it was added after the attempt"

check "the tracer can start after the probe was added" tracer_on
called 10 "with the tracer"
check "the tracer has traced the function" traced
check "the tracer can stop before the probe is removed" tracer_off
called 10 "after the tracer stopped"
check "the tracer can start again" tracer_on
check "the probe can be removed while the tracer runs" remove entry
same "results are right while the tracer runs" "$(ask rktest_victim trace 10)" "$plain"
check "a probe can be added while the tracer runs" add entry rktest_victim:rktest_victim_traced
called 10 "when it was added while the tracer runs"
check "the tracer can stop" tracer_off
called 10 "after the tracer stopped for good"

unload_mod rktest_victim
same "the probe waits after the module is unloaded" "$(of entry state)" "waiting for module rktest_victim"
load_mod rktest_victim
same "the probe is at the entry of the new text" "$(of entry state)" ftrace
called 10 "in the new text"
unload_mod rkprobes
refuse "ftrace no longer has the entry after rkprobes is unloaded" grep -q rktest_victim_traced "$tracing/enabled_functions"
same "results are right at the end" "$(ask rktest_victim trace 10)" "$plain"
