#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Each bad input to "probes" has its errno and a text that names the reason, and changes nothing.
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

# refused WHAT ERRNO REASON LINE: the first words of the reason are asserted.
refused() {
	same "$1" "$(echo "$4" | write_probes)" "$2"
	reason=$(sed -n '1p' "$debugfs/errors")
	case $reason in
	"1: $4: $3"*) pass "$1: reason" ;;
	*) fail "$1: the reason is '$reason'" ;;
	esac
}

# repeated CHARACTER COUNT
repeated() {
	printf "%$2s" '' | tr ' ' "$1"
}

# Behind ENDBR and the ftrace entry: the whole function is blacklisted, not its first byte.
refused "the middle of a module's function that is NOKPROBE" "$EINVAL" "in the kprobe blacklist" "p:x rktest_stray:stray+9"
refused "the trampoline of a module's static call" "$EINVAL" "static call" "p:x rktest_stray:__SCT__stray_poke"
check "the good one that stays" add good rktest_functions:rktest_alu
flush
# The list says what is in memory: nothing may be on its way.
flush
before=$(cat "$debugfs/probes" "$debugfs/list")
at=rktest_functions:rktest_alu

refused "unknown symbol" "$ENOENT" "unknown symbol" "p:x no_such_function_here"
refused "unknown module" "$ENOENT" "unknown symbol" "p:x no_such_module:rktest_alu"
refused "symbol of another module" "$ENOENT" "unknown symbol" "p:x rktest_victim:rktest_alu"
ambiguous=$(awk '$2 ~ /[tT]/ && NF == 3 && $3 !~ /[.]/ { if ($3 in seen) { print $3; exit } seen[$3] = 1 }' /proc/kallsyms)
refused "ambiguous symbol" "$EADDRNOTAVAIL" "ambiguous symbol" "p:x $ambiguous"
address=$(awk -v name="$ambiguous" '$3 == name { print $1; exit }' /proc/kallsyms)
check "its candidates are named" grep -q "0x$address" "$debugfs/errors"
size=$(ask rktest_functions list | awk '$1 == "alu" { print $2 }')
refused "far outside the function" "$EINVAL" "offset outside the function" "p:x $at+0x100000"
refused "offset that wraps around" "$EINVAL" "offset outside the function" "p:x $at+0xffffffffffffffff"
refused "inside an instruction" "$EILSEQ" "inside an instruction" "p:x $at+1"
refused "in the padding behind the function" "$EILSEQ" "" "p:x $at+$((size))"
refused "not text" "$EINVAL" "not kernel or module text" "p:x 0x1000"
refused "address zero" "$EINVAL" "not kernel or module text" "p:x 0x0"
refused "data" "$EINVAL" "not kernel or module text" "p:x $(ask rktest_victim address data)"
refused "last address" "$EINVAL" "not kernel or module text" "p:x 0xffffffffffffffff"
refused "blacklisted" "$EINVAL" "in the kprobe blacklist" "p:x get_kprobe"
refused "noinstr" "$EINVAL" "noinstr or entry text" "p:x exc_int3"
refused "on the way to the handler" "$EINVAL" "runs between a breakpoint and its handler" "p:x hw_breakpoint_exceptions_notify+4"
refused "our own text" "$EINVAL" "text of this module" "p:x rkprobes:register_rkprobe"
refused "jump label" "$EINVAL" "jump label" "p:x $(ask rktest_victim address jump_label)"
refused "static call" "$EINVAL" "static call" "p:x $(ask rktest_victim address static_call)"
refused "BUG or WARN" "$EINVAL" "BUG or WARN" "p:x $(ask rktest_victim address bug)"
refused "exception table" "$EOPNOTSUPP" "has an exception-table entry" "p:x $(ask rktest_victim address extable)"
place=$(ask rktest_native add rktest_alu 7) || fail "cannot put a native kprobe"
refused "native kprobe" "$EEXIST" "a kprobe is at this address" "p:x $at+7"
ask rktest_native del "$place" || fail "cannot remove the native kprobe"
refused "name in use" "$EEXIST" "name in use" "p:good $at+7"
refused "remove what is not there" "$ENOENT" "no probe of that name" "-:x"

refused "unknown command" "$EINVAL" "unknown command" "q:x $at"
refused "junk behind the command" "$EINVAL" "unknown command" "px $at"
refused "no target" "$EINVAL" "bad target" "p:x"
refused "no command" "$EINVAL" "unknown command" "rktest_alu"
refused "empty name" "$EINVAL" "bad probe name" "p: $at"
refused "name that begins with a digit" "$EINVAL" "bad probe name" "p:1x $at"
refused "name with a slash" "$EINVAL" "bad probe name" "p:../x $at"
refused "name of 64 bytes" "$ENAMETOOLONG" "name too long" "p:$(repeated a 64) $at"
refused "removal without a name" "$EINVAL" "bad probe name" "-"
refused "text after a removal" "$EINVAL" "text after the target" "-:good now"
refused "text after the target" "$EINVAL" "text after the target" "p:x $at 1"
refused "offset that is no number" "$EINVAL" "bad number" "p:x $at+z"
refused "no offset" "$EINVAL" "bad number" "p:x $at+"
refused "negative offset" "$EINVAL" "bad number" "p:x $at+-1"
refused "offset of 65 bits" "$EINVAL" "bad number" "p:x $at+0x10000000000000000"
refused "address of 65 bits" "$EINVAL" "bad number" "p:x 0x10000000000000000"
refused "address that is no number" "$EINVAL" "bad number" "p:x 0xfffg"
refused "symbol of 512 bytes" "$ENAMETOOLONG" "name too long" "p:x $(repeated s 512)"
refused "module of 56 bytes" "$ENAMETOOLONG" "name too long" "p:x $(repeated m 56):f"
refused "symbol with a star" "$EINVAL" "bad target" "p:x rktest_*"

same "nothing has changed" "$(cat "$debugfs/probes" "$debugfs/list")" "$before"
check "a name of 63 bytes" add "$(repeated a 63)" "$at+7"
check "is removed" remove "$(repeated a 63)"

# Good lines among bad ones take effect; the errno is the first bad line's; every bad line is reported by its number.
said=$(printf '%s\n' "p:one $at+7" 'p:x no_such_function_here' '' '# a comment' "p:two $at+10" "p:x $at+1" '-:one' | write_probes)
same "errno of the first bad line" "$said" "$ENOENT"
same "numbers of the bad lines" "$(cut -d: -f1 "$debugfs/errors" | tr '\n' ' ')" "2 6 "
refuse "the first good line was undone by the last" [ -e "$debugfs/probe/one" ]
check "the other good line took effect" [ -d "$debugfs/probe/two" ]
check "remove it" remove two
same "a good write leaves no errors" "$(cat "$debugfs/errors")" ""

# The switches.
flush
for file in enabled optimization probe/good/enable; do
	for value in 2 -1 yes x '' 10; do
		refuse "$file: '$value'" sh -c "echo '$value' >$debugfs/$file"
	done
	same "$file is as before" "$(cat "$debugfs/$file")" 1
done
same "still nothing has changed" "$(cat "$debugfs/probes" "$debugfs/list")" "$before"
