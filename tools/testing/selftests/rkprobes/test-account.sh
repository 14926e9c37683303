#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The memory cgroup of the writer pays for the probes that it makes.
. ./functions.sh

groups=/tmp/rkprobes.groups
group=$groups/rkprobes
mkdir "$groups"
mount -t cgroup2 none "$groups" 2>/dev/null || { rmdir "$groups" && skip "this kernel has no cgroup2"; }
unmount() {
	echo $$ >"$groups/cgroup.procs"
	[ ! -d "$group" ] || rmdir "$group"
	umount "$groups"
	rmdir "$groups"
}
if ! echo +memory >"$groups/cgroup.subtree_control" || ! mkdir "$group"; then
	unmount
	skip "this kernel has no memory controller"
fi

# charged NAME: bytes of that kind that the group pays for.
charged() {
	sed -n "s/^$1 //p" "$group/memory.stat"
}

load_mod rkprobes
candidates 6000 >"/tmp/rkprobes.lines.$$"
echo $$ >"$group/cgroup.procs"
percpu=$(charged percpu) slab=$(charged slab)
write_probes <"/tmp/rkprobes.lines.$$" >/dev/null
probes=$(stat_of probes)
paid_percpu=$(($(charged percpu) - percpu)) paid_slab=$(($(charged slab) - slab))
echo $$ >"$groups/cgroup.procs"
check "many probes were made: $probes" [ "$probes" -ge 500 ]
check "the group pays for a counter of each probe on each CPU" [ "$paid_percpu" -ge $((probes * 8 * $(nproc))) ]
# The structure of a probe and that of its site have more than 256 bytes together.
check "the group pays for the structures of each probe" [ "$paid_slab" -ge $((probes * 256)) ]
unload_mod rkprobes
rm "/tmp/rkprobes.lines.$$"
unmount
