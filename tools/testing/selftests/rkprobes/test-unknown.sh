#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# On a kernel that the module does not know, it does not load, unless that is allowed. The module's file is changed so that it knows others.
. ./functions.sh

module=$(module_file rkprobes) || fail "rkprobes.ko is not built"
other=$(mktemp -d)
line="rkprobes: Linux $(uname -r) is unknown (rkprobes knows Linux"
lines() { dmesg | grep -cF "$line"; }

# knows NUMBERS: makes a file that knows these kernels. The numbers are as long as the real ones.
knows() {
	sed "s/rkprobes knows Linux 7[.]2 7[.]3/rkprobes knows Linux $1/" "$module" >"$other/rkprobes.ko"
	check "the file knows $1" grep -q "rkprobes knows Linux $1" "$other/rkprobes.ko"
}

before=$(lines)
load_mod rkprobes
unload_mod rkprobes
same "this kernel is known" "$(lines)" "$before"

running=$(uname -r | cut -d. -f1-2)
knows "1.2 $running"
check "the last known kernel counts" insmod "$other/rkprobes.ko"
rmmod rkprobes || fail "rkprobes cannot be unloaded"
# The second is the begin of the number of this kernel.
for numbers in '1.2 1.3' "1.2 ${running%?} "; do
	knows "$numbers"
	refused=$(insmod "$other/rkprobes.ko" 2>&1) && fail "rkprobes loads on an unknown kernel"
	check "loading fails with the right errno: $refused" [ "${refused%'Operation not supported'*}" != "$refused" ]
	# insmod of busybox tries each of the two system calls that load a module.
	check "the log names the kernel" [ "$(lines)" -gt "$before" ]
	before=$(lines)
done
check "it loads if that is allowed" insmod "$other/rkprobes.ko" unknown_kernel=1
same "the log says so" "$(dmesg | grep -F "$line" | grep -c "loaded because of unknown_kernel=1")" 1
rmmod rkprobes || fail "rkprobes cannot be unloaded"
rm -r "$other"
