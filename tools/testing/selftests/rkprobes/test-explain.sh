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
