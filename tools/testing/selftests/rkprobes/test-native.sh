#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Native kprobes and ours on the same text, in both orders of arrival: refused with a reason, or both work.
. ./functions.sh

load_mod rktest_functions
load_mod rktest_native
load_mod rkprobes
plain=$(ask rktest_functions call alu 10)
text=$(ask rktest_functions text alu)
exists='File exists'

# works WHAT: results are as without probes.
works() {
	same "results $1" "$(ask rktest_functions call alu 10)" "$plain"
}

# refused OFFSET ERRNO WHAT
refused() {
	same "$3" "$(echo "p:ours rktest_functions:rktest_alu+$1" | write_probes)" "$2"
}

# Theirs first. The region at +0 is 0 to 7.
place=$(ask rktest_native add rktest_alu 0) || fail "add a native kprobe"
refused 0 "$exists" "the address of a native kprobe"
check "beside it" add ours rktest_functions:rktest_alu+7
flush
works "with a native kprobe before ours"
same "their hits" "$(ask rktest_native hits "$place")" 10
same "our hits" "$(of ours hits)" 10
check "disable theirs" ask rktest_native disable "$place"
works "with theirs disabled"
check "enable theirs" ask rktest_native enable "$place"
works "with theirs enabled"
same "their hits go on" "$(ask rktest_native hits "$place")" 20
check "remove theirs" ask rktest_native del "$place"
# Their optimizer takes a jump out later than it says.
wait_for "their place to be free" add theirs rktest_functions:rktest_alu 2>/dev/null
pass "their place is free for us"
check "remove it" remove theirs
check "remove ours" remove ours
flush

# Theirs first, inside of what our jump would cover: we stay an int3.
place=$(ask rktest_native add rktest_alu 2) || fail "add a native kprobe at +2"
check "ours before it" add ours rktest_functions:rktest_alu
flush
works "with a native kprobe in our region"
same "no jump over a native kprobe" "$(of ours state)" armed
refuse "and a reason" [ "$(of ours reason)" = - ]
same "both are hit" "$(ask rktest_native hits "$place") $(of ours hits)" "10 10"
check "remove theirs from our region" ask rktest_native del "$place"
check "remove ours there" remove ours
flush

# Ours first, as int3: theirs cannot be put there.
echo 0 >"$debugfs/optimization"
check "ours first" add ours rktest_functions:rktest_alu+7
refuse "a native kprobe on our int3" ask rktest_native add rktest_alu 7
works "with our int3"
echo 1 >"$debugfs/optimization"
flush

# Ours first, as jump: whatever they are allowed, both must work, and ours must go away in the end.
same "our jump" "$(of ours state)" optimized
place=$(ask rktest_native add rktest_alu 7 2>/dev/null) || place=
works "with a native kprobe tried on our jump"
if [ -n "$place" ]; then
	same "a native kprobe on our jump is hit" "$(ask rktest_native hits "$place")" 10
	check "remove ours under theirs" remove ours
	flush
	works "with ours removed under theirs"
	check "remove theirs on our jump" ask rktest_native del "$place"
else
	check "remove our jump" remove ours
fi
works "with all removed"
flush

# On our jump that counts: it cannot go for a handler that comes, which is refused and changes nothing.
echo "c:ours rktest_functions:rktest_alu+7" >"$debugfs/probes"
flush
same "our jump that counts" "$(of ours state)" optimized
place=$(ask rktest_native add rktest_alu 7) || fail "add a native kprobe on our jump that counts"
works "with a native kprobe on our jump that counts"
same "both count" "$(ask rktest_native hits "$place") $(of ours hits)" "10 10"
same "a handler that the jump would pass over" "$(echo "p:other rktest_functions:rktest_alu+7" | write_probes)" \
	"Device or resource busy"
same "our jump stays" "$(of ours state) $(of ours reason)" "optimized -"
works "with the handler refused"
same "both still count" "$(ask rktest_native hits "$place") $(of ours hits)" "20 20"
check "remove theirs from it" ask rktest_native del "$place"
check "the handler is let in" add other rktest_functions:rktest_alu+7
works "with a handler"
same "all are hit" "$(of ours hits) $(of other hits)" "30 10"
printf '%s\n' -:ours -:other >"$debugfs/probes"
flush
works "after a pass"
same "the text in the end" "$(ask rktest_functions text alu)" "$text"

# What they would take for instructions behind our int3 (+2 to +7) and behind our jump (+0 to +5, the region goes to +7): refused, and
# not for long.
echo 0 >"$debugfs/optimization"
blacklist=$(cat /sys/kernel/debug/kprobes/blacklist)
check "ours, as int3" add ours rktest_functions:rktest_alu+2
refuse "a native kprobe in our instruction" ask rktest_native add rktest_alu 3
check "remove our int3" remove ours
echo 1 >"$debugfs/optimization"
check "ours, as jump" add ours rktest_functions:rktest_alu
flush
same "it is a jump" "$(of ours state)" optimized
for offset in 1 2 5; do
	refuse "a native kprobe at +$offset in our region" ask rktest_native add rktest_alu $offset
done
works "with all of them refused"
check "remove our jump from the region" remove ours
flush
same "what they are refused in the end" "$(cat /sys/kernel/debug/kprobes/blacklist)" "$blacklist"

# Ours first, and queued for long: our int3s go on in a copy of the region, +26 to +31. Theirs at +29 was disabled when ours came; it is
# hit all the same, also as a jump over +31, where the copy goes back to.
unload_mod rkprobes
load_mod rkprobes optimize_delay=60000
their_jump() { [ "$(ask rktest_functions text alu | cut -d" " -f30)" = e9 ]; }
settled() { flush && state_is ours "$1"; }
place=$(ask rktest_native add rktest_alu 29) || fail "add a native kprobe"
check "disable it" ask rktest_native disable "$place"
check "ours, queued" add ours rktest_functions:rktest_alu+26
works "with ours queued"
refuse "a native kprobe in a queued region" ask rktest_native add rktest_alu 27
check "enable theirs in the queued region" ask rktest_native enable "$place"
works "with a native kprobe in the queued region"
same "state" "$(of ours state)" optimizing
same "both are hit there" "$(ask rktest_native hits "$place") $(of ours hits)" "10 20"
wait_for "their jump" their_jump
works "with a native jump over the queued region's end"
same "both are hit with their jump" "$(ask rktest_native hits "$place") $(of ours hits)" "20 30"
check "our pass leaves theirs alone" settled armed
works "after our pass"
check "remove theirs in the end" ask rktest_native del "$place"
wait_for "our jump when theirs is gone" settled optimized
works "with our jump in the end"
check "remove ours in the end" remove ours
flush
same "the text after all" "$(ask rktest_functions text alu)" "$text"
