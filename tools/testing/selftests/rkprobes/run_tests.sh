#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs the tests and reports in KTAP: run_tests.sh [TEST]... . A test fails if its status is neither 0 nor 4, if it asserts nothing, if it takes
# longer than the time in "settings" (or LIMIT), or if the kernel complains while it runs. It also fails if the kernel's log no longer has the
# mark of its begin, because complaints after the mark may be lost as well. A test with status 4 is skipped. The reason is on its last line that
# begins with "SKIP: ".
cd "$(dirname "$0")" || exit 1

. ./trouble.sh
limit=${LIMIT:-$(sed -n 's/^timeout=//p' settings)}
output=$(mktemp) || exit 1
trap 'rm -f "$output" "$output.status" "$output.log"' EXIT

if [ "$(id -u)" != 0 ]; then
	echo "1..0 # SKIP the tests load modules, so they must run as root"
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

# run NAME: runs a test. Prints its output, indented, and then its result line.
run() {
	mark="rkprobes: selftest $number $1 begins"
	echo "$mark" >/dev/kmsg
	began=$(date +%s)
	{
		timeout "$limit" "./$1" 2>&1
		echo $? >"$output.status"
	} | tee "$output" | sed '/^    \(not \)\{0,1\}ok /!s/^/# /'
	status=$(cat "$output.status")
	reason=
	case $status in
	0) grep -q '^    ok ' "$output" || reason="the test asserts nothing" ;;
	4) ;;
	*) reason="status $status" ;;
	esac
	# The status of a test that was stopped depends on its trap.
	if [ -n "$reason" ] && [ $(($(date +%s) - began)) -ge "$limit" ]; then
		reason="took more than $limit s"
	fi
	dmesg >"$output.log"
	complaint=$(sed -n "/$mark/,\$p" "$output.log" | grep -E "$trouble")
	if ! grep -q "$mark" "$output.log"; then
		reason="the kernel's log has lost the mark of the test's begin"
	elif [ -n "$complaint" ]; then
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
# shellcheck disable=SC2086 # The names have no spaces.
set -- $tests
echo "1..$#"
for test; do
	number=$((number + 1))
	run "$test"
done
exit $failed
