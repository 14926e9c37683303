#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Only root can use the files, and addresses are in these files only. Memory of rkprobes is never writable and executable at once. None stays
# executable after rkprobes is unloaded.
. ./functions.sh

load_mod rktest_functions
load_mod rktest_mappings
load_mod rkprobes

check "a probe can be added" add one rktest_functions:rktest_alu
check "a second probe can be added" add two rktest_functions:rktest_alu+26
flush

# files: prints all files, with their permissions.
files() {
	find "$debugfs" -type f -exec stat -c '%a %u %g %n' {} +
}
same "no file can be used by another user than root" "$(files | grep -cv '^[246]00 0 0 ')" 0
check "at least 17 files were found" [ "$(files | wc -l)" -ge 17 ]
same "no file with addresses can be written" "$(files | grep -E '/(list|blacklist|text|stats|errors|state|reason|hits|missed)$' | grep -cv '^400 ')" 0
same "only root can enter debugfs" "$(stat -c '%a %u' /sys/kernel/debug)" "700 0"
# Another user has no access to debugfs, and none to our files if debugfs is opened to all users. The VM has no users: they are made.
nobody() {
	su -s /bin/sh nobody -c "$1" 2>/dev/null
}
users_made=
if [ ! -e /etc/passwd ]; then
	users_made=yes
	mkdir -p /etc
	printf '%s\n' 'root:x:0:0:root:/:/bin/sh' 'nobody:x:65534:65534:nobody:/:/bin/sh' >/etc/passwd
	printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' >/etc/group
fi
if grep -q '^nobody:' /etc/passwd; then
	same "another user can run a command and read a public file" "$(nobody 'id -un; cat /proc/sys/kernel/ostype' | tr '\n' ' ')" "nobody Linux "
	refuse "another user cannot list debugfs" nobody "ls /sys/kernel/debug"
	refuse "another user cannot list our files" nobody "ls $debugfs"
	chmod 755 /sys/kernel/debug
	readable=$(nobody "cat $debugfs/* $debugfs/probe/*/*" | wc -c)
	writable=$(nobody "for file in $debugfs/* $debugfs/probe/*/*; do [ ! -d \$file ] && : >\$file && echo \$file; done")
	nobody "[ -d $debugfs ]" && visible=yes
	chmod 700 /sys/kernel/debug
	same "another user finds our directory in an open debugfs" "$visible" yes
	same "another user can read no byte of our files in an open debugfs" "$readable" 0
	same "another user can write no file of ours in an open debugfs" "$writable" ""
else
	omit "access by another user" "there is no user nobody"
fi
[ -z "$users_made" ] || rm /etc/passwd /etc/group
same "another user cannot read the addresses of our sections" "$(find /sys/module/rkprobes/sections -type f -exec stat -c '%a' {} + | grep -cv '^400$')" 0
address=$(sed -n 's/^address 0x//p' "$debugfs/probe/one/text")
detour=$(sed -n 's/^detour 0x//p' "$debugfs/probe/one/text")
check "text has the address and the detour" [ -n "$address" -a -n "$detour" ]
same "the kernel's log has neither the address nor the detour" "$(dmesg | grep -cE "$address|$detour")" 0

# With kptr_restrict, no file tells an address, as /proc/kallsyms. The addresses of the text, of the detour and of the candidates are zeros.
kptr_restrict=$(cat /proc/sys/kernel/kptr_restrict)
show_files() {
	echo rktest_functions:rktest_alu >"$debugfs/explain"
	echo "p:three $ambiguous" >"$debugfs/probes"
	cat "$debugfs/list" "$debugfs/blacklist" "$debugfs/explain" "$debugfs/errors" "$debugfs/probe/one/text" "$debugfs/stats"
}
ambiguous=$(awk '$2 ~ /[tT]/ && NF == 3 && $3 !~ /[.]/ { if ($3 in seen) { print $3; exit } seen[$3] = 1 }' /proc/kallsyms)
check "files tell addresses without kptr_restrict" [ "$(show_files 2>/dev/null | grep -c 'ffff[0-9a-f]\{12\}')" -gt 100 ]
echo 2 >/proc/sys/kernel/kptr_restrict
same "no file tells an address with kptr_restrict" "$(show_files 2>/dev/null | grep 'ffff[0-9a-f]\{12\}')" ""
same "list has zeros with kptr_restrict" "$(cut -d' ' -f1 "$debugfs/list" | sort -u)" 0000000000000000
same "errors has zeros for the addresses of an ambiguous symbol" "$(grep -c ' 0x0000000000000000 0x0000000000000000' "$debugfs/errors")" 1
echo "$kptr_restrict" >/proc/sys/kernel/kptr_restrict

mapping() {
	ask rktest_mappings mapping "$1"
}
check "the test module recognizes a writable mapping" [ "$(mapping "$(awk '$3 == "jiffies_64" { print $1 }' /proc/kallsyms)")" = w ]
same "a detour in use is read-only and executable" "$(mapping "$detour")" rx
# Slots are allocated, written and freed while their mappings are read.
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
check "$(wc -l </tmp/rkprobes.slots) detours are read-only and executable, at least 2" [ "$(wc -l </tmp/rkprobes.slots)" -ge 2 ]
checkwx=$(awk '$3 == "ptdump_walk_pgd_level_checkwx" { print $1 }' /proc/kallsyms)
check_wx() {
	if [ -n "$checkwx" ]; then
		same "the kernel's own check finds no writable and executable memory $1" "$(ask rktest_mappings checkwx "$checkwx")" passed
	else
		omit "the kernel's own check of memory $1" "this kernel has no ptdump_walk_pgd_level_checkwx"
	fi
}
check_wx "with probes"
echo 0 >"$debugfs/optimization"
check_wx "with int3s"
unload_mod rkprobes
# The kernel keeps freed memory for the text of the next module. No code of rkprobes may be left in it.
while read -r slot; do
	case $(mapping "$slot") in
	unmapped | r | w | rx) ;;
	*) fail "$slot is mapped $(mapping "$slot")" ;;
	esac
	ask rktest_mappings poisoned "$slot" || fail "code is left at $slot"
done </tmp/rkprobes.slots
pass "no code of rkprobes is left in $(wc -l </tmp/rkprobes.slots) detours"
rm /tmp/rkprobes.slots
check_wx "after unload"
