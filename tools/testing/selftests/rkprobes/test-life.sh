#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A probe's whole life, with the bytes read back from the text in each state.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes
# Two instructions in five bytes, so that the jump needs a grace period.
target=rktest_functions:rktest_alu+0

# looks STATE SHAPE WHERE: its state and its bytes.
looks() {
	same "state $3" "$(of life state)" "$1"
	check "$2 in the text $3" "$2" life
}

# called FROM TO WHERE: hits before and after ten calls.
called() {
	same "hits before the calls $3" "$(of life hits)" "$1"
	same "result of the calls $3" "$(ask rktest_functions call alu 10)" "$plain"
	same "hits after the calls $3" "$(of life hits)" "$2"
}

plain=$(ask rktest_functions call alu 10)
text=$(ask rktest_functions text alu)

echo 0 >"$debugfs/optimization"
check "add" add life "$target"
untouched=$(bytes life original)
looks armed int3 "without optimization"
called 0 10 "on an int3"
refuse "no detour of an int3" grep -q '^detour 0x' "$debugfs/probe/life/text"
flush
looks armed int3 "after a flush without optimization"

echo 1 >"$debugfs/optimization"
wait_for "optimized" state_is life optimized
looks optimized jump "with optimization"
same "reason of a jump" "$(of life reason)" -
check "detour of a jump" grep -q '^detour 0xffffffff[0-9a-f]\{8\}$' "$debugfs/probe/life/text"
check "[OPTIMIZED] in the list" grep -q 'rktest_alu+0x0.*\[OPTIMIZED\]' "$debugfs/list"
called 10 20 "on a jump"

echo 0 >"$debugfs/probe/life/enable"
same "enable reads back" "$(of life enable)" 0
called 20 20 "while disabled"
flush
looks disabled original "after disable and flush"
same "original bytes are as before" "$(bytes life current)" "$untouched"
check "[DISABLED] in the list" grep -q 'rktest_alu+0x0.*\[DISABLED\]' "$debugfs/list"
called 20 20 "with the original bytes"

echo 1 >"$debugfs/probe/life/enable"
called 20 30 "right after enable"
flush
looks optimized jump "after enable and flush"
called 30 40 "on the jump that came back"

echo 0 >"$debugfs/optimization"
looks armed int3 "when optimization was switched off"
called 40 50 "on the int3 that came back"

echo 0 >"$debugfs/enabled"
check "original bytes when all are disarmed" original life
called 50 50 "when all are disarmed"
echo 1 >"$debugfs/enabled"
looks armed int3 "when all are armed again"
called 50 60 "when all are armed again"

echo 1 >"$debugfs/optimization"
flush
looks optimized jump "at the end"
check "remove" remove life
refuse "its directory is gone" [ -e "$debugfs/probe/life" ]
refuse "it is not listed" grep -q rktest_alu "$debugfs/list"
same "result after removal" "$(ask rktest_functions call alu 10)" "$plain"
flush
same "text after removal" "$(ask rktest_functions text alu)" "$text"
for name in probes sites armed optimizing optimized unoptimizing freeing foreign_text; do
	same "$name left" "$(stat_of $name)" 0
done
