#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What the kernel does not see for a native kprobe while a probe of ours is there: branches under it or after it, and the beginnings of
# instructions. Native kprobes are refused where that would be dangerous, and let in again when our probe is removed.
. ./functions.sh

load_mod rktest_native
load_mod rkprobes
list=/sys/kernel/debug/kprobes/list
blacklist=$(cat /sys/kernel/debug/kprobes/blacklist)

# their_state FUNCTION OFFSET: prints the state that the kernel lists for a native kprobe.
their_state() {
	case $(grep "rktest_$1+$(printf '%#x' "$2") " "$list") in
	'') echo none ;;
	*'[OPTIMIZED]'*) echo optimized ;;
	*) echo int3 ;;
	esac
}

is_jump() { [ "$(ask rktest_native byte "$1")" = e9 ]; }
is_gone() { [ "$(their_state none 2)" = none ]; }

# settled: waits for a pass of the kernel's optimizer. It adds a native kprobe that can become a jump, and waits until it is a jump. Then each
# older native kprobe that can become a jump is a jump as well, because one pass optimizes all of them.
settled() {
	settled_place=$(ask rktest_native add rktest_none 2) || fail "a native kprobe that becomes a jump cannot be registered"
	wait_for "the native kprobe is a jump" is_jump "$settled_place"
	ask rktest_native del "$settled_place" || fail "the native kprobe cannot be unregistered"
	wait_for "the kernel's optimizer has removed the jump" is_gone
}

# stays_int3 FUNCTION OFFSET WHEN: a native kprobe is let in and does not become a jump.
stays_int3() {
	place=$(ask rktest_native add "rktest_$1" "$2") || fail "a native kprobe cannot be registered $3"
	settled
	same "the native kprobe stays an int3 $3" "$(their_state "$1" "$2")" int3
	check "the native kprobe can be unregistered $3" ask rktest_native del "$place"
}

# case_of FUNCTION OUR_OFFSET STATE NATIVE_OFFSET ARGUMENT RESULT: our probe hides a branch, so a native kprobe is refused.
case_of() {
	echo "$1: our probe at +$2 is $3, the native kprobe is at +$4"
	stays_int3 "$1" "$4" "without our probe"
	[ "$3" = optimized ] || echo 0 >"$debugfs/optimization"
	check "our probe can be added" add ours "rktest_native:rktest_$1+$2"
	flush
	same "our probe has the expected state" "$(of ours state)" "$3"
	same "a native kprobe is refused beside our probe" "$(errno_of rktest_native add "rktest_$1" "$4")" "Invalid argument"
	same "the function is right with our probe" "$(ask rktest_native call "$1" "$5")" "$6"
	check "our probe can be removed" remove ours
	flush
	echo 1 >"$debugfs/optimization"
	stays_int3 "$1" "$4" "with our probe removed"
	same "the function is right with our probe removed" "$(ask rktest_native call "$1" "$5")" "$6"
}

case_of region 2 optimized 7 0 3
case_of branch 11 armed 2 5 11
case_of branch 8 optimized 2 5 11
case_of swallowed 11 armed 2 5 11

# Offsets after our region where no instruction begins. Without our probe the kernel sees that itself.
for offset in 11 12; do
	same "a native kprobe at +$offset has this errno without our probe" "$(errno_of rktest_native add rktest_boundary $offset)" "Invalid or incomplete multibyte or wide character"
done
check "our probe can be added" add ours rktest_native:rktest_boundary
flush
same "our probe has the expected state" "$(of ours state)" optimized
for offset in 11 12; do
	same "a native kprobe at +$offset has this errno with our jump" "$(errno_of rktest_native add rktest_boundary $offset)" "Invalid argument"
done
same "the function is right" "$(ask rktest_native call boundary 0)" 2425356288
check "our probe can be removed" remove ours
flush
for offset in 11 12; do
	same "a native kprobe at +$offset has this errno with our probe removed" "$(errno_of rktest_native add rktest_boundary $offset)" "Invalid or incomplete multibyte or wide character"
done

# let_in FUNCTION OFFSET WHEN, kept_out FUNCTION OFFSET WHEN: a native kprobe can or cannot be registered.
let_in() {
	let_in_place=$(ask rktest_native add "rktest_$1" "$2") || fail "a native kprobe is refused $3"
	check "a native kprobe is let in $3" ask rktest_native del "$let_in_place"
}
kept_out() { same "a native kprobe is refused $3" "$(errno_of rktest_native add "rktest_$1" "$2")" "Invalid argument"; }

# The stretch after our int3 at +11 goes to +20. A native kprobe is let in far from the stretch and from the branch's target. If the stretch does
# not have its original bytes, native kprobes are refused in the whole function.
echo 0 >"$debugfs/optimization"
check "one probe of ours can be added" add ours rktest_native:rktest_swallowed+11
let_in swallowed 8 "at +8"
check "a probe of ours can be added in the stretch" add other rktest_native:rktest_swallowed+18
kept_out swallowed 8 "with two probes of ours"
same "the function is right" "$(ask rktest_native call swallowed 5)" 11
check "the probe in the stretch can be removed" remove other
flush
let_in swallowed 8 "at +8 with one probe of ours"
check "our probe can be removed" remove ours
flush
check "the probe in the stretch can be added first" add other rktest_native:rktest_swallowed+18
check "the probe with the stretch can be added second" add ours rktest_native:rktest_swallowed+11
kept_out swallowed 8 "with two probes of ours in the other order"
same "the function is right" "$(ask rktest_native call swallowed 5)" 11
printf '%s\n' -:ours -:other >"$debugfs/probes"
flush
place=$(ask rktest_native add rktest_swallowed 18) || fail "a native kprobe cannot be registered before our probe"
check "our probe can be added with a native kprobe in its stretch" add ours rktest_native:rktest_swallowed+11
kept_out swallowed 8 "with another native kprobe in our stretch"
kept_out swallowed 2 "before the branch's target"
same "the function is right" "$(ask rktest_native call swallowed 5)" 11
same "both probes are hit in the stretch" "$(ask rktest_native hits "$place") $(of ours hits)" "1 5"
check "our probe can be removed" remove ours
flush
let_in swallowed 8 "with our probe removed"
check "the native kprobe can be unregistered" ask rktest_native del "$place"
echo 1 >"$debugfs/optimization"

# The stretch of our jump goes from the region's end at +8 to +13.
place=$(ask rktest_native add rktest_boundary 8) || fail "a native kprobe cannot be registered after our region"
check "our probe can be added before the native kprobe" add ours rktest_native:rktest_boundary
flush
same "our probe becomes a jump before the native kprobe" "$(of ours state)" optimized
kept_out boundary 11 "at +11"
kept_out boundary 13 "at the function's end"
same "the function is right" "$(ask rktest_native call boundary 0)" 2425356288
same "our jump and the native kprobe are hit" "$(ask rktest_native hits "$place") $(of ours hits)" "1 1"
check "our probe can be removed" remove ours
flush
let_in boundary 13 "at the end with ours gone"
check "the native kprobe can be unregistered" ask rktest_native del "$place"

# All over the kernel: if a whole function is refused, its entry is let in if ftrace attaches it. Our entries are at the head of the blacklist.
low() { echo $((0x$(echo "$1" | sed 's/^0xffffffff//'))); }
# A symbol of a module has its name after a tab.
sed 's/	.*//' /proc/kallsyms >"/tmp/symbols.$$"
# ftrace does not attach all entries.
cp /sys/kernel/tracing/available_filter_functions "/tmp/traced.$$"
whole=
# Which functions are refused as a whole depends on what the compiler made of the kernel.
for wanted in 600 2500 10000; do
	candidates $wanted | sed "s/^p:/p:of$wanted/" | write_probes >/dev/null || true
	number=$(($(wc -l </sys/kernel/debug/kprobes/blacklist) - $(echo "$blacklist" | wc -l)))
	refuse "the blacklist has an entry for each of our probes at least" [ "$number" -lt "$(stat_of probes)" ]
	head -n "$number" /sys/kernel/debug/kprobes/blacklist >"/tmp/ours.$$"
	while [ -z "$whole" ] && read -r range symbol rest; do
		len=$(($(low "${range#*-}") - $(low "${range%-*}")))
		# The native kprobe is given by name: the name of more than one function is of no use.
		[ -n "$rest" ] || [ $len -lt 160 ] || [ "$(grep -c " $symbol\$" "/tmp/symbols.$$")" != 1 ] ||
			! grep -qx "$symbol" "/tmp/traced.$$" || whole=$symbol
	done <"/tmp/ours.$$"
	[ -z "$whole" ] || break
done
rm "/tmp/symbols.$$" "/tmp/traced.$$"
rm "/tmp/ours.$$"
refuse "a whole function with a unique name is refused" [ -z "$whole" ]
entry=$(ask rktest_native add "$whole" 0) || fail "a native kprobe is refused at the entry of $whole"
check "a native kprobe is let in at the entry of $whole" ask rktest_native del "$entry"
same "a native kprobe is refused after the entry of $whole" "$(errno_of rktest_native add "$whole" 100)" "Invalid argument"

# storm WHEN: a native kprobe is registered again and again while batches of ours are put together. No instruction begins at the offset, so the
# native kprobe must never be let in.
storm() {
	check "native kprobes are tried again and again $1" ask rktest_native storm rktest_swallowed 14
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		echo 0 >"$debugfs/enabled"
		echo 1 >"$debugfs/enabled"
		wait_for "the site has its int3 $1" is_armed
	done
	answer=$(ask rktest_native calm) || fail "the tries cannot be stopped"
	echo "tried ${answer% *} times"
	refuse "native kprobes were tried $1" [ "${answer% *}" = 0 ]
	same "no native kprobe was let in beside the int3s $1" "${answer#* }" 0
}
is_armed() { case $(of ours state) in armed | optimizing | optimized) ;; *) false ;; esac; }
check "our probe can be added among the others" add ours rktest_native:rktest_swallowed+11
storm "at full speed"

# A task that has passed the blacklist stays in front of kprobe_mutex, and is preempted there.
if grep -qx 'mutex_lock\(_nested\)\?' /sys/kernel/tracing/available_filter_functions; then
	check "the task stays between the two mutexes" ask rktest_native linger "0x$(sed -n 's/ [a-zA-Z] kprobe_mutex$//p' /proc/kallsyms)"
	storm "with a task between the mutexes"
	# The word of the stack that tells of the task is then in a list of rethook.
	check "return addresses are replaced" ask rktest_native hook_returns
	storm "with a task between the mutexes and its return address replaced"
	check "return addresses are whole" ask rktest_native unhook_returns
	check "the task goes on" ask rktest_native linger 0
else
	omit "a task between the two mutexes" "this kernel has no function mutex_lock"
fi

# Tasks that run all the time, in user space and in the kernel, are not taken for tasks that register native kprobes: an int3 is there when the
# write returns. Passes wait for an RCU-tasks grace period, so no system call of these tasks is long: cat of busybox would call sendfile() for
# 16 MB. A kernel with full preemption preempts cat in that call only, and then a grace period takes ten seconds and more.
cpus=$(grep -c '^processor' /proc/cpuinfo)
hogs=
for _ in $(seq "$cpus"); do
	while :; do :; done &
	hogs="$hogs $!"
	dd if=/dev/zero of=/dev/null bs=4k 2>/dev/null &
	hogs="$hogs $!"
done
for round in 1 2 3 4 5 6 7 8 9 10; do
	echo 0 >"$debugfs/enabled"
	echo 1 >"$debugfs/enabled"
	is_armed || fail "the site has no int3 in round $round beside busy tasks: $(of ours state), $(of ours reason)"
done
pass "the site has its int3 at once beside busy tasks, 10 times"
# shellcheck disable=SC2086 # One word for each task.
kill $hogs

# The storm again for jumps. A native kprobe in the stretch makes the whole function refused.
place=$(ask rktest_native add rktest_boundary 8) || fail "a native kprobe cannot be registered after our region"
check "our probe can be added before the native kprobe" add front rktest_native:rktest_boundary
check "native kprobes are tried again and again" ask rktest_native storm rktest_boundary 11
for _ in 1 2 3 4 5 6; do
	echo 0 >"$debugfs/optimization"
	flush
	echo 1 >"$debugfs/optimization"
	flush
done
answer=$(ask rktest_native calm) || fail "the tries cannot be stopped"
echo "tried ${answer% *} times"
refuse "native kprobes were tried" [ "${answer% *}" = 0 ]
same "no native kprobe was let in after the jump" "${answer#* }" 0
check "the native kprobe can be unregistered" ask rktest_native del "$place"
sed 's/^p:\([^ ]*\).*/-:\1/' "$debugfs/probes" | write_probes || fail "our probes cannot be removed"
flush

same "the blacklist is as at the beginning" "$(cat /sys/kernel/debug/kprobes/blacklist)" "$blacklist"
