#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A symbol that stands for two functions, as in a module without local symbols: each has its own entry of the function tracer.
. ./functions.sh

tracing=/sys/kernel/tracing
[ -e "$tracing/current_tracer" ] || skip "no function tracer in this kernel"
load_mod rkprobes
load_mod rktest_stripped
entry=$(ask rktest_stripped entry)
plain=$(ask rktest_stripped call 10)

check "a probe at the first entry" add first rktest_stripped:rktest_stripped_first
same "its state" "$(of first state)" ftrace
refuse "a probe at the second entry" add second "rktest_stripped:rktest_stripped_first+$entry"
check "the reason" grep -q "rktest_stripped_first+$entry: .*function entry without the function tracer" "$debugfs/errors"
same "results" "$(ask rktest_stripped call 10)" "$plain"
same "hits" "$(of first hits)" 10
echo rktest_stripped_first >"$tracing/set_ftrace_filter"
check "the function tracer" sh -c "echo function >$tracing/current_tracer"
same "results with the tracer" "$(ask rktest_stripped call 10)" "$plain"
same "hits with the tracer" "$(of first hits)" 20
same "calls that the tracer saw" "$(grep -c rktest_stripped_first "$tracing/trace")" 10
echo nop >"$tracing/current_tracer"
echo >"$tracing/set_ftrace_filter"
check "a probe after the second entry" add after "rktest_stripped:rktest_stripped_first+$((entry + 5))"
flush
same "it is a jump" "$(of after state)" optimized
same "results with both" "$(ask rktest_stripped call 10)" "$plain"
same "hits of both" "$(of first hits) $(of after hits)" "30 10"
unload_mod rkprobes
same "results at the end" "$(ask rktest_stripped call 10)" "$plain"
