#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Each bad input to "probes" fails with its own errno, changes nothing, and has a text in "errors" that names the reason.
. ./functions.sh

load_mod rktest_functions
load_mod rktest_victim
load_mod rktest_native
load_mod rktest_stray
load_mod rkprobes

EINVAL='Invalid argument'
ENOENT='No such file or directory'
EEXIST='File exists'
EILSEQ='Invalid or incomplete multibyte or wide character'
EOPNOTSUPP='Operation not supported'
EADDRNOTAVAIL='Cannot assign requested address'
ENAMETOOLONG='File name too long'

# refused WHAT ERRNO REASON LINE: the line is refused with the errno, and the reason begins with these words.
refused() {
	same "$1 is refused" "$(echo "$4" | write_probes)" "$2"
	reason=$(sed -n '1p' "$debugfs/errors")
	case $reason in
	"1: $4: $3"*) pass "$1 is refused with a right reason" ;;
	*) fail "$1 is refused with the reason '$reason'" ;;
	esac
}

# repeated CHARACTER COUNT: prints the character COUNT times.
repeated() {
	printf "%$2s" '' | tr ' ' "$1"
}

# The offset is after ENDBR and the ftrace entry. The whole function is blacklisted, not only its first byte.
refused "the middle of a module's function that is NOKPROBE" "$EINVAL" "in the kprobe blacklist" "p:x rktest_stray:stray+9"
refused "the trampoline of a module's static call" "$EINVAL" "static call" "p:x rktest_stray:__SCT__stray_poke"
check "a good probe can be added, which stays" add good rktest_functions:rktest_alu
flush
# After another flush no site is queued, so the list no longer changes on its own.
flush
before=$(cat "$debugfs/probes" "$debugfs/list")
at=rktest_functions:rktest_alu

refused "an unknown symbol" "$ENOENT" "unknown symbol" "p:x no_such_function_here"
refused "a function of a module that is the kernel" "$ENOENT" "unknown symbol" "p:x vmlinux:rktest_alu"
refused "a symbol of another module" "$ENOENT" "unknown symbol" "p:x rktest_victim:rktest_alu"
ambiguous=$(awk '$2 ~ /[tT]/ && NF == 3 && $3 !~ /[.]/ { if ($3 in seen) { print $3; exit } seen[$3] = 1 }' /proc/kallsyms)
refused "an ambiguous symbol" "$EADDRNOTAVAIL" "ambiguous symbol" "p:x $ambiguous"
address=$(awk -v name="$ambiguous" '$3 == name { print $1; exit }' /proc/kallsyms)
check "the error names the addresses of the ambiguous symbol" grep -q "0x$address" "$debugfs/errors"
size=$(ask rktest_functions list | awk '$1 == "alu" { print $2 }')
refused "an offset far outside the function" "$EINVAL" "offset outside the function: choose a smaller one than its size, 0x" "p:x $at+0x100000"
named=$(sed 's/.*size, //' "$debugfs/errors")
check "the size is at least that of the function without padding" [ $((named)) -ge "$size" ]
refused "the offset that is the function's size" "$EINVAL" "offset outside the function: choose a smaller one than its size, $named" "p:x $at+$named"
refused "an offset that wraps around" "$EINVAL" "offset outside the function" "p:x $at+0xffffffffffffffff"
refused "an address inside an instruction" "$EILSEQ" "inside an instruction" "p:x $at+1"
refused "an address in the padding after the function" "$EILSEQ" "" "p:x $at+$((size))"
refused "a low address" "$ENOENT" "address in no function" "p:x 0x1000"
refused "the address zero" "$EINVAL" "not kernel or module text" "p:x 0x0"
refused "an address of data" "$EINVAL" "not kernel or module text" "p:x $(ask rktest_victim address data)"
refused "the last address" "$ENOENT" "address in no function" "p:x 0xffffffffffffffff"
refused "a blacklisted function" "$EINVAL" "in the kprobe blacklist" "p:x get_kprobe"
refused "a noinstr function" "$EINVAL" "noinstr or entry text" "p:x exc_int3"
refused "a function on the way to the handler" "$EINVAL" "runs between a breakpoint and its handler" "p:x hw_breakpoint_exceptions_notify+4"
refused "a function of rkprobes" "$EINVAL" "text of this module" "p:x rkprobes:register_rkprobe"
refused "a jump label" "$EINVAL" "jump label" "p:x $(ask rktest_victim address jump_label)"
refused "a static call" "$EINVAL" "static call" "p:x $(ask rktest_victim address static_call)"
refused "a BUG or WARN" "$EINVAL" "BUG or WARN" "p:x $(ask rktest_victim address bug)"
refused "an instruction with an exception-table entry" "$EOPNOTSUPP" "has an exception-table entry" "p:x $(ask rktest_victim address extable)"
place=$(ask rktest_native add rktest_alu 7) || fail "the native kprobe cannot be registered"
refused "the address of a native kprobe" "$EEXIST" "a kprobe is at this address" "p:x $at+7"
ask rktest_native del "$place" || fail "the native kprobe cannot be unregistered"
refused "a name in use" "$EEXIST" "name in use" "p:good $at+7"
refused "the removal of an unknown name" "$ENOENT" "no probe of that name" "-:x"

refused "an unknown command" "$EINVAL" "unknown command" "q:x $at"
refused "text after the command" "$EINVAL" "unknown command" "px $at"
refused "a line without a target" "$EINVAL" "bad target" "p:x"
refused "a line without a command" "$EINVAL" "unknown command" "rktest_alu"
refused "an empty name" "$EINVAL" "bad probe name" "p: $at"
refused "a name that begins with a digit" "$EINVAL" "bad probe name" "p:1x $at"
refused "a name with a slash" "$EINVAL" "bad probe name" "p:../x $at"
refused "a name of 64 bytes" "$ENAMETOOLONG" "name too long" "p:$(repeated a 64) $at"
refused "a removal without a name" "$EINVAL" "bad removal: write -:NAME" "-"
refused "a removal with a name and no colon" "$EINVAL" "bad removal: write -:NAME" "- good"
refused "text after a removal" "$EINVAL" "bad removal: write -:NAME" "-:good now"
refused "a whole function with an offset" "$EINVAL" "bad number" "p:x $at+7+*"
refused "an empty target in a list" "$EINVAL" "bad target" "p:x $at,"
refused "a blank in a list" "$EINVAL" "blank in the target" "p:x $at, $at+7"
refused "a blank before the offset" "$EINVAL" "blank in the target" "p:x $at +7"
refused "text after the target of a counter" "$EINVAL" "text after the target" "c:x $at 1"
refused "an argument that fetches nothing" "$EINVAL" "column $((${#at} + 6)): bad argument: write" "p:x $at 1"
refused "a setting without a value" "$EINVAL" "setting without a value: write limit=N" "p:x $at limit"
refused "an unknown setting" "$EINVAL" "text after the target" "c:x $at colour=1"
refused "a setting that is there twice" "$EINVAL" "text after the target" "p:x $at limit=1 limit=1"
refused "a limit that is no number" "$EINVAL" "bad limit" "p:x $at limit=many"
refused "a limit of 33 bits" "$EINVAL" "bad limit" "p:x $at limit=4294967296"
refused "a switch that is no switch" "$EINVAL" "bad value" "p:x $at enable=2"
refused "an offset that is no number" "$EINVAL" "bad number" "p:x $at+z"
refused "a plus without an offset" "$EINVAL" "bad number" "p:x $at+"
refused "a negative offset" "$EINVAL" "bad number" "p:x $at+-1"
refused "an offset of 65 bits" "$EINVAL" "bad number" "p:x $at+0x10000000000000000"
refused "an address of 65 bits" "$EINVAL" "bad number" "p:x 0x10000000000000000"
refused "an address that is no number" "$EINVAL" "bad number" "p:x 0xfffg"
refused "a symbol of 512 bytes" "$ENAMETOOLONG" "name too long" "p:x $(repeated s 512)"
refused "a module name of 56 bytes" "$ENAMETOOLONG" "name too long" "p:x $(repeated m 56):f"
refused "a pattern with an offset" "$EINVAL" "bad target" "p:x rktest_*+4"
refused "a pattern that no function matches" "$ENOENT" "no function matches" "p:x rktest_no_such_*"

refused "a name that begins with a dot" "$EINVAL" "bad probe name" "p:..x $at"

same "the refused lines change nothing" "$(cat "$debugfs/probes" "$debugfs/list")" "$before"
check "a name of 63 bytes is accepted" add "$(repeated a 63)" "$at+7"
check "the probe with a name of 63 bytes can be removed" remove "$(repeated a 63)"

# Forms of stack traces and of people.
start=$(awk '$3 == "rktest_alu" { print $1; exit }' /proc/kallsyms)
printf '%s\n' "p:f.isra.0 $at+0x7/0x250 # a comment" "p:f.cold 0X$start+7" | write_probes || fail "other forms are refused"
same "other forms are accepted" "$(grep 'p:f[.]' "$debugfs/probes" | tr '\n' ' ')" "p:f.cold 0X$start+7 p:f.isra.0 $at+0x7/0x250 "
printf '%s\n' "-:f.isra.0" "-:f.cold # gone" | write_probes || fail "names with dots cannot be removed"

# Good lines among bad lines take effect. The write has the errno of the first bad line. Each bad line is reported with its number.
said=$(printf '%s\n' "p:one $at+7" 'p:x no_such_function_here' '' '# a comment' "p:two $at+10" "p:x $at+1" '-:one' | write_probes)
same "the write has the errno of the first bad line" "$said" "$ENOENT"
same "errors has the numbers of the bad lines" "$(cut -d: -f1 "$debugfs/errors" | tr '\n' ' ')" "2 6 "
refuse "the last line removes the probe of the first line" [ -e "$debugfs/probe/one" ]
check "the other good line took effect" [ -d "$debugfs/probe/two" ]
check "the probe of the other good line can be removed" remove two
same "a good write leaves no errors" "$(cat "$debugfs/errors")" ""

# The switches.
flush
for file in enabled optimization probe/good/enable; do
	for value in 2 -1 yes x '' 10; do
		refuse "$file refuses the value '$value'" sh -c "echo '$value' >$debugfs/$file"
	done
	same "$file keeps its value" "$(cat "$debugfs/$file")" 1
done
same "the refused values change nothing" "$(cat "$debugfs/probes" "$debugfs/list")" "$before"
