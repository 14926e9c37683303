#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A hit of an int3 or a jump changes no general register, flag or memory. The probed instructions are nops. They are called with values in all
# registers and with each combination of the status flags.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes
check "the function changes nothing without a probe" ask rktest_functions unchanged nothing 64

# At +0 the region is one nop of five bytes, at +5 it is five nops of one byte.
for offset in 0 5; do
	echo 0 >"$debugfs/optimization"
	check "a probe can be added at +$offset" add quiet rktest_functions:rktest_nothing+$offset
	check "an int3 at +$offset changes nothing" ask rktest_functions unchanged nothing 64
	same "each call is a hit of the int3 at +$offset" "$(of quiet hits)" 64
	echo 1 >"$debugfs/optimization"
	wait_for "the probe is optimized" state_is quiet optimized
	check "the site at +$offset is a jump" jump quiet
	check "a jump at +$offset changes nothing" ask rktest_functions unchanged nothing 64
	same "each call is a hit of the jump at +$offset" "$(of quiet hits)" 128
	check "the probe at +$offset can be removed" remove quiet
done
