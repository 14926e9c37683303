#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The samples can be loaded, have hits, and can be unloaded.
. ./functions.sh

load_mod rkprobes

# said MARK PATTERN: true if the kernel's log has the pattern after the mark.
said() {
	dmesg | sed -n "/$1/,\$p" | grep -q "$2"
}

mark="rkprobes: test-samples at $(cat /proc/uptime)"
echo "$mark" >/dev/kmsg

load_mod rkprobe_example
(:)
check "the C sample prints a fork" said "$mark" 'rkprobe_example: kernel_clone+0 on CPU'
unload_mod rkprobe_example
check "the C sample prints the number of hits" said "$mark" 'rkprobe_example: [1-9][0-9]* hits'
refuse "the C sample does not load for a function that does not exist" insmod "$(module_file rkprobe_example)" symbol=no_such_function_here
check "the log has the error of that load" said "$mark" 'rkprobe_example: no probe at no_such_function_here+0: unknown symbol: .* (error -2)'

load_mod rkprobe_count functions=vfs_read,vfs_write
dd if=/dev/zero of=/dev/null bs=1 count=3000 2>/dev/null
unload_mod rkprobe_count
check "the counter counts calls" said "$mark" 'rkprobe_count: [3-9][0-9]\{3\} vfs_read'
refuse "the counter does not load with a function that does not exist" insmod "$(module_file rkprobe_count)" functions=vfs_read,no_such_function_here
check "the log has the function and the reason" said "$mark" 'rkprobe_count: no probe at no_such_function_here: unknown symbol: '
if [ -e /proc/lockdep ]; then
	omit "the counter with its own list of functions" "with lockdep so many functions may run before a handler that some of the list are refused"
else
	load_mod rkprobe_count
	check "the counter counts the calls of its own list of functions" said "$mark" 'rkprobe_count: counting the calls of [1-9][0-9] functions'
	same "list has a probe for each function of the counter" "$(wc -l <"$debugfs/list")" \
		"$(dmesg | sed -n 's/.*rkprobe_count: counting the calls of \([0-9]*\) .*/\1/p' | tail -n 1)"
	unload_mod rkprobe_count
fi
flush
same "no site is left" "$(stat_of sites)" 0
