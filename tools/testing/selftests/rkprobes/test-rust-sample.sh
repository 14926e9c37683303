#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The Rust sample: the state of its handler, the life of its probe as a value, and the module reference that the probe holds.
. ./functions.sh

load_mod rkprobes

# said PATTERN: true if the sample has printed it to the kernel's log since the test began.
said() {
	dmesg | sed -n "/$mark/,\$p" | grep -q "rkprobe_rust: $1"
}

# counted BELOW: prints the number that the sample printed last for this class.
counted() {
	dmesg | sed -n "s/.*rkprobe_rust: \\([0-9]*\\) reads below $1\$/\\1/p" | tail -n 1
}

mark="rkprobes: test-rust-sample at $(cat /proc/uptime)"
echo "$mark" >/dev/kmsg

load_mod rkprobe_rust
same "the sample registers one probe" "$(wc -l <"$debugfs/list")" 1
check "the sample prints the address of its probe" said 'a probe at 0x[0-9a-f]'
refuse "rkprobes cannot be unloaded while the sample uses its API" rmmod rkprobes
dd if=/dev/zero of=/dev/null bs=10 count=1000 2>/dev/null
dd if=/dev/zero of=/dev/null bs=100 count=2000 2>/dev/null
dd if=/dev/zero of=/dev/null bs=4096 count=3000 2>/dev/null
unload_mod rkprobe_rust
check "the sample counts small reads" [ "$(counted 16)" -ge 1000 ]
check "the sample counts medium reads" [ "$(counted 256)" -ge 2000 ]
check "the sample counts large reads" [ "$(counted 'any size')" -ge 3000 ]
same "the probe is removed with the sample" "$(wc -l <"$debugfs/list")" 0
flush
same "the site of the probe is freed" "$(stat_of sites)" 0

refuse "the sample does not load with an offset inside an instruction" insmod "$(module_file rkprobe_rust)" offset=1
check "the log has the reason" said 'no probe: inside an instruction: choose its first byte'
refuse "the sample does not load with an offset outside the function" insmod "$(module_file rkprobe_rust)" offset=1000000
same "no probe of a failed load is left" "$(stat_of probes)" 0
unload_mod rkprobes
check "debugfs no longer has the directory of rkprobes" [ ! -d "$debugfs" ]
