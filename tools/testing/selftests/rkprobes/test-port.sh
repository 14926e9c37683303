#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The samples of kprobes in the kernel's tree, ported by samples/from_kprobes.sed and by nothing else. The samples for return probes are left
# out, because rkprobes has no return probes.
. ./functions.sh

known=$(module_file rktest_port_kprobe_example) || skip "the kernel's tree that the modules were built with has no samples"
load_mod rkprobes
modules=0
for file in "${known%/*}"/rktest_port_*.ko; do
	name=$(basename "$file" .ko)
	load_mod "$name"
	check "$name has a probe" [ "$(stat_of probes)" -ge 1 ]
	unload_mod "$name"
	same "$name has removed its probes" "$(stat_of probes)" 0
	modules=$((modules + 1))
done
check "a sample was ported" [ "$modules" -ge 1 ]

# said WORDS: how many lines of the sample have the words since the mark.
said() {
	dmesg | sed -n "/$mark/,\$p" | grep -c "$1"
}

mark="rkprobes: test-port at $(cat /proc/uptime)"
echo "$mark" >/dev/kmsg
load_mod rktest_port_kprobe_example
same "the sample says that it has planted its probe" "$(said 'kprobe_init: Planted kprobe at')" 1
# A new process, which calls kernel_clone.
(cat /proc/version >/dev/null)
check "the pre_handler of the sample was called" [ "$(said 'handler_pre: <kernel_clone> p->addr')" -ge 1 ]
check "the post_handler of the sample was called" [ "$(said 'handler_post: <kernel_clone> p->addr')" -ge 1 ]
unload_mod rktest_port_kprobe_example
planted=$(dmesg | sed -n "/$mark/,\$s/.*Planted kprobe at //p")
same "the sample's last line has the address of its first line" \
	"$(dmesg | sed -n "/$mark/,\$s/.*kprobe at \(.*\) unregistered/\1/p")" "$planted"
unload_mod rkprobes
