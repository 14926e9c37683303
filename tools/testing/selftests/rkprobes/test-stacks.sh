#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A handler's stack trace has the caller of the probed function, also at an instruction of one byte that changes the stack pointer. And text of a
# module where RCU does not watch the CPU takes no probe.
. ./functions.sh

load_mod rkprobes
load_mod rktest_notifier

# The module is probed while it is being loaded, when nothing tells where its idle code is.
check "the loading is to be held" ask rktest_notifier hold last coming rktest_stacks
insmod "$(module_file rktest_stacks)" &
loader=$!
wait_for "the loading is held" ask rktest_notifier held 2>/dev/null
check "a probe while the module is being loaded" add early rktest_stacks:rktest_stacks_target
check "the loading goes on" ask rktest_notifier release
check "the module is loaded" wait "$loader"
loaded="rktest_stacks $loaded"
idle_is_refused() {
	refuse "idle code takes no probe, $1" add idle rktest_stacks:rktest_stacks_idle+4
	check "the reason, $1" grep -q 'rktest_stacks_idle+.*: noinstr or entry text' "$debugfs/errors"
	check "code beside it takes a probe, $1" add beside rktest_stacks:rktest_stacks_target
	check "it can be removed, $1" remove beside
}
check "the probe can be removed" remove early
idle_is_refused "in a module that was probed while it was being loaded"
unload_mod rktest_stacks
load_mod rktest_stacks
idle_is_refused "in a module that is live"

# traced LANE BYTE: the caller is right at each place, with BYTE at the beginning of the site.
traced() {
	for place in push pop ret; do
		offset=$(ask rktest_stacks place $place)
		same "the site and its caller at $place, $1" "$(ask rktest_stacks trace "$offset")" "$2 rktest_stacks_caller [rktest_stacks]"
	done
}

echo 0 >"$debugfs/optimization"
traced int3 cc
echo 1 >"$debugfs/optimization"
traced jump e9
unload_mod rktest_stacks
unload_mod rkprobes
