#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Every file in debugfs: its permissions, its content, and the input that it accepts.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes
at=rktest_functions:rktest_alu

# mode FILE: prints its permissions and its owner.
mode() {
	stat -c '%a %u' "$debugfs/$1"
}

# matches WHAT FILE PATTERN: the file has a line, and each of its lines matches the pattern.
matches() {
	check "$1 has a line" grep -q . "$debugfs/$2"
	refuse "$1 has no line of another form" grep -Evq "$3" "$debugfs/$2"
}

check "a probe can be added" add one $at
check "a probe can be added by address" add two "0x$(awk '$3 == "rktest_mov" { print $1 }' /proc/kallsyms)"
check "a probe can be added with an offset in hex" add three $at+0x7
flush

for file in probes enabled optimization explain probe/one/enable; do
	same "$file has the right mode" "$(mode $file)" "600 0"
done
for file in errors list stats blacklist probe/one/hits probe/one/missed probe/one/state probe/one/reason probe/one/text; do
	same "$file has the right mode" "$(mode $file)" "400 0"
	refuse "$file cannot be written" sh -c "echo 1 >$debugfs/$file"
done
same "flush has the right mode" "$(mode flush)" "200 0"

# probes: a reader gets lines that make equal probes when they are written.
same "probes has a line for each probe" "$(wc -l <"$debugfs/probes")" 3
matches "probes" probes '^p:[A-Za-z_][A-Za-z0-9_]* (([a-z_]+:)?[a-z_]+(\+0x[0-9a-f]+)?|0x[0-9a-f]+)$'
check "probes has a line as it was written" grep -qx "p:three $at+0x7" "$debugfs/probes"
saved=$(cat "$debugfs/probes")
printf '%s\n' -:one -:two -:three >"$debugfs/probes"
same "probes is empty after the removal" "$(cat "$debugfs/probes")" ""
same "list is empty after the removal" "$(cat "$debugfs/list")" ""
echo "$saved" | write_probes || fail "the lines that were read from probes are refused"
same "the lines that were read make equal probes" "$(cat "$debugfs/probes")" "$saved"

# Settings follow the target, so that a saved text has them.
echo 0 >"$debugfs/probe/one/enable"
echo 1000 >"$debugfs/probe/two/limit"
echo 0x20 >"$debugfs/probe/three/limit"
echo 0 >"$debugfs/probe/three/enable"
settings() {
	for name in one two three; do
		echo "$(of $name enable) $(of $name limit)"
	done
}
cat "$debugfs/probes" >/tmp/saved
same "probes has the settings" "$(sed 's/^p:\([^ ]*\) [^ ]*/\1/' /tmp/saved | tr '\n' ',')" "one enable=0,three enable=0 limit=32,two limit=1000,"
had=$(settings)
sed 's/^.:\([^ ]*\) .*/-:\1/' "$debugfs/probes" | write_probes || fail "the probes cannot be removed"
cat /tmp/saved >"$debugfs/probes"
same "the saved lines make probes with equal settings" "$(settings)" "$had"
same "the saved lines are read again" "$(cat "$debugfs/probes")" "$(cat /tmp/saved)"
ask rktest_functions call alu 5 >/dev/null
same "a probe that is made with enable=0 is not hit" "$(of one hits)" 0
same "a probe that is made with enable=0 is disabled" "$(of one state) $(of one reason)" "disabled disabled"
echo 1 >"$debugfs/probe/one/enable"
ask rktest_functions call alu 5 >/dev/null
same "it is hit when it is enabled" "$(of one hits)" 5
sed 's/^.:\([^ ]*\) .*/-:\1/' "$debugfs/probes" | write_probes || fail "the probes cannot be removed"
echo "$saved" | write_probes || fail "the lines that were read from probes are refused"

# A disabled probe has a reason, although its site is the jump of another probe.
echo "p:also $at enable=0" >"$debugfs/probes"
flush
same "the probe beside it is a jump" "$(of one state) $(of one reason)" "optimized -"
same "the disabled probe of a jump has its reason" "$(of also state) $(of also reason)" "disabled disabled"
check "the site of both is a jump" jump also
check "the disabled probe can be removed" remove also

# A probe without a name gets one.
echo "p $at+10" >"$debugfs/probes"
check "a probe without a name gets one from its target" [ -d "$debugfs/probe/p_rktest_alu_10" ]
check "the probe can be removed by that name" remove p_rktest_alu_10
# Many lines in one write.
same "one write adds many probes without an error" "$(ask rktest_functions list | awk '$1 == "mov" { for (i = 3; i <= NF; i++) print "p:m" i " rktest_mov+" $i }' | write_probes)" ""
check "more than 20 probes are listed" [ "$(wc -l <"$debugfs/probes")" -gt 20 ]
sed -n 's/^p:\(m[0-9]*\) .*/-:\1/p' "$debugfs/probes" | write_probes || fail "many probes cannot be removed"

# list and its flags.
flush
matches "list" list '^[0-9a-f]{16}  k  [A-Za-z0-9_.]+\+0x[0-9a-f]+  \[rktest_functions\] *(\[(GONE|DISABLED|OPTIMIZED|FTRACE)\])*$'
echo 0 >"$debugfs/probe/three/enable"
flush
check "list marks a disabled probe" grep -q 'rktest_alu+0x7.*\[DISABLED\]$' "$debugfs/list"
echo 1 >"$debugfs/probe/three/enable"
flush

# stats.
matches "stats" stats '^[a-z_]+ [0-9]+$'
for name in probes sites armed optimizing optimized unoptimizing freeing passes batches sync_rounds grace_periods hits missed foreign_text \
	refused_in_handlers dead_handlers reserved index_ns slots slot_memory; do
	same "stats has one line $name" "$(grep -c "^$name " "$debugfs/stats")" 1
done
same "stats counts the probes" "$(stat_of probes)" 3
same "stats counts the sites" "$(stat_of sites)" 3
same "the numbers of states in stats have the number of sites as their sum" $(($(stat_of armed) + $(stat_of optimizing) + $(stat_of optimized) + $(stat_of unoptimizing))) 3
hits=$(stat_of hits)
ask rktest_functions call alu 5 >/dev/null
same "stats counts the hits" $(($(stat_of hits) - hits)) 10

# blacklist.
matches "blacklist" blacklist '^(0x)?[0-9a-f]{16}-(0x)?[0-9a-f]{16}[[:space:]]+[^ ]+[[:space:]]+.+$'
check "blacklist has a function of the breakpoint path" grep -q 'hw_breakpoint_exceptions_notify' "$debugfs/blacklist"
check "blacklist has noinstr text" grep -q ' exc_int3 noinstr$' "$debugfs/blacklist"
check "blacklist has this module" grep -q ' own-text$' "$debugfs/blacklist"

# The files of each probe.
same "hits counts the calls" "$(of one hits)" 5
matches "missed" probe/one/missed '^[a-z_]+ [0-9]+$'
same "enable reads 1 for an enabled probe" "$(of one enable)" 1
check "state has a known word" grep -Eqx 'disabled|armed|optimizing|optimized|unoptimizing|ftrace|gone' "$debugfs/probe/one/state"
same "state of a jump is optimized" "$(of two state)" optimized
same "reason of a jump is empty" "$(of two reason)" -
same "text has these lines" "$(cut -d' ' -f1 "$debugfs/probe/two/text" | tr '\n' ' ')" "address original current detour "
check "text has the address" grep -Eqx 'address 0x[0-9a-f]{16}' "$debugfs/probe/two/text"
check "text has the original bytes" grep -Eqx 'original [0-9a-f]{2}( [0-9a-f]{2}){4,}' "$debugfs/probe/two/text"
same "text has as many current bytes as original bytes" "$(bytes two current | wc -w)" "$(bytes two original | wc -w)"
check "text has the address of the detour" grep -Eqx 'detour 0x[0-9a-f]{16}' "$debugfs/probe/two/text"

# explain: says what a probe would be, and changes nothing.
explain() {
	echo "$1" >"$debugfs/explain" && cat "$debugfs/explain"
}
before=$(cat "$debugfs/probes" "$debugfs/list")
same "explain repeats the target" "$(explain "$at+2" | sed -n 1p)" "target $at+2"
same "explain shows the instruction" "$(explain "$at+2" | grep insn)" "insn +0x2 5 05 78 56 34 12"
same "explain has the length of the region" "$(explain "$at+2" | grep region)" "region 5"
same "explain calls the target optimizable" "$(explain "$at+2" | grep optimizable)" "optimizable yes"
same "explain shows the original instruction under a jump" "$(explain "$at" | grep -m1 insn)" "insn +0x0 2 04 11"
same "explain shows the instruction that an address is inside of" "$(explain "$at+3" | grep -m1 insn)" "insn +0x2 5 05 78 56 34 12"
check "explain refuses a probe inside an instruction" grep -q '^probe no: inside an instruction' "$debugfs/explain"
same "explain names the lane of a function's entry" "$(explain vfs_read | grep lane)" "lane ftrace"
refuse "explain fails for an unknown symbol" sh -c "echo no_such_function_here >$debugfs/explain"
check "explain says that the symbol is unknown" grep -q '^probe no: unknown symbol' "$debugfs/explain"
refuse "explain fails for an offset outside of the function" sh -c "echo $at+0x100000 >$debugfs/explain"
check "explain says what size the function has" grep -Eq '^probe no: offset outside the function: .* its size, 0x[0-9a-f]+$' "$debugfs/explain"
same "explain changes nothing" "$(cat "$debugfs/probes" "$debugfs/list")" "$before"

# A reader that reads small pieces gets an equal text.
same "list read in pieces of 7 bytes is equal" "$(dd if="$debugfs/list" bs=7 2>/dev/null)" "$(cat "$debugfs/list")"
same "blacklist read in pieces of 513 bytes is equal" "$(dd if="$debugfs/blacklist" bs=513 2>/dev/null | md5sum)" "$(md5sum <"$debugfs/blacklist")"

# flush: a whole pass has ended when the write returns.
passes=$(stat_of passes)
flush
check "a pass ends in a flush" [ "$(stat_of passes)" -gt "$passes" ]
passes=$(stat_of passes)
flush
check "another pass ends in another flush" [ "$(stat_of passes)" -gt "$passes" ]

# enabled.
echo 0 >"$debugfs/enabled"
same "enabled reads 0" "$(cat "$debugfs/enabled")" 0
for name in one two three; do
	check "$name has its original bytes when all probes are disarmed" original $name
done
check "a probe can be added while all probes are disarmed" add four $at+10
check "the added probe is not armed" original four
echo 1 >"$debugfs/enabled"
same "enabled reads 1" "$(cat "$debugfs/enabled")" 1
for name in one two three four; do
	refuse "$name has changed bytes when all probes are armed" original $name
done

exec 3<"$debugfs/list"
refuse "rkprobes cannot be unloaded while a file is open" rmmod rkprobes
exec 3<&-
unload_mod rkprobes
refuse "the files are removed with the module" [ -e "$debugfs" ]
