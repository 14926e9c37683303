#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Other tools on the text that rkprobes works on, in both orders of arrival. One is refused with a reason, or both work. Native kprobes on a jump
# and beside it are in test-native, the function tracer is in test-entry.
. ./functions.sh

# When the test ends, also when it fails, the other modules are unloaded before rkprobes, because rkprobes waits for native kprobes on its jumps.
load_mod rkprobes
load_mod rktest_functions
load_mod rktest_victim
load_mod rktest_native
load_mod rktest_neighbours "text_poke=$(address text_poke)" "text_mutex=$(address text_mutex)" "sync=$(address smp_text_poke_sync_each_cpu)"
alu=rktest_functions:rktest_alu
work=rktest_victim:rktest_victim_work
traced=rktest_victim:rktest_victim_traced
text=$(ask rktest_functions text alu)
plain=$(ask rktest_functions call alu 10)
plain_work=$(ask rktest_victim call 10)
plain_traced=$(ask rktest_victim trace 10)

# works WHEN: the results are as without probes.
works() {
	same "results are right $1" "$(ask rktest_functions call alu 10)" "$plain"
}

# refused WHAT TARGET ERRNO REASON: a probe of ours is refused with that errno, and the reason begins with these words.
refused() {
	same "our probe is refused at $1" "$(echo "p:ours $2" | write_probes)" "$3"
	check "the reason at $1 is right" grep -q ": $4" "$debugfs/errors"
}

# tool WHAT COMMAND...: a command of the module with the other tools.
tool() {
	tool_what=$1
	shift
	check "$tool_what" ask rktest_neighbours "$@"
}

their_hits() {
	same "the other tool is called for each call $1" "$(ask rktest_neighbours hits)" "$2"
}

# first_byte: prints the first byte of rktest_alu.
first_byte() {
	ask rktest_functions text alu | cut -c1-2
}

first_byte_is() {
	[ "$(first_byte)" = "$1" ]
}

# 1. A native kprobe that has become a jump over 0 to 6.
place=$(ask rktest_native add rktest_alu 0) || fail "a native kprobe cannot be registered"
wait_for "the native kprobe is a jump" first_byte_is e9
refused "an address under a native jump" $alu+2 'Device or resource busy' 'a kprobe overlaps'
refused "the address of a native jump" $alu 'File exists' 'a kprobe is at this address'
check "our probe can be added after the native jump" add ours $alu+7
flush
works "with the native jump before our probe"
same "our probe after the native jump is hit" "$(of ours hits)" 10
same "the native jump is hit" "$(ask rktest_native hits "$place")" 10
check "the native jump can be removed" ask rktest_native del "$place"
wait_for "our probe can be added where the native jump was" add second $alu+2 2>/dev/null
works "with our probe where the native jump was"
printf '%s\n' -:ours -:second >"$debugfs/probes"
flush

# The other order: our jump over 0 to 6, then our int3. Native kprobes on our jump itself are in test-native.
EINVAL='Invalid argument'
EILSEQ='Invalid or incomplete multibyte or wide character'
for lane in jump int3; do
	[ "$lane" = jump ] || echo 0 >"$debugfs/optimization"
	check "our probe can be added first, $lane" add ours $alu
	flush
	check "our site is as asked: $lane" $lane ours
	# The instruction at +0 has two bytes. The kernel decodes our int3 as one byte, and what follows as an instruction up to +6: it does
	# not see the instruction that begins at +2.
	same "a native kprobe at +2 is refused with our $lane first" "$(errno_of rktest_native add rktest_alu 2)" "$EINVAL"
	[ "$lane" = jump ] || same "a native kprobe is refused on our int3" "$(errno_of rktest_native add rktest_alu 0)" "$EILSEQ"
	works "with our $lane first"
	same "our probe is hit, $lane" "$(of ours hits)" 10
	check "our $lane can be removed" remove ours
	flush
done
same "the text is as at the beginning after the native kprobes" "$(ask rktest_functions text alu)" "$text"

# Our int3 on an instruction of one byte hides nothing from the kernel: a native kprobe on the next one, inside our region, is let in.
nops=rktest_functions:rktest_nothing
check "our probe can be added on a nop of one byte" add ours $nops+5
same "the region has five nops" "$(bytes ours original | cut -c1-14)" "90 90 90 90 90"
place=$(ask rktest_native add rktest_nothing 6) || fail "a native kprobe on the next nop is refused"
check "our int3 and the native kprobe change no register, flag or memory" ask rktest_functions unchanged nothing 64
same "our int3 is hit with a native kprobe inside our region" "$(of ours hits)" 64
same "the native kprobe inside our region is hit" "$(ask rktest_native hits "$place")" 64
echo 1 >"$debugfs/optimization"
flush
same "our site stays an int3 with a native kprobe inside our region" "$(of ours state) $(bytes ours current | cut -c1-2)" "armed cc"
case $(of ours reason) in
"foreign bytes in the text"*) pass "our probe has the reason: $(of ours reason)" ;;
*) fail "our probe has the reason: $(of ours reason)" ;;
esac
check "the native kprobe inside our region can be unregistered" ask rktest_native del "$place"
wait_for "our site is a jump" jump ours
check "our jump changes no register, flag or memory" ask rktest_functions unchanged nothing 64
same "our jump is hit with the native kprobe unregistered" "$(of ours hits)" 128
check "our probe on the nops can be removed" remove ours
flush

# 2. A kretprobe. At a function without an ftrace entry it is a kprobe on the first instruction.
tool "a kretprobe can be registered" kretprobe rktest_victim_work
refused "the address of a kretprobe" $work 'File exists' 'a kprobe is at this address'
check "our probe can be added before the return" add ours $work+10
flush
same "results are right with a kretprobe" "$(ask rktest_victim call 10)" "$plain_work"
same "our probe is hit with a kretprobe" "$(of ours hits)" 10
their_hits "with a kretprobe" "10 0 0"
tool "the kretprobe can be unregistered" kretprobe -
wait_for "our probe can be added where the kretprobe was" add entry $work 2>/dev/null
echo 0 >"$debugfs/optimization"
flush
refuse "a kretprobe is refused on our int3" ask rktest_neighbours kretprobe rktest_victim_work
same "results are right with our int3 at the entry" "$(ask rktest_victim call 10)" "$plain_work"
same "our int3 at the entry is hit" "$(of entry hits)" 10
check "our probe at the entry can be removed" remove entry
echo 1 >"$debugfs/optimization"
flush
tool "a kretprobe can be registered before our probe in the function" kretprobe rktest_victim_work
same "results are right with a kretprobe and our older probe" "$(ask rktest_victim call 10)" "$plain_work"
their_hits "with a kretprobe and our older probe" "10 0 0"
check "our probe can be removed under the kretprobe" remove ours
flush
same "results are right with the kretprobe alone" "$(ask rktest_victim call 10)" "$plain_work"
tool "the kretprobe alone can be unregistered" kretprobe -

# 3. A kretprobe and an fprobe at an ftrace entry. Our probes are at the entry and in the middle, registered before and after them.
middle=
for offset in 12 13 14 15 16 17 18 19 20; do
	if add middle $traced+$offset 2>/dev/null; then
		middle=$traced+$offset
		remove middle
		break
	fi
done
check "our probe can be added at an instruction after the entry" [ -n "$middle" ]
for kind in kretprobe fprobe; do
	case $kind in
	kretprobe) hits='20 0 0' ;;
	fprobe) hits='0 20 20' ;;
	esac
	for order in ours other; do
		[ $order = ours ] || tool "a $kind can be registered first" $kind rktest_victim_traced
		check "our probe can be added at the entry, $order first, $kind" add entry $traced
		check "our probe can be added in the middle, $order first, $kind" add middle "$middle"
		flush
		[ $order = other ] || tool "a $kind can be registered second" $kind rktest_victim_traced
		same "results are right with a $kind, $order first" "$(ask rktest_victim trace 10)" "$plain_traced"
		same "our probes are hit with a $kind, $order first" "$(of entry hits) $(of middle hits)" "10 10"
		if [ $order = ours ]; then
			printf '%s\n' -:entry -:middle >"$debugfs/probes"
			same "results are right with our probes removed under a $kind" "$(ask rktest_victim trace 10)" "$plain_traced"
			their_hits "with a $kind" "$hits"
			tool "the $kind can be unregistered" $kind -
		else
			tool "the $kind can be unregistered first" $kind -
			same "results are right with the $kind unregistered" "$(ask rktest_victim trace 10)" "$plain_traced"
			same "our probes are hit with the $kind unregistered" "$(of entry hits) $(of middle hits)" "20 20"
			printf '%s\n' -:entry -:middle >"$debugfs/probes"
		fi
	done
	tool "a $kind can be registered again" $kind rktest_victim_traced
	tool "the $kind can be unregistered again" $kind -
done

# 4. A livepatched function. Its old body does not run while the patch is on.
patched=$((10 * 4711 + 45))
patch_is() {
	[ "$(cat /sys/kernel/livepatch/rktest_livepatch/transition 2>/dev/null)" = 0 ]
}
patch_is_gone() {
	[ ! -e /sys/kernel/livepatch/rktest_livepatch ]
}
patch() {
	load_mod rktest_livepatch
	wait_for "the livepatch is on" patch_is
}
unpatch() {
	echo 0 >/sys/kernel/livepatch/rktest_livepatch/enabled || fail "the livepatch cannot be disabled"
	wait_for "the livepatch is removed" patch_is_gone
	unload_mod rktest_livepatch
}
if [ -d /sys/kernel/livepatch ]; then
	for order in ours other; do
		[ $order = ours ] || patch
		check "our probe can be added at a patched entry, $order first" add entry $traced
		check "our probe can be added in a patched body, $order first" add middle "$middle"
		flush
		[ $order = other ] || patch
		same "the patched function gives its results, $order first" "$(ask rktest_victim trace 10)" "$patched"
		same "the entry is hit and the old body is not, $order first" "$(of entry hits) $(of middle hits)" "10 0"
		unpatch
		same "results are right without the patch, $order first" "$(ask rktest_victim trace 10)" "$plain_traced"
		same "the entry and the body are hit without the patch, $order first" "$(of entry hits) $(of middle hits)" "20 10"
		printf '%s\n' -:entry -:middle >"$debugfs/probes"
		flush
	done
else
	omit "a livepatched function" "this kernel has no livepatch"
fi

# 5. Static keys and a static call flip between probes at every instruction that can be probed.
keyed=rktest_neighbours:rktest_keyed
offset=0
while [ $offset -lt 128 ]; do
	echo "p:k$offset $keyed+$offset"
	offset=$((offset + 1))
done | write_probes >/dev/null
check "a probe on a jump label is refused" grep -q ': jump label' "$debugfs/errors"
check "a probe on a static call is refused" grep -q ': static call' "$debugfs/errors"
count=$(grep -c '^p:k' "$debugfs/probes")
check "$count other probes are accepted, at least 5" [ "$count" -ge 5 ]
flush
echo "reasons: $(cat "$debugfs"/probe/k*/reason | sort | uniq -c | tr '\n' ';')"
check "a site with a key in its region stays an int3" grep -q 'jump label' "$debugfs"/probe/k*/reason
check "at least two sites are jumps" [ "$(stat_of optimized)" -ge 2 ]
for round in first second; do
	for change in 'key 1' 'call 1' 'key 0' 'call 0'; do
		# shellcheck disable=SC2086 # Two words.
		tool "the module can set: $change, the $round time" $change
		check "results are right after $change, the $round time" ask rktest_neighbours keyed 20
	done
	hits=$(stat_of hits)
	check "results are right while hits are counted, the $round time" ask rktest_neighbours keyed 10
	check "the calls are hits, the $round time" [ "$(stat_of hits)" -gt "$hits" ]
	# The second time the probes are added when the keys and the call are flipped.
	[ $round = second ] && break
	saved=$(cat "$debugfs/probes")
	sed -n 's/^p\(:k[0-9]*\) .*/-\1/p' "$debugfs/probes" | write_probes || fail "the probes cannot be removed"
	tool "the keys can be flipped without probes" key 1
	tool "the static call can be flipped without probes" call 1
	echo "$saved" | write_probes || fail "the probes cannot be added again"
	flush
	check "results are right with probes that were added after the flip" ask rktest_neighbours keyed 20
done
sed -n 's/^p\(:k[0-9]*\) .*/-\1/p' "$debugfs/probes" | write_probes || fail "the probes cannot be removed"
flush

# 6. Another tool writes our bytes. No task calls the function meanwhile.
at=$(address rktest_alu)
seven=$(printf '%x' $((at + 7)))
original=$(echo "$text" | cut -d' ' -f8-12)
foreign=$(stat_of foreign_text)
echo 0 >"$debugfs/optimization"
check "our probe can be added as an int3" add ours $alu+7
# shellcheck disable=SC2086 # Each byte is a word.
tool "another tool can write over our int3" poke "$seven" 90
check "our probe can be disabled over a foreign byte" sh -c "echo 0 >$debugfs/probe/ours/enable"
same "the foreign byte stays in the text" "$(bytes ours current | cut -c1-2)" 90
same "the reason names foreign bytes" "$(of ours reason)" "foreign bytes in the text: find the tool that changed it"
check "stats counts the foreign text" [ "$(stat_of foreign_text)" -gt "$foreign" ]
tool "the other tool can write our int3 back" poke "$seven" cc
wait_for "our int3 is removed" original ours
check "our probe can be enabled again" sh -c "echo 1 >$debugfs/probe/ours/enable"
check "our site is an int3 again" int3 ours
works "after another tool wrote over our int3"

# Another tool writes the bytes after our int3, before our site becomes a jump.
tail=$(printf '%x' $((at + 8)))
# shellcheck disable=SC2086 # Each byte is a word.
set -- $original
tool "another tool can write to our region" poke "$tail" 90 90
echo 1 >"$debugfs/optimization"
flush
check "our site stays an int3 and keeps the foreign bytes" [ "$(bytes ours current | cut -c1-8)" = "cc 90 90" ]
same "the reason names foreign bytes in the region" "$(of ours reason)" "foreign bytes in the text: find the tool that changed it"
tool "the other tool can write the original bytes back" poke "$tail" "$2" "$3"
wait_for "our site is a jump" jump ours
works "with the jump after the foreign bytes"

# Another tool writes over our jump.
jump=$(bytes ours current | cut -c1-14)
tool "another tool can write over our jump" poke "$seven" 0f 1f 44 00 00
check "our probe with the foreign bytes can be removed" remove ours
flush
same "the foreign bytes stay in the text" "$(ask rktest_functions text alu | cut -d' ' -f8-12)" "0f 1f 44 00 00"
same "the memory of the site is kept" "$(stat_of sites)" 1
# shellcheck disable=SC2086 # Each byte is a word.
tool "the other tool can write our jump back" poke "$seven" $jump
no_sites() {
	[ "$(stat_of sites)" = 0 ]
}
wait_for "the site is freed" no_sites
same "the text is as at the beginning after the other tool" "$(ask rktest_functions text alu)" "$text"

# The other tool is first. Its int3 is no instruction to probe. Its other bytes are the text.
tool "the other tool can write an int3" poke "$seven" cc
refused "a foreign int3" $alu+7 'Invalid or incomplete multibyte or wide character' ''
tool "the other tool can remove its int3" poke "$seven" "$1"
check "our probe can be added after the other tool" add ours $alu+7
flush
works "with our probe after the other tool"
unload_mod rkprobes
same "the text is as at the beginning after rkprobes is unloaded" "$(ask rktest_functions text alu)" "$text"
