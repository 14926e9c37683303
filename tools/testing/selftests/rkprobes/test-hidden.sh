#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What native kprobes do not see while one of ours is there: branches under it or behind it, and where instructions begin. They are
# refused what would be dangerous, and let in again when ours is gone.
. ./functions.sh

load_mod rktest_native
load_mod rkprobes
list=/sys/kernel/debug/kprobes/list
blacklist=$(cat /sys/kernel/debug/kprobes/blacklist)

# their_state FUNCTION OFFSET: of a native kprobe, as the kernel has decided.
their_state() {
	case $(grep "rktest_$1+$(printf '%#x' "$2") " "$list") in
	'') echo none ;;
	*'[OPTIMIZED]'*) echo optimized ;;
	*) echo int3 ;;
	esac
}

is_jump() { [ "$(ask rktest_native byte "$1")" = e9 ]; }
is_gone() { [ "$(their_state none 2)" = none ]; }

# settled: their optimizer has been at work. What could become a jump before is one now, as this one is.
settled() {
	settled_place=$(ask rktest_native add rktest_none 2) || fail "add one that becomes a jump"
	wait_for "their jump" is_jump "$settled_place"
	ask rktest_native del "$settled_place" || fail "remove it"
	wait_for "their optimizer to clean up" is_gone
}

# errno_of COMMAND...: of the native module, as a text.
errno_of() {
	echo "$*" >"/tmp/native.$$"
	if LC_ALL=C dd if="/tmp/native.$$" of=/sys/module/rktest_native/parameters/command 2>"/tmp/native.$$.said"; then
		echo none
	else
		sed -n 's/^dd: .*: //p' "/tmp/native.$$.said"
	fi
	rm "/tmp/native.$$" "/tmp/native.$$.said"
}

# stays_int3 FUNCTION OFFSET WHEN: a native kprobe is let in, and does not become a jump.
stays_int3() {
	place=$(ask rktest_native add "rktest_$1" "$2") || fail "add a native kprobe $3"
	settled
	same "it is no jump $3" "$(their_state "$1" "$2")" int3
	check "remove it $3" ask rktest_native del "$place"
}

# case_of FUNCTION OURS STATE THEIRS ARGUMENT RESULT: ours hides a branch, so theirs is refused.
case_of() {
	echo "# $1: ours at +$2 as $3, theirs at +$4"
	stays_int3 "$1" "$4" "without ours"
	[ "$3" = optimized ] || echo 0 >"$debugfs/optimization"
	check "add ours" add ours "rktest_native:rktest_$1+$2"
	flush
	same "ours" "$(of ours state)" "$3"
	same "theirs is refused" "$(errno_of add "rktest_$1" "$4")" "Invalid argument"
	same "the function" "$(ask rktest_native call "$1" "$5")" "$6"
	check "remove ours" remove ours
	flush
	echo 1 >"$debugfs/optimization"
	stays_int3 "$1" "$4" "with ours gone"
	same "the function in the end" "$(ask rktest_native call "$1" "$5")" "$6"
}

case_of region 2 optimized 7 0 3
case_of branch 11 armed 2 5 11
case_of branch 8 optimized 2 5 11
case_of swallowed 11 armed 2 5 11

# Where no instruction begins, behind our region: without ours the kernel sees that itself.
for offset in 11 12; do
	same "+$offset without ours" "$(errno_of add rktest_boundary $offset)" "Invalid or incomplete multibyte or wide character"
done
check "add ours" add ours rktest_native:rktest_boundary
flush
same "ours" "$(of ours state)" optimized
for offset in 11 12; do
	same "+$offset with our jump" "$(errno_of add rktest_boundary $offset)" "Invalid argument"
done
same "the function" "$(ask rktest_native call boundary 0)" 2425356288
check "remove ours" remove ours
flush
for offset in 11 12; do
	same "+$offset in the end" "$(errno_of add rktest_boundary $offset)" "Invalid or incomplete multibyte or wide character"
done

# let_in FUNCTION OFFSET WHEN, kept_out FUNCTION OFFSET WHEN
let_in() {
	let_in_place=$(ask rktest_native add "rktest_$1" "$2") || fail "a native kprobe is let in $3"
	check "a native kprobe is let in $3" ask rktest_native del "$let_in_place"
}
kept_out() { same "a native kprobe is refused $3" "$(errno_of add "rktest_$1" "$2")" "Invalid argument"; }

# The stretch behind our int3 at +11 goes to +20. What is far from it and from where the branch goes is let in, unless the bytes of the
# stretch are others than the original ones: then they are refused the whole function.
echo 0 >"$debugfs/optimization"
check "ours alone" add ours rktest_native:rktest_swallowed+11
let_in swallowed 8 "at +8"
check "ours in its stretch" add other rktest_native:rktest_swallowed+18
kept_out swallowed 8 "with two of ours"
same "the function" "$(ask rktest_native call swallowed 5)" 11
check "remove the one in the stretch" remove other
flush
let_in swallowed 8 "at +8 with one of ours"
check "remove ours" remove ours
flush
check "ours in the other order" add other rktest_native:rktest_swallowed+18
check "the one with the stretch" add ours rktest_native:rktest_swallowed+11
kept_out swallowed 8 "with two of ours in the other order"
same "the function" "$(ask rktest_native call swallowed 5)" 11
printf '%s\n' -:ours -:other >"$debugfs/probes"
flush
place=$(ask rktest_native add rktest_swallowed 18) || fail "theirs first in our stretch"
check "ours with theirs in its stretch" add ours rktest_native:rktest_swallowed+11
kept_out swallowed 8 "with theirs in our stretch"
kept_out swallowed 2 "in front of the branch's target"
same "the function" "$(ask rktest_native call swallowed 5)" 11
same "both are hit" "$(ask rktest_native hits "$place") $(of ours hits)" "1 5"
check "remove ours" remove ours
flush
let_in swallowed 8 "with ours gone"
check "remove theirs" ask rktest_native del "$place"
echo 1 >"$debugfs/optimization"

# The same for our jump: its stretch goes from the region's end at +8 to +13.
place=$(ask rktest_native add rktest_boundary 8) || fail "theirs behind our region"
check "ours in front of it" add ours rktest_native:rktest_boundary
flush
same "it is a jump all the same" "$(of ours state)" optimized
kept_out boundary 11 "at +11"
kept_out boundary 13 "at the function's end"
same "the function" "$(ask rktest_native call boundary 0)" 2425356288
same "both are hit" "$(ask rktest_native hits "$place") $(of ours hits)" "1 1"
check "remove ours" remove ours
flush
let_in boundary 13 "at the end with ours gone"
check "remove theirs" ask rktest_native del "$place"

# All over the kernel: where a whole function is refused, its entry is not if that is ftrace's. Ours are at the head of the list.
candidates 600 | write_probes >/dev/null || true
number=$(($(wc -l </sys/kernel/debug/kprobes/blacklist) - $(echo "$blacklist" | wc -l)))
refuse "native kprobes are refused something" [ "$number" -lt "$(stat_of probes)" ]
low() { echo $((0x$(echo "$1" | sed 's/^0xffffffff//'))); }
head -n "$number" /sys/kernel/debug/kprobes/blacklist >"/tmp/ours.$$"
whole=
while [ -z "$whole" ] && read -r range symbol rest; do
	len=$(($(low "${range#*-}") - $(low "${range%-*}")))
	[ -n "$rest" ] || [ $len -lt 160 ] || whole=$symbol
done <"/tmp/ours.$$"
rm "/tmp/ours.$$"
refuse "a function is refused as a whole" [ -z "$whole" ]
entry=$(ask rktest_native add "$whole" 0) || fail "the entry of $whole"
check "the entry of $whole is let in" ask rktest_native del "$entry"
same "the rest of it is not" "$(errno_of add "$whole" 100)" "Invalid argument"

# One who asks while a batch with ours is put together is let in or sees it, and never both: where no instruction begins he is not.
check "ours among them" add ours rktest_native:rktest_swallowed+11
check "ask again and again" ask rktest_native storm rktest_swallowed 14
for _ in 1 2 3 4 5 6 7 8 9 10; do
	echo 0 >"$debugfs/enabled"
	echo 1 >"$debugfs/enabled"
done
answer=$(ask rktest_native calm) || fail "ask no more"
echo "# asked ${answer% *} times"
refuse "it was asked" [ "${answer% *}" = 0 ]
same "how often one was let in there" "${answer#* }" 0

# The same for jumps, with one of theirs in a stretch that makes it the whole function.
place=$(ask rktest_native add rktest_boundary 8) || fail "theirs behind our region"
check "ours in front of it" add front rktest_native:rktest_boundary
check "ask again and again" ask rktest_native storm rktest_boundary 11
for _ in 1 2 3 4 5 6; do
	echo 0 >"$debugfs/optimization"
	flush
	echo 1 >"$debugfs/optimization"
	flush
done
answer=$(ask rktest_native calm) || fail "ask no more"
echo "# asked ${answer% *} times"
refuse "it was asked" [ "${answer% *}" = 0 ]
same "how often one was let in behind the jump" "${answer#* }" 0
check "remove theirs" ask rktest_native del "$place"
sed 's/^p:\([^ ]*\).*/-:\1/' "$debugfs/probes" | write_probes || fail "remove them"
flush

same "what they are refused in the end" "$(cat /sys/kernel/debug/kprobes/blacklist)" "$blacklist"
