# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# What every test reads first: . ./functions.sh
#
# A test is a script that ends with status 0 when all it asserts is true. pass, fail and skip report; every module that load_mod
# loaded is unloaded when the test ends, in whatever way it ends. The tests run in busybox's sh as well as in dash and bash.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC2034 # used by the tests
debugfs=/sys/kernel/debug/rkprobes
passed=0
loaded=

# One assertion of a test that has several: a line of its own in the report.
pass() {
	passed=$((passed + 1))
	echo "    ok $passed $*"
}

fail() {
	echo "    not ok $((passed + 1)) $*"
	exit 1
}

# The test cannot be run here; the reason is part of the report.
skip() {
	echo "SKIP: $*"
	exit 4
}

# check WHAT COMMAND...: one assertion, true when the command succeeds.
check() {
	check_what=$1
	shift
	"$@" || fail "$check_what"
	pass "$check_what"
}

# same WHAT IS EXPECTED: one assertion, true when both are equal.
same() {
	[ "$2" = "$3" ] || fail "$1: got '$2' instead of '$3'"
	pass "$1"
}

# refuse WHAT COMMAND...: one assertion, true when the command fails.
refuse() {
	refuse_what=$1
	shift
	! "$@" 2>/dev/null || fail "$refuse_what"
	pass "$refuse_what"
}

# wait_for WHAT COMMAND...: polls until the command succeeds; 300 polls that are 0.1 s apart are the bound, not the wait.
wait_for() {
	wait_what=$1 wait_polls=0
	shift
	until "$@"; do
		wait_polls=$((wait_polls + 1))
		[ "$wait_polls" -lt 300 ] || fail "waited in vain: $wait_what"
		sleep 0.1
	done
}

# The file of a module: beside the tests' directory in the VM, where it was built on a real machine.
module_file() {
	for module_dir in "$here/.." "$here/test_modules" "$here/../../../.." "$here/../../../../samples"; do
		if [ -f "$module_dir/$1.ko" ]; then
			echo "$module_dir/$1.ko"
			return
		fi
	done
	return 1
}

module_loaded() {
	[ -d "/sys/module/$1" ]
}

# load_mod NAME [PARAMETER=VALUE]...
load_mod() {
	load_name=$1
	shift
	load_file=$(module_file "$load_name") || fail "$load_name.ko is not built"
	insmod "$load_file" "$@" || fail "cannot load $load_name"
	loaded="$load_name $loaded"
}

# unload_mod NAME
unload_mod() {
	rmmod "$1" || fail "cannot unload $1"
	loaded=$(echo "$loaded" | sed "s/\\b$1 //")
}

unload_all() {
	for unload_name in $loaded; do
		rmmod "$unload_name" || return 1
	done
}

# A module that cannot be unloaded is a failure of the test that loaded it.
at_exit() {
	exit_status=$?
	trap - EXIT
	if ! unload_all; then
		echo "    not ok $((passed + 1)) unload of: $loaded"
		exit_status=1
	fi
	exit "$exit_status"
}
trap at_exit EXIT
trap 'exit 1' INT TERM

# address SYMBOL
address() {
	awk -v name="$1" '$3 == name { print "0x" $1; exit }' /proc/kallsyms
}

# stat_of NAME: a value of the stats file.
stat_of() {
	sed -n "s/^$1 //p" "$debugfs/stats"
}

# ask MODULE COMMAND...: runs a command of a test module and prints its answer; fails as the command does.
ask() {
	ask_file=/sys/module/$1/parameters/command
	shift
	echo "$*" >"$ask_file" || return 1
	cat "$ask_file"
}

# group_of MODULE GROUP: a group of assertions of a test module; its report becomes part of this one.
group_of() {
	ask "$1" "$2" >/dev/null || echo "# $2 failed"
	# A failed command has printed which assertion failed.
	group_report=$(cat "/sys/module/$1/parameters/command")
	check "$2 reports" [ -n "$group_report" ]
	group_bad=$(echo "$group_report" | sed -n 's/^not ok //p')
	[ -z "$group_bad" ] || fail "$2: $group_bad"
	pass "$2: $(echo "$group_report" | grep -c '^ok ') assertions"
}

# Lines on stdin, as one write to the file "probes"; prints what went wrong, by dd, for all shells' echo do not tell the errno.
write_probes() {
	cat >"/tmp/rkprobes.$$"
	LC_ALL=C dd if="/tmp/rkprobes.$$" of="$debugfs/probes" bs=4M conv=notrunc 2>"/tmp/rkprobes.$$.said"
	write_status=$?
	[ "$write_status" = 0 ] || sed -n 's/^dd: .*: //p' "/tmp/rkprobes.$$.said"
	rm "/tmp/rkprobes.$$" "/tmp/rkprobes.$$.said"
	return "$write_status"
}

# add NAME TARGET, remove NAME: one probe; the kernel's refusal is the status.
add() {
	echo "p:$1 $2" >"$debugfs/probes"
}

remove() {
	echo "-:$1" >"$debugfs/probes"
}

flush() {
	echo 1 >"$debugfs/flush"
}

# of NAME FILE: a file of a probe.
of() {
	cat "$debugfs/probe/$1/$2"
}

# bytes NAME original|current: from its text.
bytes() {
	sed -n "s/^$2 //p" "$debugfs/probe/$1/text"
}

state_is() {
	[ "$(of "$1" state)" = "$2" ]
}

# original NAME: are its bytes in the text the original ones?
original() {
	[ "$(bytes "$1" current)" = "$(bytes "$1" original)" ]
}

# int3 NAME, jump NAME: are they that, and is the rest as it must be?
int3() {
	[ "$(bytes "$1" current)" = "cc$(bytes "$1" original | cut -c3-)" ]
}

jump() {
	[ "$(bytes "$1" current | cut -c1-2)" = e9 ]
}

# candidates COUNT: that many lines for "probes", named b0, b1, ..., spread over the kernel's functions (padding in front of functions and
# their unlikely parts are passed over); the offset is a guess, so only some of them are accepted: a sixth at least.
candidates() {
	awk -v count="$1" '
		NF == 3 && $2 ~ /[tT]/ && $3 !~ /^__(pfx|cfi)_|\.cold/ { if (seen[$3]++ == 0) names[n++] = $3 }
		END {
			for (i = j = 0; i < count && j < n; j += n / count)
				if (seen[names[int(j)]] == 1)
					print "p:b" i++ " " names[int(j)] "+" 11 + i % 17
		}' /proc/kallsyms
}
