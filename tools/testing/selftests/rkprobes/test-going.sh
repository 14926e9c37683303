#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A function that a module has started still runs when the kernel announces that the module or its init text is unloaded. It runs with the
# original bytes. If foreign bytes keep an int3 or a jump of ours in that text, our int3 is still claimed, and the site's memory is kept until no
# task can run there.
. ./functions.sh

load_mod rkprobes
load_mod rktest_notifier
load_mod rktest_neighbours "text_poke=$(address text_poke)" "text_mutex=$(address text_mutex)" "sync=$(address smp_text_poke_sync_each_cpu)"
work=rktest_async:rktest_victim_work
work_runs='1193008 48 8d 04 7f 48 05 56 34 12 00'
start=rktest_async:rktest_victim_start
waits="waiting for module rktest_async"

sites_are() {
	[ "$(stat_of sites)" = "$1" ]
}

# begins STATE COMMAND...: runs the command in the background, until all other notifiers were told that the module has that state.
begins() {
	check "the last notifier is to hold the module in the state $1" ask rktest_notifier hold last "$1" rktest_async
	shift
	"$@" &
	background=$!
	wait_for "the module is held" ask rktest_notifier held 2>/dev/null
}

# runs TEXT: the started function runs, and has this result and these bytes. Then the command from "begins" goes on.
runs() {
	check "the started function is to run" ask rktest_notifier run
	wait_for "the started function has run" ask rktest_notifier ran >/dev/null 2>&1
	same "the started function has the right result and the right bytes" "$(ask rktest_notifier ran)" "$1"
	check "the module is released" ask rktest_notifier release
	check "the command in the background succeeds" wait "$background"
}

for lane in int3 jump; do
	case $lane in
	int3) echo 0 ;;
	jump) echo 1 ;;
	esac >"$debugfs/optimization"

	load_mod rktest_async exit=1
	check "a probe can be added" add one $work+4
	check "a probe can be added at an entry" add entry rktest_async:rktest_async_traced
	flush
	check "the site is as asked: $lane" $lane one
	begins going rmmod rktest_async
	loaded=${loaded#rktest_async }
	same "both probes wait" "$(of one state) $(of entry state)" "$waits $waits"
	same "the reason says that the text was unloaded" "$(of one reason)" "its text was unloaded"
	check "list keeps the name of the probe that is gone" \
		grep -q "  ${work#*:}+0x4  \[rktest_async\].*\[GONE\]" "$debugfs/list"
	refuse "ftrace no longer has the entry" grep -q rktest_async_traced /sys/kernel/tracing/enabled_functions
	printf '%s\n' -:one -:entry >"$debugfs/probes"
	flush
	same "no site is left" "$(stat_of sites)" 0
	runs "$work_runs"

	insmod "$(module_file rktest_async)" init=1 &
	loader=$!
	wait_for "the init function runs" [ -e /sys/module/rktest_async/parameters/release ]
	check "a probe can be added in init text" add one $start+4
	flush
	check "the site is as asked: $lane" $lane one
	begins live sh -c 'echo 1 >/sys/module/rktest_async/parameters/release'
	loaded="rktest_async $loaded"
	same "the probe waits" "$(of one state)" "$waits"
	check "list keeps the name in init text that is gone" \
		grep -q "  ${start#*:}+0x4  \[rktest_async\].*\[GONE\]" "$debugfs/list"
	check "the probe can be removed" remove one
	flush
	same "no site is left" "$(stat_of sites)" 0
	runs "6636346 48 8d 04 bf 48 05 21 43 65 00"
	check "the module is loaded" wait "$loader"
	unload_mod rktest_async

	# Another tool changes the last byte of the instruction, after our int3 or our jump.
	load_mod rktest_async exit=1
	check "a probe can be added" add one $work+4
	flush
	check "the site is as asked: $lane" $lane one
	begin=$(bytes one current | cut -c1-14)
	check "another tool writes to the text" ask rktest_neighbours poke "$(printf '%x' $(($(address rktest_victim_work) + 9)))" 01
	begins going rmmod rktest_async
	loaded=${loaded#rktest_async }
	same "the probe waits" "$(of one state)" "$waits"
	check "the probe can be removed" remove one
	flush
	flush
	same "the memory of the site is kept" "$(stat_of sites)" 1
	runs "${work_runs%% *} 48 8d 04 7f $begin 01"
	wait_for "the memory of the site is freed" sites_are 0
done

# Another tool leaves an int3 on the beginning of our jump, as a native kprobe does when it is unregistered after the kernel has announced that
# its module is unloaded. A hit of that int3 must not continue in the region, which has bytes of the jump.
load_mod rktest_async exit=1
check "a probe can be added" add one $work
flush
check "the site is a jump" jump one
jump=$(bytes one current | cut -c3-14)
check "another tool writes to the text" ask rktest_neighbours poke "$(printf '%x' "$(address rktest_victim_work)")" cc
begins going rmmod rktest_async
loaded=${loaded#rktest_async }
same "the probe waits" "$(of one state)" "$waits"
check "the probe can be removed" remove one
flush
runs "${work_runs%% *} cc$jump 05 56 34 12 00"
wait_for "the memory of the site is freed" sites_are 0
