#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The Rust API: the test module asserts while it is loaded, and its report becomes part of this one.
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
	esac
done <"/tmp/rkprobes.$$"
rm "/tmp/rkprobes.$$"
[ -z "$bad" ] || fail "$bad"
check "the module was loaded" [ -z "$refused" ]
check "it has asserted" [ "$passed" -gt 20 ]
loaded="rktest_rust $loaded"
same "nothing is left" "$(stat_of probes)" 0
unload_mod rktest_rust

load_mod rktest_rust forget=1
same "a forgotten registration stays" "$(stat_of probes)" 1
unload_mod rktest_rust
same "until the module with its handler goes" "$(stat_of probes)" 0
cat /proc/version >/dev/null
flush
same "nor is its site left" "$(stat_of sites)" 0
unload_mod rkprobes
