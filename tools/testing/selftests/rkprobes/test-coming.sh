#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A module that is being loaded can be probed as soon as our notifier has run and its blacklist is known, and not before. Its loading may
# still fail.
. ./functions.sh

load_mod rkprobes
load_mod rktest_notifier
reserved=$(stat_of reserved)
work=rktest_async:rktest_victim_work
never=rktest_async:rktest_async_never
waits="waiting for module rktest_async"

# loads first|last: loads rktest_async in the background, until the notifier runs that is before all other notifiers, or after all of them.
loads() {
	check "the $1 notifier is to hold the loading" ask rktest_notifier hold "$1" coming rktest_async
	insmod "$(module_file rktest_async)" 2>/dev/null &
	loader=$!
	wait_for "the loading is held" ask rktest_notifier held 2>/dev/null
}

# refused WHAT TARGET ERRNO REASON
refused() {
	same "a probe is refused in $1" "$(echo "p:no $2" | write_probes)" "$3"
	check "the reason for $1 is: $4" grep -q ": $4" "$debugfs/errors"
}

too_early() {
	refused "text of a module that is being loaded" $work+4 'No such file or directory' 'module is being loaded'
	refused "init text of a module that is being loaded" rktest_async:rktest_victim_start+4 'No such file or directory' 'module is being loaded'
	refused "blacklisted text of a module that is being loaded" $never+4 'No such file or directory' 'module is being loaded'
	refused "an entry of a module that is being loaded" rktest_async:rktest_async_traced 'No such file or directory' 'module is being loaded'
	refused "an address of a module that is being loaded" "$(address rktest_victim_work)" 'No such file or directory' 'module is being loaded'
	same "there is no site" "$(stat_of sites)" 0
}

add_all() {
	refused "blacklisted text" $never+4 'Invalid argument' 'in the kprobe blacklist'
	check "a probe can be added" add one $work+4
	check "a probe can be added in init text" add start rktest_async:rktest_victim_start+4
	check "a probe can be added at an entry" add entry rktest_async:rktest_async_traced
	flush
}

remove_all() {
	printf '%s\n' -:one -:start -:entry >"$debugfs/probes"
	flush
	same "no site is left" "$(stat_of sites)" 0
}

# Our notifier has not run yet. The module is loaded.
loads first
too_early
check "the loading goes on" ask rktest_notifier release
check "the module is loaded" wait "$loader"
loaded="rktest_async $loaded"
check "a probe can be added in the loaded module" add one $work+4
refused "blacklisted text" $never+4 'Invalid argument' 'in the kprobe blacklist'
check "the probe can be removed" remove one
unload_mod rktest_async

# Our notifier has not run yet. The loading fails, and no notifier tells us.
loads first
too_early
check "the loading is to fail" ask rktest_notifier release fail
refuse "the module is not loaded" wait "$loader"

# Our notifier has run. The module is loaded.
loads last
add_all
check "the probe is a jump" jump one
check "the loading goes on" ask rktest_notifier release
check "the module is loaded" wait "$loader"
loaded="rktest_async $loaded"
same "the probes have these states" "$(of one state) $(of start state) $(of entry state)" "optimized $waits ftrace"
remove_all
unload_mod rktest_async

# Our notifier has run. The loading fails. Then the module is loaded again.
loads last
add_all
check "the probe is a jump" jump one
check "the loading is to fail" ask rktest_notifier release fail
refuse "the module is not loaded" wait "$loader"
same "the probes have these states" "$(of one state) $(of start state) $(of entry state)" "$waits $waits $waits"
refuse "ftrace no longer has the entry" grep -q rktest_async_traced /sys/kernel/tracing/enabled_functions
check "the next loading is not to fail" ask rktest_notifier release
load_mod rktest_async
flush
same "the probes of the failed loading are in the new text" "$(of one state) $(of start state) $(of entry state)" "optimized $waits ftrace"
remove_all
check "a probe can be added in the new text" add one $work+4
check "a probe can be added at an entry of the new text" add entry rktest_async:rktest_async_traced
flush
check "the probe is a jump" jump one
unload_mod rktest_async

# The module is live, and its init text is not freed yet. No notifier will tell us when it is freed, so a probe there is refused. The index keeps
# no entry of the kernel's tables for that text, because the text of the next module may be there.
printf '%s\n' -:one -:entry >"$debugfs/probes"
flush
check "the last notifier is to hold the module when it is live" ask rktest_notifier hold last live rktest_async
insmod "$(module_file rktest_async)" &
loader=$!
wait_for "the loading is held" ask rktest_notifier held 2>/dev/null
check "a probe can be added in the live module" add one $work+4
refused "init text of a live module" "$(address rktest_victim_start)" 'No such file or directory' 'module is'
flush
check "the probe is a jump" jump one
check "the probe can be removed" remove one
check "the loading goes on" ask rktest_notifier release
check "the module is loaded" wait "$loader"
loaded="rktest_async $loaded"
unload_mod rktest_async
flush
same "the index has as many entries as at the beginning" "$(stat_of reserved)" "$reserved"
