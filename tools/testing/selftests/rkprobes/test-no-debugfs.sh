#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Without debugfs the module loads, the C and the Rust API work, and one line in the log says what is missing. If the kernel has debugfs, the
# test unmounts it in a mount namespace of its own. With "debugfs=off" or "debugfs=no-mount" on the kernel command line there is none.
. ./functions.sh

at=/sys/kernel/debug
if grep -q 'debugfs$' /proc/filesystems; then
	if [ "${NAMESPACE:-}" != own ]; then
		unshare -m true 2>/dev/null || skip "mount namespaces are missing"
		trap - EXIT
		NAMESPACE=own exec unshare -m "$0"
	fi
	while grep -q " $at debugfs " /proc/mounts; do
		umount -l $at || skip "debugfs cannot be unmounted"
	done
	line="debugfs is not mounted at $at: the files are there after it is mounted"
else
	line="debugfs is off: there are no files, the C and the Rust API work"
fi
refuse "debugfs is not at $at" grep -q " $at debugfs " /proc/mounts

mark="rkprobes: test-no-debugfs at $(cat /proc/uptime)"
echo "$mark" >/dev/kmsg

# said PATTERN: the lines of the log since the test began, without their time.
said() {
	dmesg | sed -n "/$mark/,\$s/^\\[[^]]*\\] //p" | grep "$1"
}

# counted PATTERN: the number of the log's last line with the pattern.
counted() {
	said "$1" | sed -n 's/.*: \([0-9]*\) .*/\1/p' | tail -n 1
}

load_mod rkprobes
# The kernel itself prints that an unsigned module from outside of its tree is loaded.
same "the module prints one line" "$(said '^rkprobes: ' | grep -vE 'test-no-debugfs at|taint')" "rkprobes: $line"
refuse "no files are at $at/rkprobes" [ -e $at/rkprobes ]

# The C API: registration one by one and in batches, handlers, errors, changes while the functions run.
load_mod rktest_api
for group in errors batch handlers changes aggregate disabled post missed counting inside entry returns; do
	group_of rktest_api $group
done
refuse "rkprobes cannot be unloaded while a module uses its API" rmmod rkprobes
unload_mod rktest_api

load_mod rkprobe_example
(:)
unload_mod rkprobe_example
check "the C sample has hits" [ "$(counted 'rkprobe_example: [0-9]* hits')" -gt 0 ]

load_mod rkprobe_count functions=vfs_read,vfs_write
dd if=/dev/zero of=/dev/null bs=1 count=3000 2>/dev/null
unload_mod rkprobe_count
check "the counter counts calls" [ "$(counted 'rkprobe_count: [0-9]* vfs_read')" -ge 3000 ]

# The Rust API.
load_mod rktest_rust
check "the assertions of the Rust test module" [ "$(said 'rktest_rust: ok' | wc -l)" -gt 20 ]
refuse "no assertion of the Rust test module is wrong" said 'rktest_rust: not ok'
unload_mod rktest_rust

load_mod rkprobe_rust
dd if=/dev/zero of=/dev/null bs=10 count=1000 2>/dev/null
unload_mod rkprobe_rust
check "the Rust sample counts reads" [ "$(counted 'rkprobe_rust: [0-9]* reads below 16')" -ge 1000 ]

unload_mod rkprobes
load_mod rkprobes
same "the module prints the line again when it is loaded again" "$(said "^rkprobes: $line" | wc -l)" 2
unload_mod rkprobes
