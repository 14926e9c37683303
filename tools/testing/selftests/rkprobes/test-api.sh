#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The C API: the test module asserts, and its report becomes part of this one.
. ./functions.sh

load_mod rkprobes
load_mod rktest_api
for group in errors batch handlers changes aggregate disabled post missed counting inside; do
	ask rktest_api "$group" >/dev/null || echo "# $group failed"
	# A failed command has printed which assertion failed.
	report=$(cat /sys/module/rktest_api/parameters/command)
	check "$group reports" [ -n "$report" ]
	bad=$(echo "$report" | sed -n 's/^not ok //p')
	[ -z "$bad" ] || fail "$group: $bad"
	pass "$group: $(echo "$report" | grep -c '^ok ') assertions"
done
refuse "unload while the API is used" rmmod rkprobes
unload_mod rktest_api
unload_mod rkprobes
