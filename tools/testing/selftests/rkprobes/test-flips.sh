#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Thousands of probes are registered in one batch. Other tasks that change text meanwhile do not wait for the whole batch.
. ./functions.sh

load_mod rktest_native
load_mod rkprobes
uptime_ms() {
	sed 's/^\([0-9]*\)\.\([0-9]*\) .*/\1\20/' /proc/uptime
}

# Disabled sites poke nothing, so the batch is all examination.
echo 0 >"$debugfs/enabled"
candidates 6000 >"/tmp/batch.$$"
check "the task begins that changes a static key" ask rktest_native flip
begin=$(uptime_ms)
write_probes <"/tmp/batch.$$" >/dev/null
took=$(($(uptime_ms) - begin))
flips=$(ask rktest_native flipped)
rm "/tmp/batch.$$"
longest=$((${flips#* } / 1000))
check "at least 1000 probes are registered, $(stat_of probes)" [ "$(stat_of probes)" -ge 1000 ]
check "a change of a static key waits for a quarter of the batch at most: $longest of $took ms, ${flips% *} changes" \
	[ $((longest * 4)) -le "$took" ]
