#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A probe with more hits a second than its limit is disabled and has a reason. A probe with fewer hits stays enabled.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes
load_mod rktest_api
at=rktest_functions:rktest_alu
over='disabled: more hits a second than its limit'
text=$(ask rktest_functions text alu)
plain=$(ask rktest_functions call alu 10)

limit() {
	echo "$2" >"$debugfs/probe/$1/limit"
}

# call COUNT: makes that many calls.
call() {
	ask rktest_functions call alu "$1" >/dev/null
}

uptime_ms() {
	sed 's/^\([0-9]*\)\.\([0-9]*\) .*/\1\20/' /proc/uptime
}

# is_over: true if more than a second has gone by since "begin".
is_over() {
	[ $(($(uptime_ms) - begin)) -gt 1300 ]
}

check "a probe can be added" add hot $at
check "a second probe can be added at the address" add cold $at
same "a new probe has no limit" "$(of hot limit)" 0
same "limit has the right mode" "$(stat -c '%a %u' "$debugfs/probe/hot/limit")" "600 0"
call 20000
same "a probe without a limit stays enabled" "$(of hot enable) $(of hot hits)" "1 20000"
for value in '' -1 x 4294967296 '1 1'; do
	refuse "limit refuses the value '$value'" limit hot "$value"
done
same "limit keeps its value" "$(of hot limit)" 0

for lane in int3 jump; do
	[ "$lane" = int3 ] || flush
	check "a limit can be set, $lane" limit hot 1000
	same "the limit reads back, $lane" "$(of hot limit)" 1000
	# Two windows, each with fewer hits than the limit, and with more hits together.
	for window in first second; do
		begin=$(uptime_ms)
		call 700
		wait_for "the $window window is over" is_over
		same "the probe stays enabled below the limit in the $window window, $lane" "$(of hot enable)" 1
	done
	hits=$(of hot hits)
	call 20000
	wait_for "the probe is disabled" state_is hot disabled
	same "the probe has the reason, $lane" "$(of hot reason)" "$over"
	same "enable reads 0, $lane" "$(of hot enable)" 0
	check "the probe was hit until it was disabled, $lane" [ "$(of hot hits)" -gt "$hits" ]
	hits=$(of hot hits)
	call 100
	same "the disabled probe has no hits, $lane" "$(of hot hits)" "$hits"
	same "results are right, $lane" "$(ask rktest_functions call alu 10)" "$plain"
	refuse "the probe without a limit stays enabled, $lane" state_is cold disabled
	echo 1 >"$debugfs/probe/hot/enable"
	refuse "the enabled probe no longer has the reason, $lane" [ "$(of hot reason)" = "$over" ]
	call 100
	same "the enabled probe is hit, $lane" "$(of hot hits)" $((hits + 100))
done
check "the kernel's log names the probe" sh -c "dmesg | grep -q 'more hits a second than its limit: disabled the probe at rktest_alu+0x0'"

# How long a probe is over its limit before it is disabled, in milliseconds of calls: the median of five times, because the host may be busy.
flush
check "the limit can be lifted" limit hot 0
begin=$(uptime_ms)
call 200000
full=$(($(uptime_ms) - begin))
for round in 1 2 3 4 5; do
	limit hot 1
	hits=$(of hot hits)
	call 200000
	wait_for "the probe is disabled in round $round" state_is hot disabled
	echo $((($(of hot hits) - hits) * full / 200000))
	echo 1 >"$debugfs/probe/hot/enable"
done >"/tmp/over.$$"
over_ms=$(sort -n "/tmp/over.$$" | sed -n 3p)
rm "/tmp/over.$$"
check "calls of $full ms are longer than the bound" [ "$full" -gt 100 ]
check "a probe over its limit is disabled within 20 ms, with 20 ms for the emulator: $over_ms ms" [ "$over_ms" -le 40 ]

check "the limit can be removed" limit hot 0
call 20000
begin=$(uptime_ms)
wait_for "a second is over" is_over
same "the probe stays enabled when the limit is removed" "$(of hot enable)" 1
check "a probe can be added with a limit" sh -c "echo 'p:born $at limit=1000' >$debugfs/probes"
call 20000
wait_for "the probe with a limit in its line is disabled" state_is born disabled
same "it has the reason" "$(of born reason)" "$over"
check "it can be removed" remove born

# The only probe at its address: when it is disabled, the text is as before.
check "the second probe can be removed" remove cold
check "a limit can be set again" limit hot 1
call 20000
wait_for "the only probe is disabled" state_is hot disabled
flush
same "the text is as at the beginning" "$(ask rktest_functions text alu)" "$text"
check "the only probe can be removed" remove hot
check "a probe can be added that will be removed while it has a limit" add other $at
check "the limit of that probe can be set" limit other 100000
group_of rktest_api limit
check "the probe with a limit can be removed" remove other
unload_mod rktest_api
unload_mod rkprobes
