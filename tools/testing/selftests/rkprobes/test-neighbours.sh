#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Others on the same text, in both orders of arrival: refused with a reason, or both work. Native kprobes on a jump and beside it are in
# test-native, the function tracer is in test-entry.
. ./functions.sh

# Others go first when this ends, in whatever way: rkprobes waits for those on its jumps.
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

# works WHAT: results are as without probes.
works() {
	same "results $1" "$(ask rktest_functions call alu 10)" "$plain"
}

# refused WHAT TARGET ERRNO REASON
refused() {
	same "$1 is refused" "$(echo "p:ours $2" | write_probes)" "$3"
	check "$1: the reason" grep -q ": $4" "$debugfs/errors"
}

# theirs WHAT COMMAND...: a command of the neighbours.
theirs() {
	theirs_what=$1
	shift
	check "$theirs_what" ask rktest_neighbours "$@"
}

their_hits() {
	same "their hits $1" "$(ask rktest_neighbours hits)" "$2"
}

# first_byte: of alu.
first_byte() {
	ask rktest_functions text alu | cut -c1-2
}

first_byte_is() {
	[ "$(first_byte)" = "$1" ]
}

# 1. A native kprobe that has become a jump over 0 to 6.
place=$(ask rktest_native add rktest_alu 0) || fail "add a native kprobe"
wait_for "their jump" first_byte_is e9
refused "an address under their jump" $alu+2 'Device or resource busy' 'a kprobe overlaps'
refused "the address of their jump" $alu 'File exists' 'a kprobe is at this address'
check "ours behind their jump" add ours $alu+7
flush
works "with their jump before ours"
same "our hits behind their jump" "$(of ours hits)" 10
same "hits of their jump" "$(ask rktest_native hits "$place")" 10
check "remove theirs" ask rktest_native del "$place"
wait_for "their jump to go" add second $alu+2 2>/dev/null
works "with ours where theirs was"
printf '%s\n' -:ours -:second >"$debugfs/probes"
flush

# The other order: our jump over 0 to 6, then our int3. What is put on our jump itself is in test-native.
for lane in jump int3; do
	[ "$lane" = jump ] || echo 0 >"$debugfs/optimization"
	check "our $lane" add ours $alu
	flush
	if [ "$lane" = jump ]; then
		refuse "a native kprobe under our jump" ask rktest_native add rktest_alu 2
	else
		refuse "a native kprobe on our int3" ask rktest_native add rktest_alu 0
		place=$(ask rktest_native add rktest_alu 2 2>/dev/null) || place=
	fi
	works "with our $lane first"
	same "our hits" "$(of ours hits)" 10
	[ -z "$place" ] || [ "$lane" = jump ] || {
		same "their hits behind our int3" "$(ask rktest_native hits "$place")" 10
		check "remove theirs behind our int3" ask rktest_native del "$place"
	}
	check "remove our $lane" remove ours
	flush
done
echo 1 >"$debugfs/optimization"
same "the text afterwards" "$(ask rktest_functions text alu)" "$text"

# 2. A kretprobe: at a function without an ftrace entry it is a kprobe on its first instruction.
theirs "a kretprobe" kretprobe rktest_victim_work
refused "the address of a kretprobe" $work 'File exists' 'a kprobe is at this address'
check "ours before the return" add ours $work+10
flush
same "results with a kretprobe" "$(ask rktest_victim call 10)" "$plain_work"
same "our hits with a kretprobe" "$(of ours hits)" 10
their_hits "of a kretprobe" "10 0 0"
theirs "remove the kretprobe" kretprobe -
wait_for "its place" add entry $work 2>/dev/null
echo 0 >"$debugfs/optimization"
flush
refuse "a kretprobe on our int3" ask rktest_neighbours kretprobe rktest_victim_work
same "results with ours first" "$(ask rktest_victim call 10)" "$plain_work"
same "our hits at the entry" "$(of entry hits)" 10
check "remove ours at the entry" remove entry
echo 1 >"$debugfs/optimization"
flush
theirs "a kretprobe behind ours" kretprobe rktest_victim_work
same "results with ours before a kretprobe" "$(ask rktest_victim call 10)" "$plain_work"
their_hits "of a kretprobe behind ours" "10 0 0"
check "remove ours under the kretprobe" remove ours
flush
same "results with the kretprobe alone" "$(ask rktest_victim call 10)" "$plain_work"
theirs "remove it" kretprobe -

# 3. At an entry of ftrace: kretprobe and fprobe; ours at the entry and in the middle, before and behind them.
size=$(($(address rktest_victim_traced) + 0))
middle=
for offset in 12 13 14 15 16 17 18 19 20; do
	if add middle $traced+$offset 2>/dev/null; then
		middle=$traced+$offset
		remove middle
		break
	fi
done
check "an instruction behind the entry, in $size" [ -n "$middle" ]
for kind in kretprobe fprobe; do
	case $kind in
	kretprobe) hits='20 0 0' ;;
	fprobe) hits='0 20 20' ;;
	esac
	for order in ours theirs; do
		[ $order = ours ] || theirs "$kind first" $kind rktest_victim_traced
		check "ours at the entry, $order first" add entry $traced
		check "ours in the middle" add middle "$middle"
		flush
		[ $order = theirs ] || theirs "$kind second" $kind rktest_victim_traced
		same "results with a $kind, $order first" "$(ask rktest_victim trace 10)" "$plain_traced"
		same "our hits with a $kind" "$(of entry hits) $(of middle hits)" "10 10"
		if [ $order = ours ]; then
			printf '%s\n' -:entry -:middle >"$debugfs/probes"
			same "results when ours are gone" "$(ask rktest_victim trace 10)" "$plain_traced"
			their_hits "of a $kind" "$hits"
			theirs "$kind goes" $kind -
		else
			theirs "$kind goes first" $kind -
			same "results when theirs is gone" "$(ask rktest_victim trace 10)" "$plain_traced"
			same "our hits go on" "$(of entry hits) $(of middle hits)" "20 20"
			printf '%s\n' -:entry -:middle >"$debugfs/probes"
		fi
	done
	theirs "reset" $kind rktest_victim_traced
	theirs "and remove" $kind -
done

# 4. A livepatched function: its old body does not run while the patch is on.
patched=$((10 * 4711 + 45))
patch_is() {
	[ "$(cat /sys/kernel/livepatch/rktest_livepatch/transition 2>/dev/null)" = 0 ]
}
patch_is_gone() {
	[ ! -e /sys/kernel/livepatch/rktest_livepatch ]
}
patch() {
	load_mod rktest_livepatch
	wait_for "the livepatch" patch_is
}
unpatch() {
	echo 0 >/sys/kernel/livepatch/rktest_livepatch/enabled || fail "disable the livepatch"
	wait_for "the livepatch to go" patch_is_gone
	unload_mod rktest_livepatch
}
if [ -d /sys/kernel/livepatch ]; then
	for order in ours theirs; do
		[ $order = ours ] || patch
		check "at a patched entry, $order first" add entry $traced
		check "in a patched body" add middle "$middle"
		flush
		[ $order = theirs ] || patch
		same "results of the patch, $order first" "$(ask rktest_victim trace 10)" "$patched"
		same "hits of the entry, none of the old body" "$(of entry hits) $(of middle hits)" "10 0"
		unpatch
		same "results without the patch" "$(ask rktest_victim trace 10)" "$plain_traced"
		same "hits of both" "$(of entry hits) $(of middle hits)" "20 10"
		printf '%s\n' -:entry -:middle >"$debugfs/probes"
		flush
	done
else
	pass "no livepatch in this kernel"
fi

# 5. Static keys and a static call flip between and under probes at every instruction that can be probed.
keyed=rktest_neighbours:rktest_keyed
offset=0
while [ $offset -lt 128 ]; do
	echo "p:k$offset $keyed+$offset"
	offset=$((offset + 1))
done | write_probes >/dev/null
check "refused: jump label" grep -q ': jump label' "$debugfs/errors"
check "refused: static call" grep -q ': static call' "$debugfs/errors"
count=$(grep -c '^p:k' "$debugfs/probes")
check "$count probes" [ "$count" -ge 5 ]
flush
echo "# $(cat "$debugfs"/probe/k*/reason | sort | uniq -c | tr '\n' ';')"
check "a region with a key is none" grep -q 'jump label' "$debugfs"/probe/k*/reason
check "some are jumps all the same" [ "$(stat_of optimized)" -ge 2 ]
for round in first second; do
	for change in 'key 1' 'call 1' 'key 0' 'call 0'; do
		# shellcheck disable=SC2086 # two words
		theirs "$change, $round" $change
		check "results" ask rktest_neighbours keyed 20
	done
	hits=$(stat_of hits)
	check "calls" ask rktest_neighbours keyed 10
	check "are hits" [ "$(stat_of hits)" -gt "$hits" ]
	# The second time the probes come when all is flipped.
	[ $round = second ] && break
	saved=$(cat "$debugfs/probes")
	sed -n 's/^p\(:k[0-9]*\) .*/-\1/p' "$debugfs/probes" | write_probes || fail "remove"
	theirs "all flipped" key 1
	theirs "the call as well" call 1
	echo "$saved" | write_probes || fail "add again"
	flush
	check "results of what was flipped before" ask rktest_neighbours keyed 20
done
sed -n 's/^p\(:k[0-9]*\) .*/-\1/p' "$debugfs/probes" | write_probes || fail "remove"
flush

# 6. A second tool writes our bytes; nobody calls the function meanwhile.
at=$(address rktest_alu)
seven=$(printf '%x' $((at + 7)))
original=$(echo "$text" | cut -d' ' -f8-12)
foreign=$(stat_of foreign_text)
echo 0 >"$debugfs/optimization"
check "our int3" add ours $alu+7
# shellcheck disable=SC2086 # a byte each
theirs "another tool takes our int3 out" poke "$seven" 90
check "disable ours" sh -c "echo 0 >$debugfs/probe/ours/enable"
same "its byte is left alone" "$(bytes ours current | cut -c1-2)" 90
same "and named" "$(of ours reason)" "foreign bytes in the text: find the tool that changed it"
check "and counted" [ "$(stat_of foreign_text)" -gt "$foreign" ]
theirs "it puts our int3 back" poke "$seven" cc
wait_for "ours to go" original ours
check "enable ours" sh -c "echo 1 >$debugfs/probe/ours/enable"
check "an int3 again" int3 ours
works "after a second tool on our int3"

# What follows our int3, before it becomes a jump.
tail=$(printf '%x' $((at + 8)))
# shellcheck disable=SC2086 # a byte each
set -- $original
theirs "another tool changes what a jump would cover" poke "$tail" 90 90
echo 1 >"$debugfs/optimization"
flush
check "we stay an int3" [ "$(bytes ours current | cut -c1-8)" = "cc 90 90" ]
same "with the reason" "$(of ours reason)" "foreign bytes in the text: find the tool that changed it"
theirs "it puts them back" poke "$tail" "$2" "$3"
wait_for "our jump" jump ours
works "with the jump that had to wait"

# Our jump.
jump=$(bytes ours current | cut -c1-14)
theirs "another tool writes over our jump" poke "$seven" 0f 1f 44 00 00
check "remove ours" remove ours
flush
same "its bytes are left alone" "$(ask rktest_functions text alu | cut -d' ' -f8-12)" "0f 1f 44 00 00"
same "the site waits" "$(stat_of sites)" 1
# shellcheck disable=SC2086 # a byte each
theirs "it puts our jump back" poke "$seven" $jump
no_sites() {
	[ "$(stat_of sites)" = 0 ]
}
wait_for "the site to go" no_sites
same "the text in the end" "$(ask rktest_functions text alu)" "$text"

# The tool was first: its int3 is no instruction of ours to probe, and its other bytes are the text.
theirs "a foreign int3" poke "$seven" cc
refused "a foreign int3" $alu+7 'Invalid or incomplete multibyte or wide character' ''
theirs "it goes" poke "$seven" "$1"
check "ours after it" add ours $alu+7
flush
works "in the end"
unload_mod rkprobes
same "the text without us" "$(ask rktest_functions text alu)" "$text"
