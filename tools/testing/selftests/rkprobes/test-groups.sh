#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Probes with many sites: lists of targets, all instructions and all blocks of a function, patterns; their files, their removal by pattern, and
# what is refused.
. ./functions.sh

load_mod rktest_victim
load_mod rktest_stray
load_mod rkprobes
loop=rktest_victim:rktest_victim_loop

# offsets NAME: the offsets of the sites of a probe, in one line.
offsets() {
	sed -n 's/^[^ ]* rktest_victim:rktest_victim_loop+0x\([0-9a-f]*\) .*/\1/p' "$debugfs/probe/$1/sites" | tr '\n' ' '
}

# hits NAME: the hits of its sites, in one line.
hits() {
	awk '{ print $4 }' "$debugfs/probe/$1/sites" | tr '\n' ' '
}

# rounds COMMAND...: how many sync rounds it takes.
rounds() {
	rounds_before=$(stat_of sync_rounds)
	"$@" || fail "$*"
	echo $(($(stat_of sync_rounds) - rounds_before))
}

line() { echo "$1" >"$debugfs/probes"; }

# wrong LINE ERRNO REASON: the line is refused, and changes nothing.
wrong() {
	wrong_before=$(cat "$debugfs/probes")
	same "refused: $1" "$(echo "$1" | write_probes)" "$2"
	wrong_reason=$(sed 's/^[0-9]*: //' "$debugfs/errors")
	wrong_reason=${wrong_reason#"$1: "}
	same "errors has the reason: $1" "${wrong_reason#target [0-9]: }" "$3"
	same "nothing is added by: $1" "$(cat "$debugfs/probes")" "$wrong_before"
}

# All blocks of a function, as breakpoints and as jumps.
echo 0 >"$debugfs/optimization"
same "one sync round arms all blocks" "$(rounds line "c:blocks $loop+blocks")" 1
same "the blocks are where the function's branches go" "$(offsets blocks)" '0 7 10 '
same "a loop of ten" "$(ask rktest_victim loop 10)" 1193076
same "hits of the blocks are right with int3s" "$(hits blocks)" '1 10 1 '
same "state counts the sites of a state" "$(of blocks state)" '3 armed'
echo 1 >"$debugfs/optimization"
flush
same "all blocks are jumps" "$(of blocks state)" '3 optimized'
same "no block has a reason" "$(of blocks reason)" '3 -'
same "a loop of five, with jumps" "$(ask rktest_victim loop 5)" 1193061
same "hits of the blocks are right with jumps" "$(hits blocks)" '2 15 2 '
same "hits is the sum" "$(of blocks hits)" 19
same "text has a part for each site" "$(grep -c ^original "$debugfs/probe/blocks/text")" 3
same "a loop of nothing" "$(ask rktest_victim loop 0)" 1193046
same "a block that is not reached has no hits" "$(hits blocks)" '3 15 3 '

# One file switches all sites.
echo 0 >"$debugfs/probe/blocks/enable"
same "enable reads 0" "$(of blocks enable)" 0
ask rktest_victim loop 5 >/dev/null
same "no hits while the group is disabled" "$(hits blocks)" '3 15 3 '
flush
same "the text is as before" "$(bytes blocks current)" "$(bytes blocks original)"
echo 0 >"$debugfs/optimization"
same "one sync round arms all sites again" "$(rounds sh -c "echo 1 >$debugfs/probe/blocks/enable")" 1
echo 1 >"$debugfs/optimization"
same "enable reads 1" "$(of blocks enable)" 1
same "probes has the line" "$(cat "$debugfs/probes")" "c:blocks $loop+blocks"

# All instructions, while the blocks are probed, too.
check "all instructions can be probed" line "c:all $loop+*"
same "a site for each instruction" "$(offsets all)" '0 2 5 7 b e 10 16 '
ask rktest_victim loop 4 >/dev/null
same "hits of all instructions are right" "$(hits all)" '1 1 1 4 4 4 1 1 '
flush
ask rktest_victim loop 4 >/dev/null
same "hits are right after the optimizer ran" "$(hits all)" '2 2 2 8 8 8 2 2 '
same "profile has all sites of all probes" "$(awk '{ print $1 }' "$debugfs/profile" | uniq -c | awk '{ print $1, $2 }' | tr '\n' ' ')" '8 all 3 blocks '
same "a line of profile" "$(sed -n 's/^\(all\) 0x[0-9a-f]* \(rktest_victim:rktest_victim_loop+0x7\) [a-z]* \(8 0\) .*/\1 \2 \3/p' "$debugfs/profile")" \
	'all rktest_victim:rktest_victim_loop+0x7 8 0'

# Lists: an address that is there twice is one site.
check "a list of targets" line "c:list $loop+7,$loop,rktest_victim:rktest_victim_work+4,$loop+0x7"
same "the list has three sites" "$(wc -l <"$debugfs/probe/list/sites")" 3
ask rktest_victim loop 2 >/dev/null
ask rktest_victim call 3 >/dev/null
same "the list counts at all its places" "$(of list hits)" 6

# A probe on an ENDBR is at the next instruction, so these are names of one site.
check "a function, a pattern and all its instructions" line 'c:entry vfs_read,vfs_rea[d],vfs_read+*'
same "they have the entry once" "$(grep -c ' vfs_read+0x[04] ' "$debugfs/probe/entry/sites")" 1
same "no address is there twice" "$(awk '{ print $1 }' "$debugfs/probe/entry/sites" | sort | uniq -d)" ''
check "the probe is removed" line -:entry

# A symbol whose bytes are no instruction. A line that makes no site leaves no probe.
wrong 'c:no rktest_stray:rktest_stray_data+*' 'Invalid or incomplete multibyte or wide character' \
	'undecodable bytes before or at the address: choose another function'
wrong 'c:no rktest_stray:rktest_stray_data+blocks' 'Invalid or incomplete multibyte or wide character' \
	'undecodable bytes before or at the address: choose another function'

# Patterns: the functions that match. rktest_victim_start is freed.
check "a pattern of functions of a module" line "c:victims rktest_victim:rktest_victim_[lpw]*"
same "the functions that match" "$(awk '{ print $2, $3 }' "$debugfs/probe/victims/sites" | sort | sed 's/armed\|optimizing\|optimized/text/' | tr '\n' ' ')" \
	'rktest_victim:rktest_victim_long+0x0 text rktest_victim:rktest_victim_loop+0x0 text rktest_victim:rktest_victim_pushed+0x0 text rktest_victim:rktest_victim_work+0x0 text '
check "a pattern of functions of the kernel" line 'c vfs_[rw]*'
same "a group without a name is named by its pattern" "$(grep vfs_ "$debugfs/probes")" 'c:c_vfs__rw___0 vfs_[rw]*'
dd if=/dev/zero of=/dev/null bs=1 count=50 2>/dev/null
check "vfs_read is counted" [ "$(sed -n 's/.* vfs_read+[^ ]* [a-z]* \([0-9]*\) .*/\1/p' "$debugfs/probe/c_vfs__rw___0/sites")" -ge 50 ]

# A pattern with functions that cannot be probed has the others, and names those. One that names such a function alone is refused.
check "a pattern with refused functions" line 'c:some notify_[cd]*'
check "sites names a refused function" grep -q ' notify_die+0x[04] refused 0 0 ' "$debugfs/probe/some/sites"
check "the others have a probe" sh -c "grep -v ' refused ' $debugfs/probe/some/sites | grep -q ."
wrong 'c:none notify_di[e]' 'Invalid argument' "$(sed -n 's/.* notify_die+0x[04] refused 0 0 //p' "$debugfs/probe/some/sites")"

# A place that is named alone must not be refused, wherever a pattern has it too.
for list in 'vfs_read,notify_di[e],notify_die' 'notify_die,vfs_read,notify_di[e]' 'notify_di[e],vfs_read,notify_die'; do
	refuse "a list with a refused place is refused: $list" line "c:no $list"
done
same "no probe is left of them" "$(grep -c '^c:no ' "$debugfs/probes")" 0
# Many patterns have each function once, and no more memory than one.
check "a line with the pattern * many times" line "c:stars rktest_victim:rktest_victim_work$(printf ',rktest_victim:*%.0s' 1 2 3 4 5 6 7 8)"
same "no address is there twice" "$(awk '{ print $1 }' "$debugfs/probe/stars/sites" | sort | uniq -d)" ''
check "the probe of many patterns is removed" line -:stars

wrong "c:no $loop,$loop+1" 'Invalid or incomplete multibyte or wide character' \
	'inside an instruction: choose its first byte; explain SYMBOL+* lists all'
check "errors has the number of the target" grep -q ': target 2: inside' "$debugfs/errors"
wrong "c:no $loop,nosuch,$loop+blocks" 'No such file or directory' \
	'unknown symbol: it may be inlined, or have a suffix (.isra.0): look in /proc/kallsyms, or load its module'
wrong 'c:no nosuch*' 'No such file or directory' 'no function matches the pattern: look in /proc/kallsyms, or load its module'
wrong 'c:all vfs_*' 'File exists' 'name in use: remove that probe first or choose another name'
wrong '-:no*' 'No such file or directory' 'no probe of that name: read probes for their names'

# Saved and made again; removed by pattern, with one grace period.
cat "$debugfs/probes" >/tmp/groups
waits=$(stat_of grace_periods)
check "all are removed by a pattern" line '-:*'
same "no probe is left" "$(stat_of probes)" 0
check "one pattern takes few grace periods" [ $(($(stat_of grace_periods) - waits)) -le 2 ]
# An event for many sites. Its consumer arms all of them in one round.
if [ -d /sys/kernel/tracing/events ]; then
	event=/sys/kernel/tracing/events/rkprobes/traced
	check "a group with an event" line "p:traced $loop+7,$loop+16 enable=0 n=%di"
	echo 0 >"$debugfs/optimization"
	same "one sync round arms the sites of the event" "$(rounds sh -c "echo 1 >$event/enable")" 1
	echo 1 >"$debugfs/optimization"
	echo >/sys/kernel/tracing/trace
	ask rktest_victim loop 2 >/dev/null
	same "a record for each hit of each site" "$(sed -n 's/.*traced: (rktest_victim_loop+0x\([0-9a-f]*\).*) n=\(.*\)/\1 \2/p' /sys/kernel/tracing/trace | tr '\n' ' ')" \
		'7 0x2 7 0x1 10 0x0 '
	echo 0 >$event/enable
	same "an argument for entries is refused with a site inside" "$(echo "p:no $loop+blocks n=\$arg1" | write_probes)" 'Invalid argument'
	check "errors has the column of the argument" grep -q ' n=[$]arg1: column ' "$debugfs/errors"
	check "the group with an event is removed" line -:traced
fi

same "the saved lines make the probes" "$(write_probes </tmp/groups)" ''
same "they are as before" "$(cat "$debugfs/probes")" "$(cat /tmp/groups)"
check "a pattern removes what matches" line '-:[bl]*'
same "the others stay" "$(sed 's/^.:\([^ ]*\) .*/\1/' "$debugfs/probes" | tr '\n' ' ')" \
	"$(sed 's/^.:\([^ ]*\) .*/\1/' /tmp/groups | grep -v '^[bl]' | tr '\n' ' ')"

# The text of some sites is unloaded.
unload_mod rktest_victim
same "sites of unloaded text are gone, and have their names" \
	"$(awk '{ print $2, $3 }' "$debugfs/probe/all/sites" | head -n 1)" 'rktest_victim:rktest_victim_loop+0x0 gone'
same "state counts the sites that wait" "$(of all state)" '8 waiting for module rktest_victim'
unload_mod rkprobes
