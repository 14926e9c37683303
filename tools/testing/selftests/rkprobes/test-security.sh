#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Files are root's alone, and addresses are nowhere else; no memory of ours is ever writable and executable, none stays executable.
. ./functions.sh

load_mod rktest_functions
load_mod rktest_mappings
load_mod rkprobes

check "add" add one rktest_functions:rktest_alu
check "another" add two rktest_functions:rktest_alu+26
flush

# files: all files, with their permissions.
files() {
	find "$debugfs" -type f -exec stat -c '%a %u %g %n' {} +
}
same "files that others than root may use" "$(files | grep -cv '^[246]00 0 0 ')" 0
check "all files were seen" [ "$(files | wc -l)" -ge 17 ]
same "files with addresses that can be written" "$(files | grep -E '/(list|blacklist|text|stats|errors|state|reason|hits|missed)$' | grep -cv '^400 ')" 0
# Somebody else cannot even come there.
nobody() {
	su -s /bin/sh nobody -c "$1" 2>/dev/null
}
if grep -q '^nobody:' /etc/passwd 2>/dev/null; then
	refuse "another user lists the files" nobody "ls $debugfs"
	refuse "another user reads the list" nobody "cat $debugfs/list"
fi
same "debugfs itself is root's" "$(stat -c '%a %u' /sys/kernel/debug)" "700 0"
same "others may see where our sections are" "$(find /sys/module/rkprobes/sections -type f -exec stat -c '%a' {} + | grep -cv '^400$')" 0
address=$(sed -n 's/^address 0x//p' "$debugfs/probe/one/text")
detour=$(sed -n 's/^detour 0x//p' "$debugfs/probe/one/text")
check "the address and the detour are known to us" [ -n "$address" -a -n "$detour" ]
same "the kernel's log has neither" "$(dmesg | grep -cE "$address|$detour")" 0

mapping() {
	ask rktest_mappings mapping "$1"
}
check "we see a writable mapping" [ "$(mapping "$(awk '$3 == "jiffies_64" { print $1 }' /proc/kallsyms)")" = w ]
same "the detour while it is used" "$(mapping "$detour")" rx
# Slots come and go, and are written, while we look.
i=0
while [ $i -lt 40 ]; do
	(printf '%s\n' "p:n$i rktest_functions:rktest_mov+$i" >"$debugfs/probes") 2>/dev/null
	for page in "$detour" "$(printf '%x' $((0x$detour & ~4095)))"; do
		[ "$(mapping "$page")" = rx ] || fail "a slot is mapped $(mapping "$page")"
	done
	i=$((i + 1))
done
for file in "$debugfs"/probe/*/text; do
	sed -n 's/^detour 0x//p' "$file"
done | sort -u >/tmp/rkprobes.slots
while read -r slot; do
	[ "$(mapping "$slot")" = rx ] || fail "a slot is mapped $(mapping "$slot")"
done </tmp/rkprobes.slots
pass "$(wc -l </tmp/rkprobes.slots) detours are read-only and executable"
checkwx=$(awk '$3 == "ptdump_walk_pgd_level_checkwx" { print $1 }' /proc/kallsyms)
check_wx() {
	[ -z "$checkwx" ] || same "the kernel's own check, $1" "$(ask rktest_mappings checkwx "$checkwx")" passed
}
check_wx "with probes"
echo 0 >"$debugfs/optimization"
check_wx "with int3s"
unload_mod rkprobes
# The kernel keeps what is freed for the next module's text: nothing of ours may be left in it.
while read -r slot; do
	case $(mapping "$slot") in
	unmapped | r | w | rx) ;;
	*) fail "$slot is mapped $(mapping "$slot")" ;;
	esac
	ask rktest_mappings poisoned "$slot" || fail "code is left at $slot"
done </tmp/rkprobes.slots
pass "no code is left in $(wc -l </tmp/rkprobes.slots) detours"
rm /tmp/rkprobes.slots
check_wx "after unload"
