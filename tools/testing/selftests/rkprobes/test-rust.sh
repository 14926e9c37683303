#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The Rust API. The test module makes its assertions while it is loaded, and its report becomes part of this report.
. ./functions.sh

load_mod rkprobes
mark="rkprobes: test-rust at $(cat /proc/uptime)"
echo "$mark" >/dev/kmsg
insmod "$(module_file rktest_rust)" || refused=1
dmesg | sed -n "/$mark/,\$s/.*rktest_rust: //p" >"/tmp/rkprobes.$$"
while read -r line; do
	case $line in
	ok\ *) pass "${line#ok }" ;;
	not\ ok\ *) bad=${line#not ok } ;;
	assertions\ *) counted=${line#assertions } ;;
	esac
done <"/tmp/rkprobes.$$"
rm "/tmp/rkprobes.$$"
asserted=$passed
[ -z "$bad" ] || fail "$bad"
check "the module is loaded" [ -z "$refused" ]
check "the module has made more than 20 assertions" [ "${counted:-0}" -gt 20 ]
same "the kernel's log has a line for each assertion that the module counted" "$asserted" "$counted"
loaded="rktest_rust $loaded"
same "no probe is left" "$(stat_of probes)" 0
unload_mod rktest_rust

same "the log has a line for each registration that a handler dropped" \
	"$(dmesg | sed -n "/$mark/,\$p" | grep -c 'a handler dropped the registrations of 1 probes')" 2

load_mod rktest_examples
check "the examples of the documentation run" [ "$(dmesg | sed -n 's/.*rktest_examples: examples //p' | tail -n 1)" -gt 5 ]
unload_mod rktest_examples
same "no probe of the examples is left" "$(stat_of probes)" 0

load_mod rktest_rust forget=1
same "a forgotten registration keeps its probe" "$(stat_of probes)" 1
unload_mod rktest_rust
same "the forgotten probe is removed with the module of its handler" "$(stat_of probes)" 0
cat /proc/version >/dev/null
flush
same "the site of the forgotten probe is freed" "$(stat_of sites)" 0
unload_mod rkprobes
