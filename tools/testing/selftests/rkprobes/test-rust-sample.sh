#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The Rust sample: its handler's state, the probe's life as a value, and the module that it holds.
. ./functions.sh

load_mod rkprobes

# said PATTERN: in the kernel's log since the test began.
said() {
	dmesg | sed -n "/$mark/,\$p" | grep -q "rkprobe_rust: $1"
}

# counted BELOW: what the sample printed last for this class.
counted() {
	dmesg | sed -n "s/.*rkprobe_rust: \\([0-9]*\\) reads below $1\$/\\1/p" | tail -n 1
}

mark="rkprobes: test-rust-sample at $(cat /proc/uptime)"
echo "$mark" >/dev/kmsg

load_mod rkprobe_rust
same "one probe" "$(wc -l <"$debugfs/list")" 1
check "it says where its probe is" said 'a probe at 0x[0-9a-f]'
refuse "unload of rkprobes while its API is used" rmmod rkprobes
dd if=/dev/zero of=/dev/null bs=10 count=1000 2>/dev/null
dd if=/dev/zero of=/dev/null bs=100 count=2000 2>/dev/null
dd if=/dev/zero of=/dev/null bs=4096 count=3000 2>/dev/null
unload_mod rkprobe_rust
check "small reads are counted" [ "$(counted 16)" -ge 1000 ]
check "medium reads are counted" [ "$(counted 256)" -ge 2000 ]
check "large reads are counted" [ "$(counted 'any size')" -ge 3000 ]
same "the probe went with its owner" "$(wc -l <"$debugfs/list")" 0
flush
same "and its site" "$(stat_of sites)" 0

refuse "an offset inside an instruction" insmod "$(module_file rkprobe_rust)" offset=1
refuse "an offset outside the function" insmod "$(module_file rkprobe_rust)" offset=1000000
same "nothing is left of these" "$(stat_of probes)" 0
unload_mod rkprobes
check "the module is gone" [ ! -d "$debugfs" ]
