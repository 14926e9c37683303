#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Native kprobes and probes of ours on the same text, in both orders of arrival. One is refused with a reason, or both work.
. ./functions.sh

load_mod rktest_functions
load_mod rktest_native
load_mod rkprobes
plain=$(ask rktest_functions call alu 10)
text=$(ask rktest_functions text alu)
exists='File exists'

# works WHEN: the results are as without probes.
works() {
	same "results are right $1" "$(ask rktest_functions call alu 10)" "$plain"
}

# refused OFFSET ERRNO WHAT: a probe of ours is refused with that errno.
refused() {
	same "our probe is refused at $3" "$(echo "p:ours rktest_functions:rktest_alu+$1" | write_probes)" "$2"
}

# The native kprobe is first. The region at +0 is from 0 to 7.
place=$(ask rktest_native add rktest_alu 0) || fail "a native kprobe cannot be registered"
refused 0 "$exists" "the address of a native kprobe"
check "our probe can be added beside the native kprobe" add ours rktest_functions:rktest_alu+7
flush
works "with a native kprobe before ours"
same "each call is a hit of the native kprobe" "$(ask rktest_native hits "$place")" 10
same "each call is a hit of our probe" "$(of ours hits)" 10
check "the native kprobe can be disabled" ask rktest_native disable "$place"
works "with the native kprobe disabled"
check "the native kprobe can be enabled" ask rktest_native enable "$place"
works "with the native kprobe enabled"
same "the enabled native kprobe is hit again" "$(ask rktest_native hits "$place")" 20
check "the native kprobe can be unregistered" ask rktest_native del "$place"
# The kernel's optimizer removes a jump later than it lists it as removed.
wait_for "the address of the native kprobe is free" add again rktest_functions:rktest_alu 2>/dev/null
pass "our probe can be added where the native kprobe was"
check "our probe where the native kprobe was can be removed" remove again
check "our probe beside the native kprobe can be removed" remove ours
flush

# The native kprobe is first, inside our region. Our site stays an int3.
place=$(ask rktest_native add rktest_alu 2) || fail "a native kprobe cannot be registered at +2"
check "our probe can be added before the native kprobe" add ours rktest_functions:rktest_alu
flush
works "with a native kprobe in our region"
same "our site stays an int3 with a native kprobe in its region" "$(of ours state)" armed
refuse "our probe has a reason" [ "$(of ours reason)" = - ]
same "the native kprobe and our int3 are hit" "$(ask rktest_native hits "$place") $(of ours hits)" "10 10"
check "the native kprobe in our region can be unregistered" ask rktest_native del "$place"
check "our probe with the int3 can be removed" remove ours
flush

# Our int3 is first. A native kprobe cannot be registered there.
echo 0 >"$debugfs/optimization"
check "our probe can be added first" add ours rktest_functions:rktest_alu+7
refuse "a native kprobe is refused on our int3" ask rktest_native add rktest_alu 7
works "with our int3"
echo 1 >"$debugfs/optimization"
flush

# Our jump is first. If a native kprobe is let in, both must work, and our jump must be removed in the end.
same "our site is a jump" "$(of ours state)" optimized
place=$(ask rktest_native add rktest_alu 7 2>/dev/null) || place=
works "with a native kprobe tried on our jump"
if [ -n "$place" ]; then
	same "the native kprobe on our jump is hit" "$(ask rktest_native hits "$place")" 10
	check "our probe under the native kprobe can be removed" remove ours
	flush
	works "with our probe removed under the native kprobe"
	check "the native kprobe on our jump can be unregistered" ask rktest_native del "$place"
else
	check "our probe with the jump can be removed" remove ours
fi
works "with all probes removed"
flush

# A native kprobe on our jump that counts. The jump cannot be removed for a new handler, so the handler is refused, and nothing changes.
echo "c:ours rktest_functions:rktest_alu+7" >"$debugfs/probes"
flush
same "our site is a jump that counts" "$(of ours state)" optimized
place=$(ask rktest_native add rktest_alu 7) || fail "a native kprobe cannot be registered on our jump that counts"
works "with a native kprobe on our jump that counts"
same "the native kprobe and the jump count" "$(ask rktest_native hits "$place") $(of ours hits)" "10 10"
same "a handler that the jump would not call is refused" "$(echo "p:other rktest_functions:rktest_alu+7" | write_probes)" \
	"Device or resource busy"
same "our jump stays optimized" "$(of ours state) $(of ours reason)" "optimized -"
works "with the handler refused"
same "the native kprobe and the jump still count" "$(ask rktest_native hits "$place") $(of ours hits)" "20 20"
check "the native kprobe on the jump that counts can be unregistered" ask rktest_native del "$place"
check "the handler is accepted without the native kprobe" add other rktest_functions:rktest_alu+7
works "with a handler"
same "both probes of ours are hit" "$(of ours hits) $(of other hits)" "30 10"
printf '%s\n' -:ours -:other >"$debugfs/probes"
flush
works "after a pass"
same "the text is as at the beginning" "$(ask rktest_functions text alu)" "$text"

# Our site is there and disarmed. A native kprobe that came meanwhile refuses a further probe, as it refuses a first one.
echo 0 >"$debugfs/enabled"
check "our probe can be added while all are disarmed" add first rktest_functions:rktest_alu+7
place=$(ask rktest_native add_post rktest_alu 7) || fail "a native kprobe cannot be registered on our disarmed site"
refused 7 "$exists" "the address of a native kprobe and of a disarmed site"
check "the native kprobe on the disarmed site can be unregistered" ask rktest_native del "$place"
check "our second probe can be added without the native kprobe" add ours rktest_functions:rktest_alu+7
printf '%s\n' -:first -:ours >"$debugfs/probes"
echo 1 >"$debugfs/enabled"
flush

# Offsets that the kernel would take for instructions after our int3 (+2 to +7) and after our jump (+0 to +5, the region goes to +7). Native
# kprobes are refused there until our probe is removed.
echo 0 >"$debugfs/optimization"
blacklist=$(cat /sys/kernel/debug/kprobes/blacklist)
check "our probe can be added as an int3" add ours rktest_functions:rktest_alu+2
refuse "a native kprobe is refused in our instruction" ask rktest_native add rktest_alu 3
check "our int3 can be removed" remove ours
echo 1 >"$debugfs/optimization"
check "our probe can be added as a jump" add ours rktest_functions:rktest_alu
flush
same "our site is a jump before the native kprobes" "$(of ours state)" optimized
for offset in 1 2 5; do
	refuse "a native kprobe is refused at +$offset in our region" ask rktest_native add rktest_alu $offset
done
works "with all native kprobes refused"
check "our jump can be removed after the native kprobes" remove ours
flush
same "the kernel's blacklist is as before" "$(cat /sys/kernel/debug/kprobes/blacklist)" "$blacklist"

# Our site is first and stays queued for long. A hit of its int3 continues in a copy of the region, +26 to +31. The native kprobe at +29 was
# disabled when our probe was added. It is hit all the same when it is enabled, also as a jump over +31, where the copy returns to.
unload_mod rkprobes
load_mod rkprobes optimize_delay=60000
their_jump() { [ "$(ask rktest_functions text alu | cut -d" " -f30)" = e9 ]; }
settled() { flush && state_is ours "$1"; }
place=$(ask rktest_native add rktest_alu 29) || fail "a native kprobe cannot be registered"
check "the native kprobe in the region to come can be disabled" ask rktest_native disable "$place"
check "our probe can be added over the disabled native kprobe" add ours rktest_functions:rktest_alu+26
works "with our site queued"
refuse "a native kprobe is refused in a queued region" ask rktest_native add rktest_alu 27
check "the native kprobe in the queued region can be enabled" ask rktest_native enable "$place"
works "with a native kprobe in the queued region"
same "our site is still queued" "$(of ours state)" optimizing
same "the native kprobe and our int3 are hit in the queued region" "$(ask rktest_native hits "$place") $(of ours hits)" "10 20"
wait_for "the native kprobe is a jump" their_jump
works "with a native jump over the queued region's end"
same "the native jump and our int3 are hit in the queued region" "$(ask rktest_native hits "$place") $(of ours hits)" "20 30"
check "our pass does not write over the native jump" settled armed
works "after our pass"
check "the native jump can be removed" ask rktest_native del "$place"
wait_for "our site is a jump when the native jump is removed" settled optimized
works "with our jump in the end"
check "our jump can be removed after the native jump" remove ours
flush
same "the text is as at the beginning after the native jump" "$(ask rktest_functions text alu)" "$text"
