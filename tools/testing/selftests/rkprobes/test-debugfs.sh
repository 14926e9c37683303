#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Every file under debugfs: who may use it, what is in it, what it takes.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes
at=rktest_functions:rktest_alu

# mode FILE: its permissions and its owner.
mode() {
	stat -c '%a %u' "$debugfs/$1"
}

# matches WHAT FILE PATTERN: no line of the file is other than the pattern says, and there is a line.
matches() {
	check "$1: not empty" grep -q . "$debugfs/$2"
	refuse "$1: lines" grep -Evq "$3" "$debugfs/$2"
}

check "add" add one $at
check "add by address" add two "0x$(awk '$3 == "rktest_mov" { print $1 }' /proc/kallsyms)"
check "add with an offset in hex" add three $at+0x7
flush

for file in probes enabled optimization explain probe/one/enable; do
	same "mode of $file" "$(mode $file)" "600 0"
done
for file in errors list stats blacklist probe/one/hits probe/one/missed probe/one/state probe/one/reason probe/one/text; do
	same "mode of $file" "$(mode $file)" "400 0"
	refuse "$file cannot be written" sh -c "echo 1 >$debugfs/$file"
done
same "mode of flush" "$(mode flush)" "200 0"

# probes: what is read makes the same probes.
same "lines of probes" "$(wc -l <"$debugfs/probes")" 3
matches "probes" probes '^p:[A-Za-z_][A-Za-z0-9_]* (([a-z_]+:)?[a-z_]+(\+0x[0-9a-f]+)?|0x[0-9a-f]+)$'
check "as it was written" grep -qx "p:three $at+0x7" "$debugfs/probes"
saved=$(cat "$debugfs/probes")
printf '%s\n' -:one -:two -:three >"$debugfs/probes"
same "probes after removal" "$(cat "$debugfs/probes")" ""
same "list after removal" "$(cat "$debugfs/list")" ""
echo "$saved" | write_probes || fail "what was read is refused"
same "the same probes again" "$(cat "$debugfs/probes")" "$saved"

# A probe without a name gets one.
echo "p $at+10" >"$debugfs/probes"
check "a made name" [ -d "$debugfs/probe/p_rktest_alu_10" ]
check "is removed by it" remove p_rktest_alu_10
# Carriage of many lines in one write.
same "many at once" "$(ask rktest_functions list | awk '$1 == "mov" { for (i = 3; i <= NF; i++) print "p:m" i " rktest_mov+" $i }' | write_probes)" ""
check "all are there" [ "$(wc -l <"$debugfs/probes")" -gt 20 ]
sed -n 's/^p:\(m[0-9]*\) .*/-:\1/p' "$debugfs/probes" | write_probes || fail "removal of many"

# list and its flags
flush
matches "list" list '^[0-9a-f]{16}  k  [A-Za-z0-9_.]+\+0x[0-9a-f]+  \[rktest_functions\] *(\[(GONE|DISABLED|OPTIMIZED|FTRACE)\])*$'
echo 0 >"$debugfs/probe/three/enable"
flush
check "[DISABLED]" grep -q 'rktest_alu+0x7.*\[DISABLED\]$' "$debugfs/list"
echo 1 >"$debugfs/probe/three/enable"
flush

# stats
matches "stats" stats '^[a-z_]+ [0-9]+$'
for name in probes sites armed optimizing optimized unoptimizing freeing passes batches sync_rounds grace_periods hits missed foreign_text; do
	same "stats has $name" "$(grep -c "^$name " "$debugfs/stats")" 1
done
same "probes counted" "$(stat_of probes)" 3
same "sites counted" "$(stat_of sites)" 3
same "states add up" $(($(stat_of armed) + $(stat_of optimizing) + $(stat_of optimized) + $(stat_of unoptimizing))) 3
hits=$(stat_of hits)
ask rktest_functions call alu 5 >/dev/null
same "hits counted" $(($(stat_of hits) - hits)) 10

# blacklist
matches "blacklist" blacklist '^(0x)?[0-9a-f]{16}-(0x)?[0-9a-f]{16}[[:space:]]+[^ ]+[[:space:]]+.+$'
check "blacklist has the breakpoint path" grep -q 'hw_breakpoint_exceptions_notify' "$debugfs/blacklist"
check "blacklist has noinstr text" grep -q ' exc_int3 noinstr$' "$debugfs/blacklist"
check "blacklist has this module" grep -q ' own-text$' "$debugfs/blacklist"

# per probe
same "hits" "$(of one hits)" 5
matches "missed" probe/one/missed '^[a-z_]+ [0-9]+$'
same "enable" "$(of one enable)" 1
check "state" grep -Eqx 'disabled|armed|optimizing|optimized|unoptimizing|ftrace|gone' "$debugfs/probe/one/state"
same "state of a jump" "$(of two state)" optimized
same "reason of a jump" "$(of two reason)" -
same "lines of text" "$(cut -d' ' -f1 "$debugfs/probe/two/text" | tr '\n' ' ')" "address original current detour "
check "address" grep -Eqx 'address 0x[0-9a-f]{16}' "$debugfs/probe/two/text"
check "original" grep -Eqx 'original [0-9a-f]{2}( [0-9a-f]{2}){4,}' "$debugfs/probe/two/text"
same "as many current bytes" "$(bytes two current | wc -w)" "$(bytes two original | wc -w)"
check "detour" grep -Eqx 'detour 0x[0-9a-f]{16}' "$debugfs/probe/two/text"

# explain: says what a probe would be, and changes nothing.
explain() {
	echo "$1" >"$debugfs/explain" && cat "$debugfs/explain"
}
before=$(cat "$debugfs/probes" "$debugfs/list")
same "target" "$(explain "$at+2" | sed -n 1p)" "target $at+2"
same "instruction" "$(explain "$at+2" | grep insn)" "insn +0x2 5 05 78 56 34 12"
same "region" "$(explain "$at+2" | grep region)" "region 5"
same "optimizable" "$(explain "$at+2" | grep optimizable)" "optimizable yes"
same "instruction under a jump" "$(explain "$at" | grep -m1 insn)" "insn +0x0 2 04 11"
same "inside an instruction" "$(explain "$at+3" | grep -m1 insn)" "insn +0x2 5 05 78 56 34 12"
check "no probe there" grep -q '^probe no: inside an instruction' "$debugfs/explain"
same "lane of a function's entry" "$(explain vfs_read | grep lane)" "lane ftrace"
refuse "an unknown symbol is no target" sh -c "echo no_such_function_here >$debugfs/explain"
check "the answer says so" grep -q '^probe no: unknown symbol' "$debugfs/explain"
same "explain changes nothing" "$(cat "$debugfs/probes" "$debugfs/list")" "$before"

# Reading in small pieces gives the same.
same "list in pieces" "$(dd if="$debugfs/list" bs=7 2>/dev/null)" "$(cat "$debugfs/list")"
same "blacklist in pieces" "$(dd if="$debugfs/blacklist" bs=513 2>/dev/null | md5sum)" "$(md5sum <"$debugfs/blacklist")"

# flush: a full pass has ended when it returns.
passes=$(stat_of passes)
flush
check "a pass in flush" [ "$(stat_of passes)" -gt "$passes" ]
passes=$(stat_of passes)
flush
check "another in another" [ "$(stat_of passes)" -gt "$passes" ]

# enabled
echo 0 >"$debugfs/enabled"
same "enabled reads 0" "$(cat "$debugfs/enabled")" 0
for name in one two three; do
	check "$name is disarmed" original $name
done
check "add while all are disarmed" add four $at+10
check "it is disarmed" original four
echo 1 >"$debugfs/enabled"
same "enabled reads 1" "$(cat "$debugfs/enabled")" 1
for name in one two three four; do
	refuse "$name is armed" original $name
done

exec 3<"$debugfs/list"
refuse "unload while a file is open" rmmod rkprobes
exec 3<&-
unload_mod rkprobes
refuse "the files go with the module" [ -e "$debugfs" ]
