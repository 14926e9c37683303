#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The arguments of events. Each line is given to kprobe_events and to rkprobes, at one place, with one series of calls: the fields, the print
# format and all values must be equal, with a breakpoint and with a jump. What kprobe_events refuses is refused.
. ./functions.sh

tracing=/sys/kernel/tracing
[ -e "$tracing/kprobe_events" ] || skip "this kernel has no kprobe events"
load_mod rktest_victim
load_mod rkprobes
# Of the stack only the return address is equal in all tasks. kprobe_events takes functions with an ftrace entry only. The place is the first instruction after the entry that both can probe.
place=
for offset in 4 5 6 7 8 9 10 11 12 13; do
	place=rktest_victim:rktest_victim_traced+$offset
	if { echo "p:krk/work $place" >"$tracing/kprobe_events"; } 2>/dev/null; then
		echo >"$tracing/kprobe_events"
		{ add work "$place"; } 2>/dev/null && remove work && break
	fi
	place=
done
[ -n "$place" ] || fail "no place that both can probe"

# fields DIR: the fields and the print format of the event, without its name and number.
fields() {
	sed -n '/__probe_ip/,$p' "$1/format"
}

# values DIR: the arguments of three calls.
values() {
	echo >"$tracing/trace"
	echo 1 >"$1/enable"
	calls
	echo 0 >"$1/enable"
	sed -n 's/^.* work: ([^)]*)//p' "$tracing/trace"
}

calls() {
	ask rktest_victim trace 3 >/dev/null
}

# equal ARGUMENTS
equal() {
	echo "p:krk/work $place $1" >"$tracing/kprobe_events" || fail "kprobe_events refuses $1"
	native_fields=$(fields "$tracing/events/krk/work")
	native_values=$(values "$tracing/events/krk/work")
	echo >"$tracing/kprobe_events"
	[ "$(echo "$native_values" | wc -l)" = 3 ] || fail "kprobe_events has other than three records: $1"
	check "a probe has the arguments $1" add work "$place $1"
	same "the fields are equal" "$(fields "$tracing/events/rkprobes/work")" "$native_fields"
	echo 0 >"$debugfs/optimization"
	same "the values are equal with a breakpoint" "$(values "$tracing/events/rkprobes/work")" "$native_values"
	echo 1 >"$debugfs/optimization"
	flush
	same "the values are equal after the optimizer ran" "$(values "$tracing/events/rkprobes/work")" "$native_values"
	same "the line is shown as it was written" "$(cat "$debugfs/probes")" "p:work $place $1"
	remove work
}

while read -r arguments; do
	equal "$arguments"
done <<-'END'
	%di
	x=%di y=%di:u64 z=%di:s8
	%di:u8 %di:u16 %di:u32 %di:x8 %di:x16 %di:x32 %di:x64 %di:s16 %di:s32 %di:s64
	%ip %cs %flags:x16
	$stack0 $stack0:u32
	+0(%sp) +4(%sp):x32 +0($stack):x16 -8(+0(%sp)):u8 +4(+0(%sp)):x64
	name=$comm $comm:string
	\5 \-1:s32 \0x10:u8
	@linux_banner:u8 @linux_banner+1:char @linux_banner:u64
	line=+0(@saved_command_line):x8 text=+0(@saved_command_line):string tail=+3(@saved_command_line):string
	banner=@linux_banner:string tail=@linux_banner+6:string
	text=+0(%di):string
	fault=+u0(%di):ustring
	%di:b4@0/32 %di:b1@1/8
	text=\"hello"
	@linux_banner:x64[3] @linux_banner:char[5] +0(%sp):u8[8] +0(%sp):u32[2]
	%ip:symbol +0(%sp):symbol
END

# refused ARGUMENTS COLUMN
refused() {
	refuse "kprobe_events refuses $1" sh -c "echo 'p:krk/work $place $1' >$tracing/kprobe_events"
	refuse "the argument is refused: $1" add work "$place $1"
	text=$(cat "$debugfs/errors")
	case $text in
	*": column $2: "*) pass "errors names column $2" ;;
	*) fail "errors names another column than $2: $text" ;;
	esac
	same "no probe is left" "$(stat_of probes)" 0
}

# Names and types: of a function that only these calls run.
inside=$place
place=vfs_rmdir
calls() {
	for name in one two a_directory_with_a_name_that_is_not_stored_in_the_dentry_itself; do
		mkdir "/tmp/$name"
		rmdir "/tmp/$name"
	done
}
while read -r arguments; do
	equal "$arguments"
done <<-'END'
	dir->i_mode mode=dir->i_mode:x16 dir->i_sb->s_blocksize dir->i_sb->s_blocksize_bits
	dir dentry->d_parent->d_inode $arg1 i=$arg2
	$arg2:u32 $arg1:x8
	name=dentry->d_name.name:string short=dentry->d_shortname.string:string len=dentry->d_name.len
	dentry:%pd
	fs=dir->i_sb->s_type->name:string id=dir->i_sb->s_id:string
	$current->comm:string $current->prio $current->policy $current->static_prio:u8
	fork=$current->sched_reset_on_fork exec=$current->in_execve policy=$current->policy
	parent=(dentry)$arg3->d_parent->d_name.name:string
	(inode)%si->i_mode (inode)(dentry->d_parent->d_inode)->i_mode
	again=(inode,i_opflags)dir->i_opflags:x16 (inode,i_opflags)($arg2)->i_opflags
	+0(dir->i_sb->s_type->name):string
END
same "the names of all parameters" "$(echo "p:all $place \$arg*" >"$debugfs/probes" && sed -n 's/^.field:.* \([a-z_]*\);.offset:\([0-9]*\);.*/\1/p' "$tracing/events/rkprobes/all/format" | tail -n +6 | tr '\n' ' ')" \
	"idmap dir dentry delegated_inode "
remove all

base=$(printf 'p:work %s ' "$place" | wc -c)
refused '%xx' $((base + 1))
refused 'a=%di a=%si' $((base + 7))
refused '%di:u63' $((base + 5))
refused '+0(%di' $((base + 7))
refused "\$foo" $((base + 1))
refused 'none' $((base + 1))
refused 'a=dir->none' $((base + 8))
refused 'dentry->d_name.none' $((base + 16))
refused '(none)%di->x' $((base + 2))
refused "\$arg9" $((base + 1))
place=$inside
base=$(printf 'p:work %s ' "$place" | wc -c)
refused 'dir' $((base + 1))
refused "\$arg*" $((base + 1))
unload_mod rkprobes
unload_mod rktest_victim
