# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# The functions of all tests. Each test begins with: . ./functions.sh
#
# A test is a script. It ends with status 0 if all its assertions are true. The functions pass, fail, omit and skip report. When a test ends,
# also when it fails, the modules that load_mod loaded are unloaded. The tests run in the sh of busybox, in dash and in bash.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC2034 # used by the tests
debugfs=/sys/kernel/debug/rkprobes
passed=0
loaded=

# pass WHAT: one assertion was true. It has a line of its own in the report.
pass() {
	passed=$((passed + 1))
	echo "    ok $passed $*"
}

# fail WHAT: an assertion was false, and the test ends.
fail() {
	echo "    not ok $((passed + 1)) $*"
	exit 1
}

# skip REASON: the test cannot run here.
skip() {
	echo "SKIP: $*"
	exit 4
}

# omit WHAT REASON: a part of the test cannot run here. The report counts that part as skipped.
omit() {
	passed=$((passed + 1))
	echo "    ok $passed $1 # SKIP $2"
}

# check WHAT COMMAND...: one assertion, which is true if the command succeeds.
check() {
	check_what=$1
	shift
	"$@" || fail "$check_what"
	pass "$check_what"
}

# same WHAT IS EXPECTED: one assertion, which is true if both values are equal.
same() {
	[ "$2" = "$3" ] || fail "$1: got '$2' instead of '$3'"
	pass "$1"
}

# refuse WHAT COMMAND...: one assertion, which is true if the command fails. WHAT says what is true then.
refuse() {
	refuse_what=$1
	shift
	! "$@" 2>/dev/null || fail "$refuse_what"
	pass "$refuse_what"
}

# wait_for WHAT COMMAND...: polls every 0.1 s until the command succeeds. After 300 polls the test fails.
wait_for() {
	wait_what=$1 wait_polls=0
	shift
	until "$@"; do
		wait_polls=$((wait_polls + 1))
		[ "$wait_polls" -lt 300 ] || fail "30 s were not enough until: $wait_what"
		sleep 0.1
	done
}

# The file of a module. In the VM it is beside the directory of the tests, on a real machine it is where it was built.
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

# The test fails if a module that it loaded cannot be unloaded.
at_exit() {
	exit_status=$?
	trap - EXIT
	if ! unload_all; then
		echo "    not ok $((passed + 1)) one of these modules cannot be unloaded: $loaded"
		exit_status=1
	fi
	exit "$exit_status"
}
trap at_exit EXIT
trap 'exit 1' INT TERM

# address SYMBOL: prints its address.
address() {
	awk -v name="$1" '$3 == name { print "0x" $1; exit }' /proc/kallsyms
}

# stat_of NAME: prints a value of the file "stats".
stat_of() {
	sed -n "s/^$1 //p" "$debugfs/stats"
}

# ask MODULE COMMAND...: runs a command of a test module and prints its answer. Fails if the command fails.
ask() {
	ask_file=/sys/module/$1/parameters/command
	shift
	echo "$*" >"$ask_file" || return 1
	cat "$ask_file"
}

# errno_of MODULE COMMAND...: the text of the errno with which a command of a test module fails, or "none".
errno_of() {
	errno_file=/sys/module/$1/parameters/command
	shift
	echo "$*" >"/tmp/errno.$$"
	if LC_ALL=C dd if="/tmp/errno.$$" of="$errno_file" 2>"/tmp/errno.$$.said"; then
		echo none
	else
		sed -n 's/^dd: .*: //p' "/tmp/errno.$$.said"
	fi
	rm "/tmp/errno.$$" "/tmp/errno.$$.said"
}

# group_of MODULE GROUP: runs a group of assertions of a test module (test_modules/assertions.h). Each of them becomes an assertion of
# this test. The group's status and its last line, which has the number of assertions, must agree with the lines.
group_of() {
	group_status=0
	ask "$1" "$2" >/dev/null || group_status=$?
	# A failed command has printed which assertion failed.
	group_report=$(cat "/sys/module/$1/parameters/command")
	group_bad=$(echo "$group_report" | sed -n 's/^not ok //p')
	[ -z "$group_bad" ] || fail "$2: $group_bad"
	group_good=$(echo "$group_report" | grep -c '^ok ')
	same "$2: the module's last line counts its assertions" "$(echo "$group_report" | tail -n 1)" "assertions $group_good failed 0"
	check "$2: the module has made assertions" [ "$group_good" -gt 0 ]
	same "$2: the command's status" "$group_status" 0
	group_lines=$(echo "$group_report" | sed -n "s/^ok /$2: /p")
	while read -r group_line; do
		pass "$group_line"
	done <<-END
		$group_lines
	END
}

# Writes stdin to the file "probes" in one write. If the write fails, prints the text of the errno. Only dd tells the errno, the echo of a shell
# does not.
write_probes() {
	cat >"/tmp/rkprobes.$$"
	LC_ALL=C dd if="/tmp/rkprobes.$$" of="$debugfs/probes" bs=4M conv=notrunc 2>"/tmp/rkprobes.$$.said"
	write_status=$?
	[ "$write_status" = 0 ] || sed -n 's/^dd: .*: //p' "/tmp/rkprobes.$$.said"
	rm "/tmp/rkprobes.$$" "/tmp/rkprobes.$$.said"
	return "$write_status"
}

# add NAME TARGET, remove NAME: one probe. They fail if the kernel refuses it.
add() {
	echo "p:$1 $2" >"$debugfs/probes"
}

remove() {
	echo "-:$1" >"$debugfs/probes"
}

flush() {
	echo 1 >"$debugfs/flush"
}

# of NAME FILE: prints a file of a probe.
of() {
	cat "$debugfs/probe/$1/$2"
}

# bytes NAME original|current: prints these bytes from the probe's file "text".
bytes() {
	sed -n "s/^$2 //p" "$debugfs/probe/$1/text"
}

state_is() {
	[ "$(of "$1" state)" = "$2" ]
}

# original NAME: true if the text has the original bytes of the probe's region.
original() {
	[ "$(bytes "$1" current)" = "$(bytes "$1" original)" ]
}

# int3 NAME: true if the text has an int3 at the probe's address, and the original bytes after it. jump NAME: true if it has a jump there.
int3() {
	[ "$(bytes "$1" current)" = "cc$(bytes "$1" original | cut -c3-)" ]
}

jump() {
	[ "$(bytes "$1" current | cut -c1-2)" = e9 ]
}

# candidates COUNT: prints that many lines for "probes", named b0, b1, ..., spread over the kernel's functions. Padding before functions and
# their .cold parts are left out. Each offset is a guess, so only some lines are accepted: at least a sixth of them.
candidates() {
	awk -v count="$1" '
		NF == 3 && $2 ~ /[tT]/ && $3 !~ /^__(pfx|cfi)_|\.cold/ { if (seen[$3]++ == 0) names[n++] = $3 }
		END {
			for (i = j = 0; i < count && j < n; j += n / count)
				if (seen[names[int(j)]] == 1)
					print "p:b" i++ " " names[int(j)] "+" 11 + i % 17
		}' /proc/kallsyms
}
