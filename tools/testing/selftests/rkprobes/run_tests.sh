#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs the tests and reports in KTAP: run_tests.sh [TEST]... . A test fails by its status, by the time in "settings" (or LIMIT), or when the kernel
# complained while it ran. Status 4 skips it, with the reason on its last line that begins with "SKIP: ".
cd "$(dirname "$0")" || exit 1

trouble='WARNING: |BUG: |kernel BUG|Oops|general protection|Kernel panic|Call Trace|stall on|stalls on|blocked for more than|KASAN|UBSAN|lockdep|possible .* lock|inconsistent lock state|soft lockup|hard LOCKUP'
limit=${LIMIT:-$(sed -n 's/^timeout=//p' settings)}
output=$(mktemp) || exit 1
trap 'rm -f "$output" "$output.status"' EXIT

if [ "$(id -u)" != 0 ]; then
	echo "1..0 # SKIP the tests load modules: run them as root"
	exit 4
fi

tests=
for name in "${@:-test-*.sh}"; do
	name=${name%.sh}.sh
	for file in $name; do
		[ -f "$file" ] || {
			echo "Bail out! there is no test $file"
			exit 1
		}
		tests="$tests $file"
	done
done

# run NAME: prints the indented output and then the result line.
run() {
	mark="rkprobes: selftest $1 begins"
	echo "$mark" >/dev/kmsg
	began=$(date +%s)
	{
		timeout "$limit" "./$1" 2>&1
		echo $? >"$output.status"
	} | tee "$output" | sed '/^    \(not \)\{0,1\}ok /!s/^/# /'
	status=$(cat "$output.status")
	reason=
	case $status in
	0 | 4) ;;
	*) reason="status $status" ;;
	esac
	# What status a test has that is stopped depends on its trap.
	if [ -n "$reason" ] && [ $(($(date +%s) - began)) -ge "$limit" ]; then
		reason="took more than $limit s"
	fi
	complaint=$(dmesg | sed -n "/$mark/,\$p" | grep -E "$trouble")
	if [ -n "$complaint" ]; then
		echo "$complaint" | sed 's/^/# kernel: /'
		reason="the kernel complained"
	fi
	if [ -n "$reason" ]; then
		echo "not ok $number ${1%.sh} # $reason"
		failed=1
	elif [ "$status" = 4 ]; then
		echo "ok $number ${1%.sh} # SKIP $(sed -n 's/^SKIP: //p' "$output" | tail -n 1)"
	else
		echo "ok $number ${1%.sh}"
	fi
}

failed=0 number=0
echo "KTAP version 1"
# shellcheck disable=SC2086 # the names have no spaces
set -- $tests
echo "1..$#"
for test; do
	number=$((number + 1))
	run "$test"
done
exit $failed
