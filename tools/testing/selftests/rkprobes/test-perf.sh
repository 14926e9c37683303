#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What perf is told of our text: each poke, an int3 after all CPUs see it and before it is taken out, and the memory of slots.
. ./functions.sh

perf_text=$here/../perf_text
[ -x "$perf_text" ] || perf_text=$here/test_modules/perf_text
tracing=/sys/kernel/tracing
work=/tmp/rkprobes-perf.$$
load_mod rktest_functions
target=rktest_functions:rktest_alu
load_mod rkprobes optimize_delay=15000

# The order of the kernel's functions for a probe that is an int3.
order() {
	sed -n 's/^.*: \(text_poke\|perf_event_text_poke\|smp_text_poke_sync_each_cpu\) <-.*/\1/p' "$tracing/trace" | tr '\n' ' '
}

trace_kernel() {
	for traced in text_poke perf_event_text_poke smp_text_poke_sync_each_cpu; do
		echo $traced >>"$tracing/set_ftrace_filter" || return 1
	done 2>/dev/null
	echo function >"$tracing/current_tracer"
}

echo 0 >"$debugfs/optimization"
check "a probe, so that there are slots" add first $target
same "its bytes are an int3" "$(bytes first current | cut -c1-2)" cc
if [ -e "$tracing/current_tracer" ] && trace_kernel; then
	echo >"$tracing/trace"
	add second $target && remove second
	shared=$(order)
	echo >"$tracing/trace"
	echo 0 >"$debugfs/probe/first/enable"
	removed=$(order)
	echo >"$tracing/trace"
	echo 1 >"$debugfs/probe/first/enable"
	armed=$(order)
	echo nop >"$tracing/current_tracer"
	echo >"$tracing/set_ftrace_filter"
	same "another probe at the address pokes nothing" "$shared" ""
	same "perf is told before the int3 is taken out" "$removed" "perf_event_text_poke text_poke smp_text_poke_sync_each_cpu "
	same "perf is told after all CPUs see the int3" "$armed" "text_poke smp_text_poke_sync_each_cpu perf_event_text_poke "
else
	omit "the order of pokes and events" "the function tracer cannot trace text_poke"
fi
addr=$(sed -n 's/^\([0-9a-f]*\)  k .*/\1/p' "$debugfs/list" | head -n 1)
first=$(bytes first original | cut -c1-2)
check "the probe can be removed" remove first
flush
unload_mod rkprobes

[ -x "$perf_text" ] || skip "perf_text is not built"
cat >"$work" <<END
set -e
insmod $(module_file rkprobes) optimize_delay=15000
echo 0 >$debugfs/optimization
echo p:one $target >$debugfs/probes
echo 1 >$debugfs/optimization
echo 1 >$debugfs/flush
echo 0 >$debugfs/optimization
echo 1 >$debugfs/flush
echo -:one >$debugfs/probes
rmmod rkprobes
END
check "perf can record what the module does" "$perf_text" "sh $work" >"$work.records"
grep -v '^ ' "$work.records" >"$work.perf"
rm "$work"
same "pokes of the site: armed, jump, int3, removed" \
	"$(sed -n "s/^poke $addr \(..\)[0-9a-f]* \(..\)[0-9a-f]*$/\1 \2/p" "$work.perf" | tr '\n' ';')" "$first cc;cc e9;e9 cc;cc $first;"
ours=$(grep -c '^ksymbol .* rkprobes_slots$' "$work.perf")
check "memory of slots is a symbol" [ "$ours" -ge 2 ]
same "each is registered and unregistered" "$(grep -c '^ksymbol .* registered rkprobes_slots$' "$work.perf")" \
	"$(grep -c '^ksymbol .* unregistered rkprobes_slots$' "$work.perf")"
inside=$(awk '
	function value(text,   n, i) { n = 0; for (i = length(text) - 8; i <= length(text); i++) n = n * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1; return n }
	/^ksymbol .* registered rkprobes_slots$/ && $4 == "registered" { start = value($2); end = start + $3 }
	/^poke/ && value($2) >= start && value($2) < end { n++ }
	END { print n + 0 }' "$work.perf")
check "a slot that is written is inside" [ "$inside" -ge 1 ]
rm "$work.records" "$work.perf"
unload_mod rktest_functions
