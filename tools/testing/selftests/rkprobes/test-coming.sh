#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A module that is being loaded can be probed when we were told of it and its blacklist is known, and not before; its loading may still fail.
. ./functions.sh

load_mod rkprobes
load_mod rktest_notifier
reserved=$(stat_of reserved)
work=rktest_async:rktest_victim_work
never=rktest_async:rktest_async_never

# loads first|last: loads rktest_async in the background, up to the notification in front of all others or behind them.
loads() {
	check "hold, $1" ask rktest_notifier hold "$1" coming rktest_async
	insmod "$(module_file rktest_async)" 2>/dev/null &
	loader=$!
	wait_for "the notification" ask rktest_notifier held 2>/dev/null
}

# refused WHAT TARGET ERRNO REASON
refused() {
	same "$1 is refused" "$(echo "p:no $2" | write_probes)" "$3"
	check "$1: the reason" grep -q ": $4" "$debugfs/errors"
}

too_early() {
	refused "its text" $work+4 'No such file or directory' 'module is being loaded'
	refused "its init text" rktest_async:rktest_victim_start+4 'No such file or directory' 'module is being loaded'
	refused "its blacklisted text" $never+4 'No such file or directory' 'module is being loaded'
	refused "an entry" rktest_async:rktest_async_traced 'No such file or directory' 'module is being loaded'
	refused "its address" "$(address rktest_victim_work)" 'No such file or directory' 'module is being loaded'
	same "no site" "$(stat_of sites)" 0
}

add_all() {
	refused "blacklisted text" $never+4 'Invalid argument' 'in the kprobe blacklist'
	check "add" add one $work+4
	check "add in init text" add start rktest_async:rktest_victim_start+4
	check "add an entry" add entry rktest_async:rktest_async_traced
	flush
}

remove_all() {
	printf '%s\n' -:one -:start -:entry >"$debugfs/probes"
	flush
	same "no memory is left" "$(stat_of sites)" 0
}

# In front of us, and it is loaded.
loads first
too_early
check "release" ask rktest_notifier release
check "it is loaded" wait "$loader"
loaded="rktest_async $loaded"
check "add when it is" add one $work+4
refused "blacklisted text" $never+4 'Invalid argument' 'in the kprobe blacklist'
check "remove" remove one
unload_mod rktest_async

# In front of us, and it fails: nobody tells us.
loads first
too_early
check "fail" ask rktest_notifier release fail
refuse "it is not loaded" wait "$loader"

# Behind us, and it is loaded.
loads last
add_all
check "a jump" jump one
check "release" ask rktest_notifier release
check "it is loaded" wait "$loader"
loaded="rktest_async $loaded"
same "states" "$(of one state) $(of start state) $(of entry state)" "optimized gone ftrace"
remove_all
unload_mod rktest_async

# Behind us, and it fails; then it is loaded at last.
loads last
add_all
check "a jump" jump one
check "fail" ask rktest_notifier release fail
refuse "it is not loaded" wait "$loader"
same "states" "$(of one state) $(of start state) $(of entry state)" "gone gone gone"
refuse "ftrace has it no more" grep -q rktest_async_traced /sys/kernel/tracing/enabled_functions
check "fail no more" ask rktest_notifier release
load_mod rktest_async
same "still" "$(of one state) $(of start state) $(of entry state)" "gone gone gone"
remove_all
check "add in the new text" add one $work+4
check "and in an entry" add entry rktest_async:rktest_async_traced
flush
check "a jump" jump one
unload_mod rktest_async

# It is live, and its init text is not freed yet, but nobody will tell us when it is: it is refused, and of what the kernel's tables have
# there nothing stays in the index, for the next module's text may be there.
printf '%s\n' -:one -:entry >"$debugfs/probes"
flush
check "hold, last" ask rktest_notifier hold last live rktest_async
insmod "$(module_file rktest_async)" &
loader=$!
wait_for "the notification" ask rktest_notifier held 2>/dev/null
check "add in its text" add one $work+4
refused "its init text" "$(address rktest_victim_start)" 'No such file or directory' 'module is'
flush
check "a jump" jump one
check "remove" remove one
check "release" ask rktest_notifier release
check "it is loaded" wait "$loader"
loaded="rktest_async $loaded"
unload_mod rktest_async
flush
same "entries in the index" "$(stat_of reserved)" "$reserved"
