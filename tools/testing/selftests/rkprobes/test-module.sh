#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Probes in a module that is unloaded and loaded again, and in its init text, which is freed after it has run.
. ./functions.sh

load_mod rkprobes

load_mod rktest_victim
plain=$(ask rktest_victim call 10)
check "a probe can be added at the end of a function" add one rktest_victim:rktest_victim_work+10
check "a probe can be added at an instruction as long as a jump" add two rktest_victim:rktest_victim_work+4
flush
same "results are right" "$(ask rktest_victim call 10)" "$plain"
same "each call is a hit" "$(of two hits)" 10
check "list names the module rktest_victim" grep -q 'rktest_victim_work+0x[0-9a-f]*.*\[rktest_victim\]' "$debugfs/list"

unload_mod rktest_victim
same "the probe waits after the module is unloaded" "$(of two state)" "waiting for module rktest_victim"
same "the other probe waits, too" "$(of one state)" "waiting for module rktest_victim"
same "list marks both probes with [GONE]" "$(grep -c '\[GONE\]' "$debugfs/list")" 2
same "the reason says that the text was unloaded" "$(of two reason)" "its text was unloaded"
check "a probe that waits can be enabled" sh -c "echo 1 >$debugfs/probe/two/enable"
flush
same "a probe that waits keeps its hits" "$(of two hits)" 10
check "a probe that waits can be removed" remove one

load_mod rktest_victim
refuse "list has no probe without text" grep -q '\[GONE\]' "$debugfs/list"
same "results of the new text are right" "$(ask rktest_victim call 10)" "$plain"
same "calls of the new text are hits, too" "$(of two hits)" 20
unload_mod rktest_victim
check "the probe can be removed after the second unloading" remove two
load_mod rktest_victim

# A probe whose target does not name the module does not wait for it.
check "a probe can be added at an address of the module" add plain "$(address rktest_victim_work)"
unload_mod rktest_victim
same "it is gone after the module is unloaded" "$(of plain state)" gone
same "its reason says that the text was unloaded" "$(of plain reason)" "its text was unloaded"
refuse "it cannot be enabled" sh -c "echo 1 >$debugfs/probe/plain/enable"
load_mod rktest_victim
same "it is still gone after the module is loaded again" "$(of plain state)" gone
check "it can be removed" remove plain
check "a probe can be added in the new text" add two rktest_victim:rktest_victim_work+4
same "results are right with a probe in the new text" "$(ask rktest_victim call 10)" "$plain"
same "each call of the new text is a hit" "$(of two hits)" 10

# The module is unloaded with a site that is queued to be freed, then with a disabled probe.
flush
check "a probe with a jump can be removed" remove two
unload_mod rktest_victim
flush
same "no site is left after the module is unloaded" "$(stat_of sites)" 0
load_mod rktest_victim
check "a probe can be added once more" add two rktest_victim:rktest_victim_work+4
echo 0 >"$debugfs/probe/two/enable"
unload_mod rktest_victim
same "a disabled probe waits for its module" "$(of two state)" "waiting for module rktest_victim"
check "the disabled probe that waits can be removed" remove two

# The module is unloaded with a jump of two probes at one address, one of them disabled. The probes are removed in both orders.
for first in one two; do
	load_mod rktest_victim
	check "the first probe can be added" add one rktest_victim:rktest_victim_work+4
	check "the second probe can be added at the address" add two rktest_victim:rktest_victim_work+4
	echo 0 >"$debugfs/probe/two/enable"
	flush
	same "results are right with both probes" "$(ask rktest_victim call 10)" "$plain"
	unload_mod rktest_victim
	same "both probes wait" "$(of one state) $(of two state)" "waiting for module rktest_victim waiting for module rktest_victim"
	check "probe $first can be removed first" remove $first
	check "the remaining probe can be removed" remove "$(ls "$debugfs/probe")"
	flush
	same "no site of the two probes is left" "$(stat_of sites)" 0
done

# Registrations race with loading and unloading. Each is accepted, and is armed or waits, or is refused because the module is being loaded. The module's function gives
# right results whenever the module is loaded. No probe and no site is left.
known='No such file or directory'
load_and_unload() {
	race_round=0
	until [ -e "/tmp/race.$$" ]; do
		insmod "$(module_file rktest_victim)" || return 1
		[ "$(ask rktest_victim call 10)" = "$plain" ] || return 1
		# A registration holds the module while it reads the module's tables, so the module may be in use for a moment.
		until rmmod rktest_victim 2>/dev/null; do
			module_loaded rktest_victim || return 1
		done
		race_round=$((race_round + 1))
	done
	[ "$race_round" -ge 5 ]
}
load_and_unload &
racer=$!
# The race ends before the test, also when it fails.
# shellcheck disable=SC2317 # called by the trap
finish() {
	finish_status=$?
	touch "/tmp/race.$$"
	wait "$racer"
	rm "/tmp/race.$$"
	(exit "$finish_status")
	at_exit
}
trap finish EXIT
tries=0 armed=0 waited=0 refused=0
# Both states must be seen. If they are not, the test ends by its time.
while [ $tries -lt 60 ] || [ $armed -lt 5 ] || [ $waited -lt 5 ]; do
	tries=$((tries + 1))
	said=$(echo "p:race rktest_victim:rktest_victim_work+4" | write_probes)
	case $said in
	'')
		case $(of race state) in
		waiting*) waited=$((waited + 1)) ;;
		*) armed=$((armed + 1)) ;;
		esac
		[ $((tries % 3)) != 0 ] || flush
		remove race || fail "remove in try $tries"
		;;
	"$known") refused=$((refused + 1)) ;;
	*) fail "a racing registration is refused with '$said' in try $tries" ;;
	esac
	kill -0 "$racer" 2>/dev/null || fail "the module failed to load, to work or to unload in try $tries"
done
touch "/tmp/race.$$"
check "$armed racing registrations were armed, $waited waited, $refused were refused; the module always works" wait "$racer"
flush
same "no probe and no site is left by the race" "$(stat_of probes) $(stat_of sites)" "0 0"

# The init function waits until it is released. Its module is not live before that.
insmod "$(module_file rktest_victim)" hold=1 &
loader=$!
wait_for "the init function runs" [ -e /sys/module/rktest_victim/parameters/release ]
check "a probe can be added in init text" add start rktest_victim:rktest_victim_start+4
check "a probe can be added in the module's other text" add two rktest_victim:rktest_victim_work+4
flush
echo 1 >/sys/module/rktest_victim/parameters/release
check "the module is loaded" wait "$loader"
loaded="rktest_victim $loaded"
same "the init function has the right result" "$(cat /sys/module/rktest_victim/parameters/init_result)" $((5 + 0x654321))
same "the probe in init text was hit" "$(of start hits)" 1
same "the probe in init text waits for the next loading" "$(of start state)" "waiting for module rktest_victim"
refuse "the probe in the other text does not wait" state_is two "waiting for module rktest_victim"
same "results are right with the probe in the other text" "$(ask rktest_victim call 10)" "$plain"
flush
refuse "the probe in the other text does not wait after a pass" state_is two "waiting for module rktest_victim"
same "the probe in the other text is hit" "$(of two hits)" 10
unload_mod rktest_victim
