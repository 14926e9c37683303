#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# "explain" and registering answer alike: at every address of some functions, with and without native kprobes and probes there.
. ./functions.sh

load_mod rktest_functions
load_mod rktest_native
load_mod rkprobes

# agree WHAT FUNCTION FROM TO: asks about each address between these offsets, and tries each.
agree() {
	asked=0 accepted=0
	start=$(awk -v name="$2" '$3 == name { print $1; exit }' /proc/kallsyms)
	offset=$3
	while [ "$offset" -lt "$4" ]; do
		at=$(printf '0x%x' $((0x$start + offset)))
		answer=$(echo "$at" >"$debugfs/explain" && sed -n 's/^probe //p' "$debugfs/explain")
		if (echo "p:try $at" >"$debugfs/probes") 2>/dev/null; then
			[ "$answer" = yes ] || fail "$1: $at is registered, and explain says '$answer'"
			remove try
			accepted=$((accepted + 1))
		else
			reason=$(sed -n "s/^1: p:try $at: //p" "$debugfs/errors")
			[ "$answer" = "no: $reason" ] || fail "$1: $at is refused with '$reason', and explain says '$answer'"
		fi
		asked=$((asked + 1)) offset=$((offset + 1))
	done
	check "$1: explain and registering agree at $asked addresses, $accepted accepted" [ "$asked" -gt 16 ]
}

# each_agrees WHAT FUNCTION: the answer about the whole function agrees with the answer about each of its instructions.
each_agrees() {
	echo "$2+*" >"$debugfs/explain"
	same "$1: the whole answer repeats the target" "$(sed -n 1p "$debugfs/explain")" "target $2+*"
	sed -n 's/^at //p' "$debugfs/explain" >/tmp/whole
	asked=0
	while read -r offset length lane reason; do
		echo "$2$offset" >"$debugfs/explain"
		answer=$(awk -v offset="$offset" '
			$1 == "insn" && $2 == offset { length_ = $3 }
			/^probe no: / { sub(/^probe no: /, ""); answer = "no " $0 }
			/^lane ftrace/ { answer = "ftrace -"; length_ = "-" }
			/^optimizable yes/ { answer = "jump -" }
			/^optimizable no: / { sub(/^optimizable no: /, ""); answer = "int3 " $0 }
			END { print length_, answer }' "$debugfs/explain")
		# An ENDBR is answered for the instruction that follows it.
		[ "$lane" != ftrace ] || length=-
		[ "$length $lane $reason" = "$answer" ] || fail "$1: $offset is '$length $lane $reason' in the whole answer, and '$answer' alone"
		asked=$((asked + 1))
	done </tmp/whole
	check "$1: the whole answer has $asked instructions, as single answers have them" [ "$asked" -ge "$3" ]
}

each_agrees "a function of a test" rktest_alu 3
each_agrees "a function with an entry of the function tracer" vfs_read 64
check "it has an entry" grep -q '^+0x0 4 ftrace -$' /tmp/whole
check "it has jumps, int3s and more than one portion of instructions" sh -c "grep -q ' jump -$' /tmp/whole && grep -q ' int3 ' /tmp/whole &&
	[ \$(wc -l </tmp/whole) -gt 64 ]"
echo "vfs_read+*" >"$debugfs/explain"
awk '$1 == "at" && $4 == "jump" { print "c vfs_read" $2 }' "$debugfs/explain" >/tmp/lines
same "each line with the word jump makes a probe" "$(write_probes </tmp/lines) $(wc -l <"$debugfs/probes")" " $(wc -l </tmp/lines)"
flush
same "each of them is a jump, or in the region of another jump" "$(cat "$debugfs"/probe/*/reason | grep -cvE '^(-|another probe is in the region)$')" 0
sed 's/^.:\([^ ]*\) .*/-:\1/' "$debugfs/probes" >/tmp/lines
write_probes </tmp/lines || fail "the probes cannot be removed"
echo "get_kprobe+*" >"$debugfs/explain"
same "a function that takes no probe has no instruction with another answer" "$(sed -n 's/^at [^ ]* [^ ]* //p' "$debugfs/explain" | cut -d' ' -f1 | sort -u)" no
start=$(awk '$3 == "vfs_read" { print $1; exit }' /proc/kallsyms)
echo "0x$start+*" >"$debugfs/explain"
same "an address stands for its function" "$(grep -c '^at ' "$debugfs/explain")" "$(echo vfs_read+* >"$debugfs/explain" && grep -c '^at ' "$debugfs/explain")"
refuse "an unknown function is explained" sh -c "echo no_such_function_here+* >$debugfs/explain"
refuse "an offset and a star are explained" sh -c "echo vfs_read+9+* >$debugfs/explain"

agree "nothing near" rktest_alu -8 16
free=$accepted
check "some addresses are accepted" [ "$free" -gt 2 ]
for offset in 0 2 7; do
	place=$(ask rktest_native add rktest_alu "$offset") || fail "the native kprobe cannot be registered"
	agree "a native kprobe at +$offset" rktest_alu -8 16
	check "a native kprobe at +$offset refuses addresses" [ "$accepted" -lt "$free" ]
	ask rktest_native del "$place" || fail "the native kprobe cannot be unregistered"
done
check "a probe can be added" add one rktest_functions:rktest_alu
flush
agree "a probe at +0" rktest_alu -8 16
remove one
