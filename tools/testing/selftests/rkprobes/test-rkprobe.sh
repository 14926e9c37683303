#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# rkprobe, the command-line tool: each command against the module, with exact counts. No probe of the tool outlives its process, however the
# process ends, except after SIGKILL: then the next process finds it.
. ./functions.sh

rkprobe=$(command -v rkprobe) || rkprobe=$here/../../../rkprobe/target/x86_64-unknown-linux-gnu/release/rkprobe
[ -x "$rkprobe" ] || skip "rkprobe is not built: tools/lab/tool builds it"
loop=rktest_victim:rktest_victim_loop
command=/sys/module/rktest_victim/parameters/command
work=/tmp/rkprobe.$$

# status_of COMMAND...: its exit status. What it said is in $work.said, its errors are in $work.errors.
status_of() {
	status_value=0
	"$@" >"$work.said" 2>"$work.errors" || status_value=$?
	echo "$status_value"
}

# says WHAT TEXT: one assertion, which is true if the last command has said the text.
says() {
	grep -qF -- "$2" "$work.said" "$work.errors" || fail "$1: it said: $(cat "$work.said" "$work.errors")"
	pass "$1"
}

nothing_left() {
	same "$1" "$(cat "$debugfs/probes")" ''
}

# blocks: the offsets and the hits of the blocks in JSON of heat.
blocks() {
	sed 's/{"start"/\n&/g' "$work.said" | sed -n 's/^{"start":\([0-9]*\),"end":[0-9]*,"hits":\([0-9a-z]*\),.*/\1 \2/p' | tr '\n' ' '
}

# rows: the targets and the hits of the rows in JSON of count, sorted.
rows() {
	sed 's/{"address"/\n&/g' "$work.said" | sed -n 's/.*"hits":\([0-9]*\),.*"target":"\([^"]*\)".*/\2 \1/p' | sort | tr '\n' ' '
}

is_counting() { grep -q '\.count' "$debugfs/probes"; }
is_empty() { [ -z "$(cat "$debugfs/probes")" ]; }

same "without the module the status is 3" "$(status_of "$rkprobe" list)" 3
says "the module is missing" 'the module rkprobes is not loaded'
says "it says what to do" 'modprobe rkprobes'
same "doctor fails without the module" "$(status_of "$rkprobe" doctor)" 1
same "a wrong command line has the status 2" "$(status_of "$rkprobe" add)" 2

load_mod rktest_victim
load_mod rkprobes
same "doctor finds nothing wrong" "$(status_of "$rkprobe" doctor)" 0

# add, list, enable, disable, limit, flush, stats, rm.
same "a probe is added" "$(status_of "$rkprobe" add --count -n one --limit 100000 $loop+7)" 0
same "the module has its line" "$(cat "$debugfs/probes")" "c:one $loop+7 limit=100000"
ask rktest_victim loop 12 >/dev/null
same "flush" "$(status_of "$rkprobe" flush)" 0
same "list" "$(status_of "$rkprobe" list)" 0
check "list has hits, name and state" grep -Eq "^ +12 +0 +one +optimized +${loop}[+]7 +-$" "$work.said"
same "list --json" "$(status_of "$rkprobe" list --json 'o*')" 0
says "JSON has the hits" '"hits":12,'
same "list of an unknown name" "$(status_of "$rkprobe" list two)" 1
says "it names what is unknown" 'no probe two'
same "disable" "$(status_of "$rkprobe" disable one) $(of one enable)" '0 0'
ask rktest_victim loop 5 >/dev/null
same "a disabled probe counts nothing" "$(of one hits)" 12
same "enable" "$(status_of "$rkprobe" enable 'on*') $(of one enable)" '0 1'
same "limit" "$(status_of "$rkprobe" limit 77 one) $(of one limit)" '0 77'
same "stats --json" "$(status_of "$rkprobe" stats --json)" 0
says "JSON has the counters" '"probes":1'
same "a refused probe has the status 1" "$(status_of "$rkprobe" add $loop+1)" 1
says "the reason is the module's" "p $loop+1: inside an instruction: choose its first byte"
printf 'c:two %s\nc:bad nosuch\n# a comment\nc:three %s\n' $loop $loop+16 >"$work.lines"
same "a file with a bad line has the status 1" "$(status_of "$rkprobe" add -f "$work.lines")" 1
says "the bad line is named" 'c:bad nosuch: unknown symbol'
same "the good lines are carried out" "$(sed 's/ .*//' "$debugfs/probes" | sort | tr '\n' ' ')" 'c:one c:three c:two '
same "rm of names and patterns" "$(status_of "$rkprobe" rm one 't*')" 0
nothing_left "rm has removed them"
same "rm of nothing has the status 1" "$(status_of "$rkprobe" rm one)" 1

# heat: exact counts, also of text that has another jump, and nothing is left.
same "heat" "$(status_of "$rkprobe" heat --json $loop -- sh -c "echo loop 10 >$command && echo loop 0 >$command")" 0
same "heat has the hits of each block" "$(blocks)" '0 2 7 10 16 2 '
says "heat has the calls" '"entries":2,'
nothing_left "heat leaves no probe"
add other $loop+7
flush
check "another probe is a jump" jump other
same "heat with another probe" "$(status_of "$rkprobe" heat --json $loop -- sh -c "echo loop 3 >$command")" 0
same "both count" "$(blocks)$(of other hits)" '0 1 7 3 16 1 3'
# shellcheck disable=SC2016 # the dollar is a part of an instruction
says "the instructions are those without probes" '"offset":7,"bytes":"4883c003","text":"add $0x3,%rax"'
remove other
same "heat of each instruction" "$(status_of "$rkprobe" heat --every --json $loop -- sh -c "echo loop 10 >$command")" 0
same "each instruction has its hits" "$(grep -o '"hits":[0-9]*}' "$work.said" | tr -dc '0-9\n' | tr '\n' ' ')" '1 1 1 10 10 10 1 1 '
same "heat as text with a picture" "$(status_of "$rkprobe" heat --svg "$work.svg" $loop -- sh -c "echo loop 10 >$command")" 0
check "the hot block has a bar" grep -q '^ *10 1000.0%  ██████████  ┌+0x7 ' "$work.said"
check "the picture has three blocks" [ "$(grep -c 'rx="4"' "$work.svg")" = 3 ]
same "heat of nothing" "$(status_of "$rkprobe" heat nosuch)" 1
says "the reason is the module's" 'nosuch: unknown symbol'
same "heat of the kernel" "$(status_of "$rkprobe" heat --json vfs_read -- dd if=/dev/zero of=/dev/null bs=1 count=500)" 0
check "vfs_read is called" [ "$(sed -n 's/.*"entries":\([0-9]*\),.*/\1/p' "$work.said")" -ge 500 ]
nothing_left "no probe is left in the kernel"

# count: exact, sorted, with patterns and refused targets.
same "count" "$(status_of "$rkprobe" count --json $loop+7 rktest_victim:rktest_victim_[pw]* -- \
	sh -c "echo loop 6 >$command && echo call 4 >$command && echo push 3 >$command")" 0
same "each target has its hits" "$(rows)" "$loop+0x7 6 rktest_victim:rktest_victim_pushed+0x0 3 rktest_victim:rktest_victim_work+0x0 4 "
says "the total" '"total":13}'
same "count with an unknown target has the status 1" "$(status_of "$rkprobe" count nosuch $loop -- sh -c "echo loop 6 >$command")" 1
check "the other target is counted" grep -q "^ *1  *[0-9]*  $loop\$" "$work.said"
nothing_left "count leaves no probe"

# Two processes at once count the same calls.
mkfifo "$work.go"
"$rkprobe" count --json $loop -- sh -c "read -r x <$work.go" >"$work.first" 2>&1 &
first=$!
wait_for "the first counts" is_counting
"$rkprobe" count --json $loop -- sh -c "echo loop 1 >$command && echo loop 2 >$command" >"$work.said" || fail "the second process"
same "the second process counts its calls" "$(rows)" "$loop+0x0 2 "
check "the first goes on" is_counting
ask rktest_victim loop 1 >/dev/null
echo >"$work.go"
wait $first || fail "the first process"
cp "$work.first" "$work.said"
same "the first process counts all calls" "$(rows)" "$loop+0x0 3 "
nothing_left "both have removed their probes"

# Each end of the process removes its probes.
for signal in INT TERM HUP; do
	"$rkprobe" count $loop >"$work.said" 2>&1 &
	counting=$!
	wait_for "it counts" is_counting
	ask rktest_victim loop 1 >/dev/null
	kill -$signal $counting
	wait $counting || fail "status $? after SIG$signal"
	check "the table is printed after SIG$signal" grep -q "^ *1 .* $loop\$" "$work.said"
	nothing_left "no probe is left after SIG$signal"
done
"$rkprobe" count -i 0.1 $loop 2>"$work.errors" | head -n 1 >/dev/null
wait_for "no probe is left after a closed pipe" is_empty
nothing_left "a closed pipe removes the probes"
"$rkprobe" count $loop >/dev/null 2>&1 &
counting=$!
wait_for "it counts" is_counting
kill -KILL $counting
wait $counting
check "SIGKILL leaves the probe" is_counting
same "the next process tells of it" "$(status_of "$rkprobe" count $loop -- true)" 0
says "it names the process" "a probe is left of rkprobe $counting, which was killed"
check "it is not removed without a question" is_counting
same "doctor finds it" "$(status_of "$rkprobe" doctor)" 1
same "rm --left" "$(status_of "$rkprobe" rm --left)" 0
nothing_left "rm --left has removed it"

# explain
same "explain" "$(status_of "$rkprobe" explain $loop+7)" 0
says "the verdict" 'an int3 that becomes a jump over 7 bytes'
check "the place is marked" grep -q '^> +0x7 ' "$work.said"
same "explain of the middle of an instruction" "$(status_of "$rkprobe" explain $loop+8)" 0
says "the refusal" 'no probe: inside an instruction'
same "explain --all" "$(status_of "$rkprobe" explain --all $loop)" 0
check "all instructions have a word" [ "$(grep -cE '^(jump|int3|ftrace|no) ' "$work.said")" -ge 8 ]

# cover: which blocks ran.
same "cover" "$(status_of "$rkprobe" cover --json rktest_victim:rktest_victim_loop rktest_victim:rktest_victim_pushe? -- sh -c "echo loop 0 >$command")" 0
says "the block of the loop never ran" '{"function":"rktest_victim:rktest_victim_loop","blocks":3,"ran":2,"unknown":0,"never":[7]}'
says "the other function never ran" '{"function":"rktest_victim:rktest_victim_pushed","blocks":1,"ran":0,"unknown":0,"never":[0]}'
same "cover of 100 functions of the kernel" "$(status_of "$rkprobe" cover 'vfs_*' 'do_sys_*' -- cat /proc/version)" 0
check "vfs_read ran in parts" grep -q ' vfs_read  *+0x' "$work.said"
nothing_left "cover leaves no probe"

# trace: each hit with its arguments, in an instance of its own. Nothing is left in tracefs.
instances=/sys/kernel/tracing/instances
if [ -d $instances ]; then
	same "trace" "$(status_of "$rkprobe" trace $loop+7 'n=%di:u64' -- sh -c "echo loop 3 >$command")" 0
	same "each hit has a line with its arguments" "$(sed -n 's/.*: (rktest_victim_loop+0x7.*) \(n=.*\)/\1/p' "$work.said" | tr '\n' ' ')" 'n=3 n=2 n=1 '
	same "trace with a filter" "$(status_of "$rkprobe" trace $loop+7 'n=%di:u64' --filter 'n == 2' -o "$work.out" -- sh -c "echo loop 3 >$command")" 0
	same "the filter lets one pass" "$(grep -c 'n=2' "$work.out") $(grep -c 'n=' "$work.out")" '1 1'
	same "trace with callers" "$(status_of "$rkprobe" trace $loop+7 n=%di --filter 'n == 2' --stack -- sh -c "echo loop 3 >$command")" 0
	same "the callers of one event are printed" "$(grep -c '^ => rktest_victim_loop' "$work.said")" 1
	same "trace ends after some events" "$(status_of "$rkprobe" trace -n 2 $loop+7 -- sh -c "echo loop 100 >$command")" 0
	same "it prints that many" "$(grep -c 'rktest_victim_loop+0x7' "$work.said")" 2
	same "trace ends by its time, also if its own reads are hits" "$(status_of timeout 60 "$rkprobe" trace vfs_read -d 0.2)" 0
	refuse "trace has no hit of its own task" grep -q "^ *rkprobe-" "$work.said"
	echo "p:gr/grouped $loop" >"$debugfs/probes"
	same "list knows a probe of a group" "$(status_of "$rkprobe" list gr/grouped)" 0
	says "list shows it" gr/grouped
	echo "-:gr/grouped" >"$debugfs/probes"
	echo "c:waits rkprobe_count:count_exit" >"$debugfs/probes"
	same "list shows what a probe waits for" "$("$rkprobe" list waits | grep -c 'waiting for module rkprobe_count')" 1
	echo "-:waits" >"$debugfs/probes"
	same "a bad filter has the status 2" "$(status_of "$rkprobe" trace $loop --filter 'nosuch == 1' -- true)" 2
	same "a bad argument has the status 1" "$(status_of "$rkprobe" trace $loop 'n=%nosuch' -- true)" 1
	nothing_left "trace leaves no probe"
	same "trace leaves no instance" "$(ls $instances)" ''
	"$rkprobe" trace $loop >/dev/null 2>&1 &
	tracing=$!
	is_tracing() { [ "$(cat $instances/rkprobe.*/events/rkprobes/*_trace/enable 2>/dev/null)" = 1 ]; }
	wait_for "it traces" is_tracing
	kill -KILL $tracing
	wait $tracing
	same "rm --left after SIGKILL" "$(status_of "$rkprobe" rm --left)" 0
	nothing_left "the probe of the killed process is removed"
	same "its instance is removed" "$(ls $instances)" ''
else
	omit "trace" "the kernel has no instances of tracefs"
fi

# top needs a terminal.
same "top without a terminal has the status 2" "$(status_of "$rkprobe" top </dev/null)" 2
says "it names other commands" 'rkprobe list'

# The module is unloaded while a process counts. An open file would keep the module, so the process reads none meanwhile.
"$rkprobe" count vfs_read -- sh -c "read -r x <$work.go" >"$work.said" 2>"$work.errors" &
counting=$!
wait_for "it counts" is_counting
unload_mod rkprobes
echo >"$work.go"
counting_status=0
wait $counting || counting_status=$?
same "the status says that the module is missing" $counting_status 3
says "the error says it" 'the module rkprobes is not loaded'
rm -f "$work".*
unload_mod rktest_victim
