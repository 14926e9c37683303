#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# One MiB of garbage in one write to "probes" is refused and changes nothing.
. ./functions.sh

load_mod rktest_functions
load_mod rkprobes
check "a probe can be added, which stays" add good rktest_functions:rktest_alu
before=$(cat "$debugfs/probes")

# garbage WHAT COMMAND...: writes the output of the command.
garbage() {
	what=$1
	shift
	said=$("$@" | write_probes) && fail "$what is accepted"
	pass "$what is refused: $said"
	same "no probe changes after $what" "$(cat "$debugfs/probes")" "$before"
	check "errors has a text after $what" [ "$(wc -c <"$debugfs/errors")" -gt 0 ]
}

zeros() { head -c 1048576 /dev/zero; }
noise() { head -c 1048576 /dev/urandom; }
one_line() { zeros | tr '\0' p; }
lines() { yes 'p:x no_such_function_here' | head -c 1048576; }
newlines_and_colons() { yes 'p:' | head -c 1048576; }

garbage "1 MiB of zeros" zeros
garbage "1 MiB of noise" noise
garbage "1 MiB without a line end" one_line
garbage "1 MiB of unknown symbols" lines
garbage "1 MiB of colons" newlines_and_colons
check "a probe can be added after the garbage" add more rktest_functions:rktest_alu+7
