#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A text that is written in pieces of any size gives the probes and the errors of one write. A line never runs in parts, and no line is lost.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes
at=rktest_functions:rktest_alu
work=/tmp/rkprobes.writes.$$
write_pieces=$here/../write_pieces
[ -x "$write_pieces" ] || write_pieces=$here/test_modules/write_pieces

# No text is changed, so that 10,000 probes are made in a short time.
echo 0 >"$debugfs/enabled"

# 10,000 lines: probes on functions, of which some are refused, lines that no parser accepts, comments, duplicate names and removals.
awk '
	NF == 3 && $2 ~ /[tT]/ && $3 !~ /^__(pfx|cfi)_|[.]/ { if (seen[$3]++ == 0) names[n++] = $3 }
	END {
		for (i = j = 0; i < 10000; i++) {
			name = names[int(j)]; j += n / 10000
			if (i % 97 == 1) print "# a comment on " name
			else if (i % 97 == 2) print ""
			else if (i % 97 == 3) print "q:w" i " " name
			else if (i % 97 == 4) print "p:w" i - 5 " " name "+" 9 + i % 17
			else if (i % 97 == 5) print "p:w" i - 1 " no_such_function"
			else if (i % 970 == 6) print "-:w" i - 12
			else if (i % 3 == 0) print "  c:w" i "   " name "  "
			else print "p:w" i " " name "+" 9 + i % 17
		}
	}' /proc/kallsyms >"$work"
same "the text has 10,000 lines" "$(wc -l <"$work")" 10000

remove_all() {
	sed 's/^.:\([^ ]*\) .*/-:\1/' "$debugfs/probes" >"$work.removals"
	dd if="$work.removals" of="$debugfs/probes" bs=4M 2>/dev/null || fail "the probes cannot be removed"
	[ -z "$(cat "$debugfs/probes")" ] || fail "probes are left"
}

# The probes and the errors of one write.
dd if="$work" of="$debugfs/probes" bs=4M 2>"$work.said" && fail "the text has no bad line"
cat "$debugfs/probes" >"$work.probes"
cat "$debugfs/errors" >"$work.errors"
check "one write makes at least 2,000 probes" [ "$(wc -l <"$work.probes")" -ge 2000 ]
check "one write has at least 300 errors" [ "$(wc -l <"$work.errors")" -ge 300 ]
same "each line that is not a probe, a removal, blank or a comment has an error" \
	$(($(wc -l <"$work.probes") + $(wc -l <"$work.errors") + 2 * $(grep -c '^-' "$work") + $(grep -cE '^(#.*)?$' "$work"))) \
	$((10000 + 2 * $(cut -d' ' -f2- "$work.errors" | grep -c '^-')))
remove_all

# as_one_write WHAT: the text was written as WHAT says, and everything is as after one write. Removes the probes.
as_one_write() {
	cmp -s "$debugfs/probes" "$work.probes" || fail "$1: other probes than one write makes"
	cat "$debugfs/errors" >"$work.is"
	cmp -s "$work.is" "$work.errors" || fail "$1: $(diff "$work.errors" "$work.is" | head -n 3)"
	pass "$1: the probes and the errors of one write"
	remove_all
}

for size in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 4095 4096 4097 65536 131072; do
	dd if="$work" of="$debugfs/probes" bs=$size 2>"$work.said"
	as_one_write "dd with blocks of $size bytes"
done
cat "$work" >"$debugfs/probes" 2>/dev/null
as_one_write "cat"
cat "$work" >>"$debugfs/probes" 2>/dev/null
as_one_write "cat that appends"
awk '{ print }' "$work" >"$debugfs/probes" 2>/dev/null
as_one_write "awk"
sed 's/x/x/' "$work" >"$debugfs/probes" 2>/dev/null
as_one_write "sed"
while IFS= read -r line; do
	echo "$line"
done <"$work" >"$debugfs/probes" 2>/dev/null
as_one_write "a loop of a shell"
if [ -x "$write_pieces" ]; then
	for size in 1 7 4096 -1 -7 -1000; do
		said=$("$write_pieces" "$debugfs/probes" $size <"$work")
		same "pieces of $size bytes: close() has the errno of the first bad line" "$said" "close 22"
		as_one_write "pieces of $size bytes"
	done
	same "a line of its own: write() has the errno" "$(echo "p:x no_such_function" | "$write_pieces" "$debugfs/probes" 100)" "write 2"
	same "a line without a newline: close() has the errno" "$(printf 'p:x no_such_function' | "$write_pieces" "$debugfs/probes" 100)" "close 2"
	same "a value in two parts: close() has the errno" "$(echo 10 | "$write_pieces" "$debugfs/enabled" 1)" "close 22"
else
	omit "pieces of write() and writev()" "write_pieces is not built"
fi

# A line without a newline runs when the file is closed.
printf 'p:last %s' $at >"$debugfs/probes"
same "a line without a newline makes a probe" "$(cat "$debugfs/probes")" "p:last $at"
printf '%s' '-:nothing' >"$debugfs/probes" 2>/dev/null
check "errors has a refused line without a newline" grep -q '^1: -:nothing: no probe of that name' "$debugfs/errors"

# A descriptor that a child inherits does not end the line.
{
	printf 'p:part %s' "$at+"
	sh -c 'exit 0'
	(exit 0)
	printf '7\n'
} >"$debugfs/probes"
same "the line goes on after a child has closed the file" "$(grep part "$debugfs/probes")" "p:part $at+7"
sh -c "exec 3>$debugfs/probes; printf 'p:killed $at+1' >&3; kill -9 \$\$" 2>/dev/null
refuse "the unfinished line of a killed writer runs" grep -q killed "$debugfs/probes" "$debugfs/errors"

# Another task may close the last descriptor: here a child of the writer, which ends by itself after the writer.
mkfifo "$work.fifo"
child_has_ended() {
	! grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$(cat "$work.child")/status"
}
for name in killed ended; do
	end='exit 0'
	[ $name = ended ] || end='kill -9 $$'
	sh -c "exec 3>$debugfs/probes; cat $work.fifo & echo \$! >$work.child; printf 'p:$name $at+7' >&3; $end" 2>/dev/null
	refuse "the line of a writer that is $name runs while a child has the file" grep -q $name "$debugfs/probes" "$debugfs/errors"
	: >"$work.fifo"
	wait_for "the child has ended" child_has_ended
done
check "the unfinished line runs if its writer has ended by itself" grep -q '^p:ended ' "$debugfs/probes"
refuse "the unfinished line of a killed writer runs when its child closes the file" grep -q killed "$debugfs/probes" "$debugfs/errors"
remove ended
file_is_closed() {
	[ "$(cat /sys/module/rkprobes/refcnt)" = 0 ]
}
for name in killed ended; do
	status=0
	[ -x "$write_pieces" ] || status=3
	[ $status != 0 ] || printf 'p:%s %s' $name $at+7 | "$write_pieces" "$debugfs/probes" $name || status=$?
	if [ $status = 3 ]; then
		omit "a task of the kernel closes the file of a writer that is $name" "no write_pieces, or no sockets"
		continue
	fi
	same "a writer that is $name leaves the open file in a socket" $status 0
	wait_for "a task of the kernel has closed the file" file_is_closed
	same "the line of a writer that is $name, when a task of the kernel closes the file" \
		"$(grep -c -E 'killed|ended' "$debugfs/probes")" "$([ $name = killed ] && echo 0 || echo 1)"
	[ $name = killed ] || remove ended
done
exec 3>"$debugfs/probes"
sh -c "printf 'p:killed $at+' >&3; kill -9 \$\$" 2>/dev/null
echo "p:next $at+7" >&3
exec 3>&-
same "the next writer does not continue the line of a killed writer" "$(grep -E 'killed|next' "$debugfs/probes" "$debugfs/errors")" "$debugfs/probes:p:next $at+7"
remove next

# Two open files have their own lines, and "errors" is about the one that was written last.
exec 3>"$debugfs/probes" 4>"$debugfs/probes"
printf 'p:three %s+' $at >&3
printf 'p:four %s+' $at >&4
printf '2\nq:three\n' >&3 2>/dev/null
printf '1' >&4
printf '0\nq:four\n' >&4 2>/dev/null
same "two open files make their own probes" "$(grep -E 'three|four' "$debugfs/probes" | tr '\n' ' ')" "p:four $at+10 p:three $at+2 "
same "errors is about the file that was written last" "$(cut -d: -f1-3 "$debugfs/errors")" "2: q:four"
echo "q:again" >&3 2>/dev/null
same "errors has the failures of all writes since the file was opened" "$(cut -d: -f1-3 "$debugfs/errors" | tr '\n' ' ')" "2: q:three 3: q:again "
exec 3>&- 4>&-

# The longest line has 4,095 bytes.
long=$(printf '%4095s' "p:long $at+26")
echo "$long" >"$debugfs/probes"
check "a line of 4,095 bytes is accepted" [ -d "$debugfs/probe/long" ]
same "a line of 4,096 bytes is refused" "$(echo " $long" | write_probes)" "File name too long"
check "errors says that it is too long" grep -q ': line too long' "$debugfs/errors"

# A line that failed does not keep its name.
printf '%s\n' "p:again no_such_function" "p:again $at+7" | write_probes >/dev/null
check "a name of a refused line can be used in the next line" [ -d "$debugfs/probe/again" ]

# The other files take lines as well.
exec 3>"$debugfs/probe/last/limit"
printf '12' >&3
same "an unfinished value has no effect" "$(of last limit)" 0
printf '34\n' >&3
same "a value in two parts is one value" "$(of last limit)" 1234
exec 3>&-
printf 0 >"$debugfs/probe/last/limit"
same "a value without a newline takes effect when the file is closed" "$(of last limit)" 0
for file in enabled optimization probe/last/enable probe/last/limit; do
	for value in x '' -1; do
		refuse "$file accepts '$value'" sh -c "echo '$value' >$debugfs/$file"
		check "errors says why $file refuses '$value'" grep -q "^${file##*/}: $value: bad .*: write " "$debugfs/errors"
	done
done
refuse "explain accepts an empty line" sh -c "echo >$debugfs/explain"
check "errors says why explain refuses it" grep -q '^explain: : bad target: write ' "$debugfs/errors"

# In probes an empty line is a no-op, unlike in kprobe_events.
before=$(cat "$debugfs/probes")
check "an empty line is accepted" sh -c "echo >$debugfs/probes"
check "opening the file for writing is accepted" sh -c ": >$debugfs/probes"
same "neither of them changes anything" "$(cat "$debugfs/probes" "$debugfs/errors")" "$before"
refuse "explain accepts an unknown symbol" sh -c "echo no_such_function >$debugfs/explain"
check "errors says why explain refuses it" grep -q '^explain: no_such_function: unknown symbol' "$debugfs/errors"

# Each open file of explain has its own answer.
exec 3<>"$debugfs/explain"
echo "$at" >&3
echo "$at+7" >"$debugfs/explain"
same "explain answers an open file about its own target" "$(sed -n 1p <&3)" "target $at"
same "explain answers other readers about the last target" "$(sed -n 1p "$debugfs/explain")" "target $at+7"
exec 3>&-
remove_all
rm "$work" "$work".*
