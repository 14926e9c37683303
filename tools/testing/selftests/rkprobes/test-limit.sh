#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A probe that has more hits a second than its limit is disabled and says so; one that has not goes on.
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

# call COUNT: that many calls, which give what they must.
call() {
	ask rktest_functions call alu "$1" >/dev/null
}

uptime_ms() {
	sed 's/^\([0-9]*\)\.\([0-9]*\) .*/\1\20/' /proc/uptime
}

# A second, and then some, have gone by since "begin".
is_over() {
	[ $(($(uptime_ms) - begin)) -gt 1300 ]
}

check "add" add hot $at
check "another at the same place" add cold $at
same "no limit at first" "$(of hot limit)" 0
same "mode of limit" "$(stat -c '%a %u' "$debugfs/probe/hot/limit")" "600 0"
call 20000
same "nothing happens without one" "$(of hot enable) $(of hot hits)" "1 20000"
for value in '' -1 x 4294967296 '1 1'; do
	refuse "limit '$value'" limit hot "$value"
done
same "it is as before" "$(of hot limit)" 0

for lane in int3 jump; do
	[ "$lane" = int3 ] || flush
	check "a limit, $lane" limit hot 1000
	same "can be read" "$(of hot limit)" 1000
	# Two windows with fewer hits than that, together with more.
	for window in first second; do
		begin=$(uptime_ms)
		call 700
		wait_for "the $window window" is_over
		same "below the limit in the $window window" "$(of hot enable)" 1
	done
	hits=$(of hot hits)
	call 20000
	wait_for "it is disabled" state_is hot disabled
	same "with the reason" "$(of hot reason)" "$over"
	same "reads disabled" "$(of hot enable)" 0
	check "it was hit until then" [ "$(of hot hits)" -gt "$hits" ]
	hits=$(of hot hits)
	call 100
	same "no hits after that" "$(of hot hits)" "$hits"
	same "results" "$(ask rktest_functions call alu 10)" "$plain"
	refuse "the other goes on" state_is cold disabled
	echo 1 >"$debugfs/probe/hot/enable"
	refuse "enabled, it has no such reason" [ "$(of hot reason)" = "$over" ]
	call 100
	same "and is hit" "$(of hot hits)" $((hits + 100))
done
check "the kernel's log names it" sh -c "dmesg | grep -q 'more hits a second than its limit: disabled the probe at rktest_alu+0x0'"

check "the limit goes" limit hot 0
call 20000
begin=$(uptime_ms)
wait_for "a second" is_over
same "nothing happens any more" "$(of hot enable)" 1

# The only probe of its place: the text is as it was.
check "remove the other" remove cold
check "a limit again" limit hot 1
call 20000
wait_for "it is disabled again" state_is hot disabled
flush
same "the text" "$(ask rktest_functions text alu)" "$text"
check "remove it" remove hot
check "one that will be removed while it is watched" add other $at
check "with a limit" limit other 100000
group_of rktest_api limit
check "remove that" remove other
unload_mod rktest_api
unload_mod rkprobes
