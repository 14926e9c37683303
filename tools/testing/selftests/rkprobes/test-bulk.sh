#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Many probes in the middle of functions all over the kernel, in one write each: sync rounds and grace periods do not grow with their number, and the
# bytes come back.
. ./functions.sh

load_mod rkprobes
wanted=500
work=/tmp/rkprobes-bulk.$$
mkdir "$work"

# counted WHAT ROUNDS GRACE_PERIODS COMMAND...: the command may need at most that many.
counted() {
	what=$1 most_rounds=$2 most_waits=$3
	shift 3
	rounds=$(stat_of sync_rounds) waits=$(stat_of grace_periods)
	"$@" || fail "$what"
	rounds=$(($(stat_of sync_rounds) - rounds)) waits=$(($(stat_of grace_periods) - waits))
	check "$what: $rounds sync rounds of at most $most_rounds" [ "$rounds" -le "$most_rounds" ]
	check "$what: $waits grace periods of at most $most_waits" [ "$waits" -le "$most_waits" ]
}

write_all() {
	write_probes <"$work/lines"
}

remove_all() {
	sed 's/^.:\([^ ]*\).*/-:\1/' "$work/lines" | write_probes
}

optimization_off() {
	echo 0 >"$debugfs/optimization"
}

# differing: how many probes have other bytes than the original ones in the text.
differing() {
	awk '/^original/ { sub("original ", ""); bytes = $0 } /^current/ { sub("current ", ""); n += $0 != bytes } END { print n + 0 }' \
		"$debugfs"/probe/*/text
}

# Which guesses are right? These have to be added twice: to find them and to count.
echo 0 >"$debugfs/optimization"
candidates 5000 >"$work/guesses"
write_probes <"$work/guesses" >/dev/null
head -n "$wanted" "$debugfs/probes" >"$work/lines"
sed 's/^p:\([^ ]*\).*/-:\1/' "$debugfs/probes" | write_probes || fail "removal of the guesses"
flush
same "probes in the kernel" "$(wc -l <"$work/lines")" "$wanted"

counted "arm" 2 0 write_all
same "armed" "$(stat_of armed)" "$wanted"
same "int3s in the text" "$(differing)" "$wanted"
# A load that runs into many of them.
find /sys/kernel /proc/self -type f >"$work/files" 2>/dev/null
check "hits" [ "$(stat_of hits)" -gt 0 ]

echo 1 >"$debugfs/optimization"
counted "optimize" 6 2 flush
jumps=$(stat_of optimized)
check "$jumps jumps of $wanted" [ "$jumps" -gt $((wanted / 2)) ]
same "all others are int3s" "$(stat_of armed)" $((wanted - jumps))
find /sys/kernel /proc/self -type f >"$work/files" 2>/dev/null

counted "unoptimize" 4 2 optimization_off
same "int3s again" "$(stat_of armed)" "$wanted"
counted "disarm" 2 1 remove_all
same "no probe left" "$(stat_of probes)" 0

# The same text once more, through the bytes: disabled probes show what is there.
write_all || fail "adding once more"
echo 1 >"$debugfs/optimization"
flush
echo 0 >"$debugfs/enabled"
same "foreign bytes when all are disarmed" "$(differing)" 0
echo 1 >"$debugfs/enabled"
remove_all || fail "removing once more"
flush

# And as probes that only count, under the same load.
sed -i 's/^p/c/' "$work/lines"
write_all || fail "adding to count"
flush
same "jumps that count" "$(stat_of optimized)" "$jumps"
hits=$(stat_of hits)
find /sys/kernel /proc/self -type f >"$work/files" 2>/dev/null
check "hits of jumps that count" [ "$(stat_of hits)" -gt "$hits" ]
echo 0 >"$debugfs/enabled"
same "foreign bytes behind them" "$(differing)" 0
same "foreign text" "$(stat_of foreign_text)" 0
rm -r "$work"
