#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Probes that wait for a module: they are armed before its init function runs, wait again after it is unloaded, and survive a loading that
# fails. What is written to their files while they wait takes effect when the module is loaded.
. ./functions.sh

tracing=/sys/kernel/tracing
victim=rktest_victim
waits="waiting for module $victim"
load_mod rkprobes

line() { echo "$1" >"$debugfs/probes"; }

# with_events: true if the kernel has events.
with_events() { [ -d $tracing/events ]; }

# started TIMES: the init function of the victim was hit so often.
started() {
	same "the probe in the init function has its hits" "$(of start hits)" "$1"
}

# Lines for a module that is not loaded.
check "a counter in an init function can be added" line "c:start $victim:rktest_victim_start+4"
same "its state" "$(of start state)" "$waits"
same "its reason" "$(of start reason)" "its module is not loaded"
same "it has no hits" "$(of start hits)" 0
same "enable reads 1" "$(of start enable)" 1
same "sites is empty" "$(of start sites)" ''
check "the log names the probe and the module" sh -c "dmesg | tail -n 20 | grep -q 'probe start waits for module $victim\$'"
cat >/tmp/waiting <<-END
	p:work $victim:rktest_victim_work+4
	c:dash rktest-victim:rktest_victim_work+10
	c:list $victim:rktest_victim_loop+blocks,vfs_read,$victim:rktest_victim_loop+11
	c:off $victim:rktest_victim_work+4 enable=0
	c:pattern $victim:rktest_victim_[lpw]*
	c:typo no_such_module:function
	c:all $victim:rktest_victim_loop+* limit=1000000
END
check "many lines can wait" write_probes </tmp/waiting
same "errors has nothing" "$(cat "$debugfs/errors")" ''
check "the log has one line for them" sh -c "dmesg | tail -n 5 | grep -q 'probe work waits for module $victim, and 6 more probes wait\$'"
same "a typo waits, too, and says for what" "$(of typo state)" 'waiting for module no_such_module'
same "a dash in the name of a module is an underscore" "$(of dash state)" "$waits"
flush
same "a list waits for a part of its targets" "$(of list state | sort)" "1 ftrace
2 $waits"
same "its reasons" "$(of list reason | sort)" "1 the function tracer calls it
2 its module is not loaded"
same "a pattern waits" "$(of pattern state)" "1 $waits"
same "only the site in the kernel is registered" "$(stat_of probes)" 1
line "c:start2 $victim:rktest_victim_start"
same "saved lines of waiting probes make them" "$(grep -v '^c:start' "$debugfs/probes")" "$(sort -t: -k2 /tmp/waiting)"
check "a waiting probe can be removed" remove start2
check "waiting probes can be removed by a pattern" line '-:[ao]*'
check "they can be added again" write_probes <<-END
	$(grep -E ':(off|all) ' /tmp/waiting)
END
for settings in 0 1; do
	echo $settings >"$debugfs/probe/dash/enable"
	same "enable keeps $settings while the probe waits" "$(of dash enable)" $settings
done
echo 77777777 >"$debugfs/probe/dash/limit"
same "limit keeps its value while the probe waits" "$(of dash limit)" 77777777
check "probes has the limit" grep -q '^c:dash .* limit=77777777$' "$debugfs/probes"
! with_events || echo 1 >$tracing/events/rkprobes/work/enable

# The first loading.
load_mod $victim
started 1
flush
same "the state after the init function has ended" "$(of start state)" "$waits"
same "the reason" "$(of start reason)" "its text was unloaded"
same "the probes in the other text are jumps" "$(of work state) $(of dash state)" "optimized optimized"
same "the disabled probe is disabled" "$(of off state)" disabled
! with_events || echo >$tracing/trace
same "ten calls" "$(ask $victim call 10)" "$(ask $victim call 10)"
ask $victim loop 5 >/dev/null
same "hits of the probes" "$(of work hits) $(of dash hits) $(of off hits)" "20 20 0"
if with_events; then
	same "an event that was on before has a record for each hit" "$(grep -c ' work: (rktest_victim_work+0x' $tracing/trace)" 20
	echo 0 >$tracing/events/rkprobes/work/enable
fi
same "the pattern has its functions" "$(sed -n 's/.*rktest_victim_\([a-z]*\)+0x0 [ao][a-z]* .*/\1/p' "$debugfs/probe/pattern/sites" | sort | tr '\n' ' ')" 'long loop pushed work '
same "the blocks and the target of the list" "$(awk '/loop/ { print $4 }' "$debugfs/probe/list/sites" | tr '\n' ' ')" '1 5 5 1 '
same "the limit that was set while the probe waited" "$(of dash limit)" 77777777
same "the limit of the line" "$(of all limit)" 1000000

# The module is unloaded and loaded again.
before=$(cat "$debugfs/probes")
unload_mod $victim
same "the probes wait again" "$(of start state) $(of work state) $(of off state)" "$waits $waits $waits"
same "hits are kept" "$(of work hits)" 20
same "probes is as before" "$(cat "$debugfs/probes")" "$before"
echo 1 >"$debugfs/probe/off/enable"
load_mod $victim
started 2
ask $victim call 10 >/dev/null
same "hits go on in the new text" "$(of work hits) $(of dash hits) $(of off hits)" "30 30 10"
flush
same "the probe that was enabled while it waited is a jump" "$(of off state)" optimized
unload_mod $victim

# A loading that fails in the init function, and one that fails before.
# The insmod of busybox tries twice, by two system calls.
failures=$(dmesg | grep -c "$victim: the init function fails")
refuse "the module is not loaded" insmod "$(module_file $victim)" fail=1
failures=$(($(dmesg | grep -c "$victim: the init function fails") - failures))
check "its init function has run" [ $failures -ge 1 ]
started $((failures + 2))
same "the probes wait again" "$(of start state) $(of work state)" "$waits $waits"
refuse "the module is not loaded with a bad parameter" insmod "$(module_file $victim)" hold=x
started $((failures + 2))
load_mod $victim
started $((failures + 3))

# A symbol that is not in the module when it is loaded.
unload_mod $victim
check "a target that the module will not have" line "c:bad $victim:no_such_function"
check "a list with such a target" line "c:half $victim:no_such_function,$victim:rktest_victim_work,$victim:rktest_victim_work+1"
load_mod $victim
started $((failures + 4))
same "the state says so" "$(of bad state)" refused
check "the reason says so" sh -c "grep -q '^unknown symbol' $debugfs/probe/bad/reason"
same "errors says so" "$(sed 's/: it may .*//; s/: choose .*//' "$debugfs/errors")" "waiting: $victim:no_such_function: unknown symbol
waiting: $victim:no_such_function,$victim:rktest_victim_work,$victim:rktest_victim_work+1: target 1: unknown symbol"
check "the log counts them" sh -c "dmesg | tail -n 20 | grep -q 'module $victim: 2 probes that waited for it are refused: read errors'"
flush
same "the other targets are armed" "$(of half state | sort)" "1 armed
2 refused"
unload_mod $victim
same "a refused probe waits again" "$(of bad state)" "$waits"
check "the lines can be removed" line '-:[bh]a*'

# An argument that is the address of a symbol of the module. Where it has moved, the probe is refused.
if with_events; then
	same "such an argument is refused while the module is not loaded" \
		"$(echo "p:moved $victim:rktest_victim_work v=@init_result" | write_probes)" 'No such file or directory'
	load_mod $victim
	old=$(address init_result)
	check "it is accepted while the module is loaded" line "p:moved $victim:rktest_victim_work v=@init_result"
	unload_mod $victim
	load_mod rktest_functions
	load_mod $victim
	case $(address init_result) in
	"$old") refuse "the symbol has not moved" state_is moved refused ;;
	*) same "the symbol has moved" "$(of moved reason)" 'arguments are others in the loaded module: remove the probe, and add it again' ;;
	esac
	unload_mod $victim
	unload_mod rktest_functions
	check "an argument of an entry needs no module" line "p:entry $victim:rktest_victim_pushed a=%di b=\$arg1"
	same "and is refused inside a function" "$(echo "p:inside $victim:rktest_victim_pushed+1 b=\$arg1" | write_probes)" 'Invalid argument'
	remove moved
	echo 1 >$tracing/events/rkprobes/entry/enable
	echo >$tracing/trace
	load_mod $victim
	ask $victim push 2 >/dev/null
	same "the records have the arguments" "$(sed -n 's/.* entry: (rktest_victim_pushed.*) \(.*\)/\1/p' $tracing/trace | tr '\n' ' ')" 'a=0x0 b=0x0 a=0x1 b=0x1 '
	unload_mod $victim
	refuse "rkprobes is in use while an event of a waiting probe is on" rmmod rkprobes
	echo 0 >$tracing/events/rkprobes/entry/enable
fi

# The types of a module are there before it is live. A module that was built without types has no names.
if with_events; then
	load_mod rkprobe_count
	if [ -e /sys/kernel/btf/rkprobe_count ]; then
		check "parameters of a module have names" line "p:typed rkprobe_count:busier left \$arg2"
		unload_mod rkprobe_count
		load_mod rkprobe_count
		same "they have them when the module is loaded again" "$(of typed state)" ftrace
		remove typed
	else
		same "parameters have no names" "$(echo 'p:typed rkprobe_count:busier left' | write_probes)" 'No such file or directory'
	fi
	unload_mod rkprobe_count
fi

# rkprobes is unloaded while probes wait, and the saved lines make them again.
before=$(cat "$debugfs/probes")
unload_mod rkprobes
load_mod $victim
unload_mod $victim
load_mod rkprobes
echo "$before" | write_probes || fail "the saved lines are refused"
same "the saved lines make the probes" "$(cat "$debugfs/probes")" "$before"
load_mod $victim
started 1
ask $victim call 10 >/dev/null
same "the probes are hit" "$(of work hits)" 10
unload_mod rkprobes
same "results are right afterwards" "$(ask $victim call 2)" $(((0x123456 ^ 0x55) + (0x123459 ^ 0x55)))
