#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Each allocation of each operation fails once. The operation then fails with ENOMEM and leaves nothing, or does without the memory. Kernels
# of distributions have no fault injection; the debug kernel has it.
. ./functions.sh

failslab=/sys/kernel/debug/failslab
nth=/proc/self/fail-nth
if [ ! -e $nth ] || [ ! -d $failslab ]; then
	skip "this kernel has no fault injection (CONFIG_FAILSLAB)"
fi
# Allocations that may sleep fail too, and without a message.
for setting in ignore-gfp-wait:N verbose:0 times:-1; do
	echo "${setting#*:}" >"$failslab/${setting%:*}" || fail "failslab/${setting%:*} cannot be set"
done
kmemleak=/sys/kernel/debug/kmemleak
# Scans twice, with pauses, because kmemleak does not report objects that are younger than five seconds.
scan() {
	sleep 6
	echo scan >$kmemleak || return 1
	sleep 6
	echo scan >$kmemleak
}
[ ! -e $kmemleak ] || { scan && echo clear >$kmemleak; } || fail "kmemleak does not work"

load_mod rkprobes
load_mod rktest_fail
load_mod rktest_bytes

# figures: what operations that are undone, or that have failed, leave as it was.
figures() {
	grep -E '^(probes|sites|armed|optimizing|optimized|unoptimizing|freeing|slots) ' "$debugfs/stats"
	cat "$debugfs/probes"
	md5sum "$debugfs/blacklist" /sys/kernel/debug/kprobes/blacklist
}
# The first use of the int3 lane, of the jumps and of ftrace leaves changes in the text that later uses do not make.
check "probes can be added and removed" ask rktest_fail fail enable_entry
flush
check "the text is kept" ask rktest_bytes keep "$(address _stext)" "$(address _etext)"
figures=$(figures)

for operation in single entry batch mixed enable enable_entry disable disable_entry unregister unregister_entry unregister_mixed; do
	# shellcheck disable=SC2046 # Three numbers.
	set -- $(ask rktest_fail fail $operation)
	echo "# $operation: $1 failed with ENOMEM, $2 succeeded without the memory"
	same "$operation: things that went wrong" "$3" 0
	case $operation in
	single | entry | batch | mixed | enable_entry)
		check "$operation: an allocation has failed" [ "$1" -gt 0 ]
		;;
	*_entry | *_mixed)
		check "$operation: an allocation has failed" [ $(($1 + $2)) -gt 0 ]
		;;
	esac
	same "$operation: what is left" "$(figures)" "$figures"
done

# fails WHAT FILE TEXT UNDO: writes the text to the file of debugfs, with each allocation of the write failing once. The shell makes allocations
# as well when it opens the file. UNDO succeeds if it finds the effect of the write, and takes it back. A write that failed must have no effect.
fails() {
	n=0 failed=0 effects=0 wrote=no left=0
	while [ $n -lt 500 ]; do
		n=$((n + 1)) left='' wrote=no
		# Between these lines only built-in commands run, because a new process would use the count up.
		echo $n >$nth
		printf '%s\n' "$3" >"$debugfs/$2" && wrote=yes
		read -r left <$nth
		echo 0 >$nth
		if [ $wrote = yes ]; then
			$4 || break
			# An allocation of the write was left, or the read of the count has failed.
			[ "$left" = 0 ] || break
		else
			failed=$((failed + 1))
			! $4 || effects=$((effects + 1))
		fi
	done 2>/dev/null
	same "$1: the last of $n writes has succeeded" $wrote yes
	check "$1: it had all allocations" [ "$left" != 0 ]
	check "$1: $failed writes have failed" [ $failed -gt 0 ]
	[ "${5:-}" = lines ] || same "$1: failed writes that had an effect" $effects 0
}
three='p:a rktest_fail:rktest_fail_one
c:b rktest_fail:rktest_context_target+7
p:c rktest_fail:rktest_context_outer+7'
# Each line is carried out alone, so some of them may have an effect although the write has failed.
remove_all() {
	removed=no
	for name in a b c; do
		[ -d "$debugfs/probe/$name" ] && remove $name && removed=yes
	done
	[ $removed = yes ] && flush
}
remove_one() {
	remove a && flush
}
# Its event has the field of the argument.
remove_event() {
	format=$(cat /sys/kernel/tracing/events/rkprobes/a/format)
	remove_one || return 1
	case $format in
	*' x;'*) ;;
	*) [ ! -d /sys/kernel/tracing/events ] ;;
	esac
}
was_removed() {
	[ ! -d "$debugfs/probe/a" ] && add a rktest_fail:rktest_context_inner+7 && flush
}
flushed() {
	true
}
fails "one probe" probes "p:a rktest_fail:rktest_context_inner+7 x=%di" remove_event
fails "three probes, one at an entry" probes "$three" remove_all lines
check "a probe can be added" add a rktest_fail:rktest_context_inner+7
flush
fails "removal" probes "-:a" was_removed
fails "flush" flush 1 flushed lines
check "the probe can be removed" remove_one
same "what is left of the lines" "$(figures)" "$figures"
# If memory is missing while the target is examined, the answer says so, and the write fails.
explained() {
	grep -q '^target rktest_fail:rktest_context_inner+7' "$debugfs/explain" || return 1
	! grep -q 'out of memory' "$debugfs/explain"
	whole=$?
	echo rktest_fail:rktest_context_outer+7 >"$debugfs/explain"
	return $whole
}
echo "p:x rktest_fail:rktest_context_inner+7" >"$debugfs/probes" || fail "a probe cannot be added"
set_value() {
	[ "$(of x "$1")" = "$2" ] && echo "$3" >"$debugfs/probe/x/$1"
}
limit_is_set() { set_value limit 5 0; }
is_disabled() { set_value enable 0 1; }
fails "limit" probe/x/limit 5 limit_is_set
fails "enable" probe/x/enable 0 is_disabled
optimization_is_off() {
	[ "$(cat "$debugfs/optimization")" = 0 ] && echo 1 >"$debugfs/optimization"
}
all_are_disabled() {
	[ "$(cat "$debugfs/enabled")" = 0 ] && echo 1 >"$debugfs/enabled"
}
fails "optimization" optimization 0 optimization_is_off
fails "enabled" enabled 0 all_are_disabled
check "the probe can be removed" remove x
fails "explain" explain rktest_fail:rktest_context_inner+7 explained
flush
same "what is left of all writes" "$(figures)" "$figures"
same "text that differs from what it was" "$(ask rktest_bytes compare)" "differences 0"
unload_mod rktest_bytes
unload_mod rktest_fail
unload_mod rkprobes
if [ -e $kmemleak ]; then
	check "kmemleak works" scan
	same "no memory is lost" "$(head -n 20 $kmemleak)" ""
fi
