#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Probes at a function's entry, which ftrace attaches: alone, together with the function tracer in both orders, and in a module that goes.
. ./functions.sh

tracing=/sys/kernel/tracing
[ -e "$tracing/current_tracer" ] || skip "no function tracer in this kernel"
load_mod rktest_victim
load_mod rkprobes
plain=$(ask rktest_victim trace 10)

# called HITS WHEN: ten calls give the results they must and that many hits.
called() {
	before=$(of entry hits)
	same "results $2" "$(ask rktest_victim trace 10)" "$plain"
	same "hits $2" $(($(of entry hits) - before)) "$1"
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

check "add" add entry rktest_victim:rktest_victim_traced
same "state" "$(of entry state)" ftrace
check "[FTRACE] in the list" grep -q 'rktest_victim_traced+0x[0-9a-f]*  \[rktest_victim\] *\[FTRACE\]' "$debugfs/list"
called 10 "alone"
flush
same "state after a flush" "$(of entry state)" ftrace
check "another at the same place" add second rktest_victim:rktest_victim_traced
called 10 "with another"
same "hits of the other" "$(of second hits)" 10
check "remove the other" remove second
echo 0 >"$debugfs/probe/entry/enable"
called 0 "while disabled"
same "state while disabled" "$(of entry state)" disabled
echo 1 >"$debugfs/probe/entry/enable"
called 10 "enabled again"
echo 0 >"$debugfs/enabled"
called 0 "when all are disarmed"
echo 1 >"$debugfs/enabled"
called 10 "when all are armed again"

# The switch of ftrace: whoever comes first, entries are hit.
ftrace_enabled=/proc/sys/kernel/ftrace_enabled
switch_off() {
	echo 0 >$ftrace_enabled
}
refuse "switch ftrace off under a probe" switch_off
same "it is on" "$(cat $ftrace_enabled)" 1
called 10 "after that"
check "remove" remove entry
unload_mod rkprobes
load_mod rkprobes
refuse "switch ftrace off before the first probe" switch_off
check "add" add entry rktest_victim:rktest_victim_traced
called 10 "added after that"

check "the tracer comes second" tracer_on
called 10 "with the tracer"
check "the tracer sees it, too" traced
check "the tracer goes first" tracer_off
called 10 "after the tracer"
check "the tracer comes again" tracer_on
check "remove before the tracer goes" remove entry
same "results under the tracer" "$(ask rktest_victim trace 10)" "$plain"
check "the tracer is first" add entry rktest_victim:rktest_victim_traced
called 10 "added under the tracer"
check "the tracer goes" tracer_off
called 10 "at the end"

unload_mod rktest_victim
same "state after unload" "$(of entry state)" gone
load_mod rktest_victim
same "results of the new text" "$(ask rktest_victim trace 10)" "$plain"
same "still gone" "$(of entry state)" gone
check "remove what is gone" remove entry
check "add in the new text" add entry rktest_victim:rktest_victim_traced
called 10 "in the new text"
unload_mod rkprobes
refuse "ftrace has it no more" grep -q rktest_victim_traced "$tracing/enabled_functions"
same "results at the end" "$(ask rktest_victim trace 10)" "$plain"
