#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# No general register, flag or memory changes when a probe is hit, as int3 and as jump. The probed functions' instructions are nops,
# called with all registers full and with each combination of the status flags.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes
check "unchanged without a probe" ask rktest_functions unchanged nothing 64

# A nop of five bytes is a region of its own; the next ones are five nops of one byte.
for offset in 0 5; do
	echo 0 >"$debugfs/optimization"
	check "add at +$offset" add quiet rktest_functions:rktest_nothing+$offset
	check "unchanged by an int3 at +$offset" ask rktest_functions unchanged nothing 64
	same "hits of the int3 at +$offset" "$(of quiet hits)" 64
	echo 1 >"$debugfs/optimization"
	wait_for "optimized" state_is quiet optimized
	check "unchanged by a jump at +$offset" ask rktest_functions unchanged nothing 64
	same "hits of both at +$offset" "$(of quiet hits)" 128
	check "remove at +$offset" remove quiet
done
