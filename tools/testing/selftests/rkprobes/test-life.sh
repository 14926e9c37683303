#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The whole life of a probe. The bytes are read back from the text in each state.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes
# Two instructions in five bytes, so that the jump needs a grace period.
target=rktest_functions:rktest_alu+0

# looks STATE SHAPE WHEN: the probe has this state, and its bytes in the text have this shape.
looks() {
	same "the state is $1 $3" "$(of life state)" "$1"
	check "the bytes in the text are right for $2 $3" "$2" life
}

# called FROM TO WHEN: the hits before and after ten calls, which give the right results.
called() {
	same "the probe has $1 hits before the calls $3" "$(of life hits)" "$1"
	same "results are right $3" "$(ask rktest_functions call alu 10)" "$plain"
	same "the probe has $2 hits after the calls $3" "$(of life hits)" "$2"
}

plain=$(ask rktest_functions call alu 10)
text=$(ask rktest_functions text alu)

echo 0 >"$debugfs/optimization"
check "the probe can be added" add life "$target"
untouched=$(bytes life original)
looks armed int3 "without optimization"
called 0 10 "with an int3"
refuse "text names no detour for an int3" grep -q '^detour 0x' "$debugfs/probe/life/text"
flush
looks armed int3 "after a flush without optimization"

echo 1 >"$debugfs/optimization"
wait_for "the probe is optimized" state_is life optimized
looks optimized jump "with optimization"
same "a jump has no reason" "$(of life reason)" -
check "text names the detour of a jump" grep -q '^detour 0xffffffff[0-9a-f]\{8\}$' "$debugfs/probe/life/text"
check "list marks the probe with [OPTIMIZED]" grep -q 'rktest_alu+0x0.*\[OPTIMIZED\]' "$debugfs/list"
called 10 20 "with a jump"

echo 0 >"$debugfs/probe/life/enable"
same "enable reads 0 after it was written" "$(of life enable)" 0
called 20 20 "while disabled"
flush
looks disabled original "after disable and flush"
same "the text has the bytes from before the probe" "$(bytes life current)" "$untouched"
check "list marks the probe with [DISABLED]" grep -q 'rktest_alu+0x0.*\[DISABLED\]' "$debugfs/list"
called 20 20 "with the original bytes"

echo 1 >"$debugfs/probe/life/enable"
called 20 30 "right after enable"
flush
looks optimized jump "after enable and flush"
called 30 40 "with the jump after enable"

echo 0 >"$debugfs/optimization"
looks armed int3 "when optimization was switched off"
called 40 50 "with the int3 after optimization was switched off"

echo 0 >"$debugfs/enabled"
check "the text has the original bytes when all probes are disarmed" original life
called 50 50 "when all probes are disarmed"
echo 1 >"$debugfs/enabled"
looks armed int3 "when all probes are armed again"
called 50 60 "when all probes are armed again"

echo 1 >"$debugfs/optimization"
flush
looks optimized jump "at the end"
check "the probe can be removed" remove life
refuse "the probe's directory is removed" [ -e "$debugfs/probe/life" ]
refuse "list no longer has the probe" grep -q rktest_alu "$debugfs/list"
same "results are right after the removal" "$(ask rktest_functions call alu 10)" "$plain"
flush
same "the text is as before after the removal" "$(ask rktest_functions text alu)" "$text"
for name in probes sites armed optimizing optimized unoptimizing freeing foreign_text; do
	same "stats has $name 0" "$(stat_of $name)" 0
done
