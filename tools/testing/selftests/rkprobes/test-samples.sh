#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The samples load, see what they are to see, and unload.
. ./functions.sh

load_mod rkprobes

# said SINCE PATTERN: in the kernel's log behind a mark.
said() {
	dmesg | sed -n "/$1/,\$p" | grep -q "$2"
}

mark="rkprobes: test-samples at $(cat /proc/uptime)"
echo "$mark" >/dev/kmsg

load_mod rkprobe_example
(:)
check "the C sample sees a fork" said "$mark" 'rkprobe_example: kernel_clone+0 on CPU'
unload_mod rkprobe_example
check "and counts it" said "$mark" 'rkprobe_example: [1-9][0-9]* hits'
refuse "a function that does not exist" insmod "$(module_file rkprobe_example)" symbol=no_such_function_here
check "has its error in the log" said "$mark" 'rkprobe_example: no probe at no_such_function_here+0: error -2'

load_mod rkprobe_count functions=vfs_read,vfs_write
dd if=/dev/zero of=/dev/null bs=1 count=3000 2>/dev/null
unload_mod rkprobe_count
check "the counter counts" said "$mark" 'rkprobe_count: [3-9][0-9]\{3\} vfs_read'
[ ! -e /proc/lockdep ] || skip "lockdep may run much between an int3 and its handler: some of the sample's own list of functions are refused"
load_mod rkprobe_count
check "its own list of functions" said "$mark" 'rkprobe_count: counting the calls of [1-9][0-9] functions'
same "all in the list" "$(wc -l <"$debugfs/list")" "$(dmesg | sed -n 's/.*rkprobe_count: counting the calls of \([0-9]*\) .*/\1/p' | tail -n 1)"
unload_mod rkprobe_count
flush
same "nothing left" "$(stat_of sites)" 0
