#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A task registers and removes a native kprobe without a pause. Sites become jumps all the same, and in bounded time.
. ./functions.sh

load_mod rktest_functions
load_mod rktest_native
load_mod rkprobes

uptime_s() { cut -d. -f1 /proc/uptime; }
add_all() { candidates 1500 | write_probes >/dev/null; }
remove_all() { candidates 1500 | sed 's/^p:\([^ ]*\) .*/-:\1/' | write_probes >/dev/null; }
# A pass puts off the sites near which a native kprobe is being registered.
all_jumps() { [ "$(stat_of optimized)" -ge "$jumps" ]; }

# Some of the lines are refused.
add_all
flush
jumps=$(stat_of optimized)
check "at least 200 sites are jumps without the storm, $jumps" [ "$jumps" -ge 200 ]
remove_all
flush
same "all probes are removed" "$(stat_of probes)" 0

check "the storm begins" ask rktest_native storm rktest_alu 29
add_all
before=$(uptime_s)
flush
wait_for "all sites are jumps in the storm" all_jumps
took=$(($(uptime_s) - before))
check "all sites are jumps after at most 10 s of the storm, it took $took s" [ "$took" -le 10 ]
storm=$(ask rktest_native calm)
check "the storm has registered native kprobes, attempts and successes: $storm" [ "${storm##* }" -gt 10 ]
remove_all
flush
