#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What a module has started still runs when it says that it goes, or that its init text does: with the original bytes. Where others' bytes
# keep ours in that text, they are claimed, and their memory is kept, until nobody can run there any more.
. ./functions.sh

load_mod rkprobes
load_mod rktest_notifier
load_mod rktest_neighbours "text_poke=$(address text_poke)" "text_mutex=$(address text_mutex)" "sync=$(address smp_text_poke_sync_each_cpu)"
work=rktest_async:rktest_victim_work
work_runs='1193008 48 8d 04 7f 48 05 56 34 12 00'
start=rktest_async:rktest_victim_start

sites_are() {
	[ "$(stat_of sites)" = "$1" ]
}

# begins STATE COMMAND...: runs the command in the background, up to where all others were told that the module has that state.
begins() {
	check "hold $1" ask rktest_notifier hold last "$1" rktest_async
	shift
	"$@" &
	background=$!
	wait_for "the notification" ask rktest_notifier held 2>/dev/null
}

# runs TEXT: what was started runs, its result and its text are these; then all goes on.
runs() {
	check "it runs" ask rktest_notifier run
	wait_for "the asynchronous function" ask rktest_notifier ran >/dev/null 2>&1
	same "its result and its bytes" "$(ask rktest_notifier ran)" "$1"
	check "release" ask rktest_notifier release
	check "the end" wait "$background"
}

for lane in int3 jump; do
	case $lane in
	int3) echo 0 ;;
	jump) echo 1 ;;
	esac >"$debugfs/optimization"

	load_mod rktest_async exit=1
	check "add" add one $work+4
	check "add an entry" add entry rktest_async:rktest_async_traced
	flush
	check "$lane" $lane one
	begins going rmmod rktest_async
	loaded=${loaded#rktest_async }
	same "state" "$(of one state) $(of entry state)" "gone gone"
	same "reason" "$(of one reason)" "its text was unloaded"
	refuse "ftrace has it no more" grep -q rktest_async_traced /sys/kernel/tracing/enabled_functions
	printf '%s\n' -:one -:entry >"$debugfs/probes"
	flush
	same "no memory is left" "$(stat_of sites)" 0
	runs "$work_runs"

	insmod "$(module_file rktest_async)" init=1 &
	loader=$!
	wait_for "the init function runs" [ -e /sys/module/rktest_async/parameters/release ]
	check "add in init text" add one $start+4
	flush
	check "$lane" $lane one
	begins live sh -c 'echo 1 >/sys/module/rktest_async/parameters/release'
	loaded="rktest_async $loaded"
	same "state" "$(of one state)" gone
	check "remove" remove one
	flush
	same "no memory is left" "$(stat_of sites)" 0
	runs "6636346 48 8d 04 bf 48 05 21 43 65 00"
	check "it is loaded" wait "$loader"
	unload_mod rktest_async

	# Another tool changes the last byte of the instruction, behind our int3 or our jump.
	load_mod rktest_async exit=1
	check "add" add one $work+4
	flush
	check "$lane" $lane one
	begin=$(bytes one current | cut -c1-14)
	check "another tool" ask rktest_neighbours poke "$(printf '%x' $(($(address rktest_victim_work) + 9)))" 01
	begins going rmmod rktest_async
	loaded=${loaded#rktest_async }
	same "state" "$(of one state)" gone
	check "remove" remove one
	flush
	flush
	same "its memory is kept" "$(stat_of sites)" 1
	runs "${work_runs%% *} 48 8d 04 7f $begin 01"
	wait_for "its memory to go" sites_are 0
done

# Somebody leaves an int3 on the beginning of our jump, as a native kprobe does when it is unregistered after its module has said that it
# goes: hits of it must not go on in what the jump has of the region.
load_mod rktest_async exit=1
check "add" add one $work
flush
check "a jump" jump one
jump=$(bytes one current | cut -c3-14)
check "another tool" ask rktest_neighbours poke "$(printf '%x' "$(address rktest_victim_work)")" cc
begins going rmmod rktest_async
loaded=${loaded#rktest_async }
same "state" "$(of one state)" gone
check "remove" remove one
flush
runs "${work_runs%% *} cc$jump 05 56 34 12 00"
wait_for "its memory to go" sites_are 0
