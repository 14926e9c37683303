# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# The words of the kernel's complaints in its log, for grep -E. The tests and the lab read this file. "Call Trace" is not one of them, because
# dump_stack() in a handler prints it too. A complaint that has a call trace has one of these words before the trace.
trouble='WARNING: |BUG: |kernel BUG|Oops|general protection|Kernel panic|rcu: .*stall|stalls? on |blocked for more than|KASAN|UBSAN'
trouble=$trouble'|soft lockup|hard LOCKUP|possible .* lock|inconsistent lock state|lockdep is turned off|page allocation failure'
trouble=$trouble'|vmalloc error|invoked oom-killer|non-static key|nobody cared|unchecked MSR access|forcing a failure'
