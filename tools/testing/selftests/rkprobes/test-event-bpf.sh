#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The tracepoint rk_hit: one program of BPF sees each hit of each armed event probe, by the address and the number of the event, on each lane.
# SHORT=yes in the environment leaves out the thousands of sites.
. ./functions.sh

hit_bpf=$here/../hit_bpf
[ -x "$hit_bpf" ] || hit_bpf=$here/test_modules/hit_bpf
[ -x "$hit_bpf" ] || skip "hit_bpf is not built"
tracing=/sys/kernel/tracing
[ -d "$tracing/events" ] || skip "this kernel has no events"
load_mod rktest_victim
load_mod rkprobes

# probe_of NAME: what hit_bpf takes for the probe.
probe_of() {
	echo "$(cat "$tracing/events/rkprobes/$1/id"):$debugfs/probe/$1/sites"
}

# hits NAME: how often rk_hit had each site of the probe in the last run, in one line.
hits() {
	awk 'NR == FNR { hits[$1] = $2; next } { print hits[$1] }' /tmp/bpf.out "$debugfs/probe/$1/sites" | tr '\n' ' '
}

# count KIND COMMAND NAME...: runs the command while a program counts the hits of the probes.
count() {
	count_kind=$1 count_command=$2 count_probes=
	shift 2
	for count_name; do count_probes="$count_probes $(probe_of "$count_name")"; done
	# shellcheck disable=SC2086 # one word a probe
	"$hit_bpf" "$count_kind" "$count_command" $count_probes >/tmp/bpf.out
}

# known KIND: the last run found each hit at a site of its event, with its registers.
known() {
	same "$1: each hit has the number of its event, its address and its registers" "$(sed -n 's/.* \(unknown=.*\)/\1/p' /tmp/bpf.out)" \
		'unknown=0 wrong=0'
}

check "a group with an event, disabled" add loop "rktest_victim:rktest_victim_loop+* enable=0 n=%di"
check "an event, disabled" add work "rktest_victim:rktest_victim_work+4 enable=0"
victim=/sys/module/rktest_victim/parameters/command
calls="echo loop 10 >$victim; echo call 5 >$victim"
enabled="echo 1 >$debugfs/probe/loop/enable; echo 1 >$debugfs/probe/work/enable; echo 1 >$debugfs/flush; cat $debugfs/probe/work/state >/tmp/bpf.state"
disabled="echo 0 >$debugfs/probe/loop/enable; echo 0 >$debugfs/probe/work/enable"

count raw "$calls" loop work || fail "a raw tracepoint attaches to rk_hit: $(cat /tmp/bpf.out)"
same "a program arms no probe" "$(tail -n 1 /tmp/bpf.out)" 'sites=9 hits=0 unknown=0 wrong=0'

kinds=raw
status=0
count btf true loop || status=$?
case $status in
0) kinds='raw btf' ;;
4) omit "a program that knows the types" "$(sed 's/^hit_bpf: //' /tmp/bpf.out)" ;;
*) fail "a program that knows the types is refused: $(cat /tmp/bpf.out)" ;;
esac

for kind in $kinds; do
	for lane in int3s jumps; do
		[ $lane = int3s ] && echo 0 >"$debugfs/optimization" && state=armed
		[ $lane = jumps ] && echo 1 >"$debugfs/optimization" && state=optimized
		count "$kind" "$enabled; $calls; $disabled; $calls" loop work || fail "$kind, $lane: $(cat /tmp/bpf.out)"
		same "$kind, $lane: the state of a probe" "$(cat /tmp/bpf.state)" "$state"
		same "$kind, $lane: the hits of each site of the loop" "$(hits loop)" '1 1 1 10 10 10 1 1 '
		same "$kind, $lane: the hits of the other probe" "$(hits work)" '5 '
		same "$kind, $lane: the names" "$(awk 'NF == 3 { print $3 }' /tmp/bpf.out | uniq -c | awk '{ print $1, $2 }' | tr '\n' ' ')" '8 loop 1 work '
		known "$kind, $lane"
	done
done

# A function's entry, where the function tracer calls the handlers.
if [ -e "$tracing/current_tracer" ]; then
	check "a probe can be added at an entry" add entry "rktest_victim:rktest_victim_traced"
	count raw "echo trace 7 >$victim" entry || fail "at an entry: $(cat /tmp/bpf.out)"
	same "the hits of an entry" "$(hits entry)" '7 '
	known "at an entry"
	check "the probe at the entry can be removed" remove entry
else
	omit "rk_hit at an entry" "this kernel has no function tracer"
fi

# Two programs, and the trace, at one time: the kernel calls the programs in another way than one alone.
echo >"$tracing/trace"
last=${kinds##* }
inner="$hit_bpf $last '$enabled; $calls; $disabled' $(probe_of loop) $(probe_of work) >/tmp/bpf.inner"
count raw "echo 1 >$tracing/events/rkprobes/work/enable; $inner; echo 0 >$tracing/events/rkprobes/work/enable" loop work ||
	fail "two programs: $(cat /tmp/bpf.out)"
same "two programs see equal hits" "$(cat /tmp/bpf.inner)" "$(cat /tmp/bpf.out)"
same "the first of two programs" "$(hits loop)$(hits work)" '1 1 1 10 10 10 1 1 5 '
same "the trace has its records too" "$(grep -c 'work: (rktest_victim_work' "$tracing/trace")" 5

# A consumer of the event arms its probe, and rk_hit sees these hits as well.
count raw "echo 1 >$tracing/events/rkprobes/work/enable; $calls; echo 0 >$tracing/events/rkprobes/work/enable" loop work ||
	fail "armed by the trace: $(cat /tmp/bpf.out)"
same "hits of a probe that a consumer has armed" "$(hits loop)$(hits work)" '0 0 0 0 0 0 0 0 5 '

# What the program calls is probed too: the program runs inside of a handler, so these hits are missed. And while bpf(2) changes a map, locks of the
# map are held that a program might take. No program runs then.
check "an event in the look-up of a map" add lookup "__htab_map_lookup_elem enable=0"
check "an event in the change of a map" add update "htab_map_update_elem+* enable=0"
other="$hit_bpf raw true $(probe_of loop) >/dev/null"
count raw "for name in lookup update; do echo 1 >$debugfs/probe/\$name/enable; done; $enabled; $calls; $other; $disabled" loop work lookup update ||
	fail "probes in maps: $(cat /tmp/bpf.out)"
same "the program runs while its own functions are probed" "$(hits loop)$(hits work)" '1 1 1 10 10 10 1 1 5 '
check "the look-ups of the program are missed hits ($(of lookup missed))" [ "$(of lookup missed | sed 's/^recursion //')" -ge 39 ]
check "bpf(2) has changed a map under the probes" [ "$(of update hits)" -ge 8 ]
same "no program runs while bpf(2) changes a map" "$(hits update | tr -d '0 ')" ''
known "probes in maps"
check "the probes in maps can be removed" sh -c "printf '%s\n' -:lookup -:update >$debugfs/probes"

count raw "rmmod rkprobes 2>/dev/null || touch /tmp/bpf.refused" loop
check "rmmod is refused while a program is attached" rm /tmp/bpf.refused
check "the module stays" module_loaded rkprobes
check "the groups are removed" sh -c "printf '%s\n' -:loop -:work >$debugfs/probes"

if [ -n "${SHORT:-}" ]; then
	omit "thousands of sites" "they take long"
	unload_mod rkprobes
	unload_mod rktest_victim
	exit
fi

# Some thousand instructions of the kernel, each function with an event of its own. rk_hit and the counters of the sites have equal hits.
awk '$2 ~ /[tT]/ && $3 ~ /^(vfs_(read|write|open|statx|getattr)|path_openat|link_path_walk|lookup_fast|walk_component|d_lookup|__d_lookup|do_dentry_open|rw_verify_area|ksys_read|ksys_write|dput|mntput|filename_lookup|shmem_file_read_iter|shmem_file_write_iter|generic_perform_write|filp_close|generic_fillattr|pipe_write|file_update_time|iov_iter_zero|alloc_empty_file|may_open|do_sys_openat2|getname_flags|set_nlink|simple_getattr|cp_new_stat|anon_pipe_write|anon_pipe_read|do_pipe2|create_pipe_files|alloc_pipe_info|free_pipe_info|path_lookupat|complete_walk|terminate_walk|step_into|inode_permission|generic_permission)$/ && !seen[$3]++ { print "p:" $3 " " $3 "+* enable=0" }' /proc/kallsyms >/tmp/bpf.lines
write_probes </tmp/bpf.lines >/dev/null || true
names=$(ls "$debugfs/probe")
total=$(cat "$debugfs"/probe/*/sites | grep -vc ' refused ')
check "there are some thousand sites ($total)" [ "$total" -ge 2000 ]
cat >/tmp/bpf.load <<-END
	for name in \$(ls $debugfs/probe); do echo 1 >$debugfs/probe/\$name/enable; done
	dd if=/dev/zero of=/tmp/bpf.file bs=16 count=100 2>/dev/null
	cat /tmp/bpf.file /proc/version | wc -c >/dev/null
	ls -l /rkprobes /proc/self >/dev/null
	for name in \$(ls $debugfs/probe); do echo 0 >$debugfs/probe/\$name/enable; done
END
for kind in $kinds; do
	cat "$debugfs"/probe/*/sites | awk '{ print $1, $4 }' >/tmp/bpf.before
	# shellcheck disable=SC2086 # one word a probe
	count "$kind" "sh /tmp/bpf.load" $names || fail "$kind, thousands of sites: $(tail -n 1 /tmp/bpf.out)"
	known "$kind, thousands of sites"
	cat "$debugfs"/probe/*/sites | grep -v ' refused ' |
		awk 'NR == FNR { before[$1] = $2; next } { print $1, $4 - before[$1] }' /tmp/bpf.before - | sort >/tmp/bpf.counted
	grep ^0x /tmp/bpf.out | cut -d' ' -f1,2 | sort >/tmp/bpf.seen
	same "$kind: the hits of each of $total sites are those of its counter" "$(cmp /tmp/bpf.seen /tmp/bpf.counted 2>&1)" ''
	hit=$(grep -vc ' 0$' /tmp/bpf.seen)
	check "$kind: many of the sites were hit ($hit)" [ "$hit" -ge 500 ]
done
unload_mod rkprobes
unload_mod rktest_victim
