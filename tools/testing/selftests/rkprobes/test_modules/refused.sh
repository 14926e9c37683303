#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Compares the errors of the compiler with those that a file expects: refused.sh FILE MESSAGES. MESSAGES has an error a line, with file, line and
# code (--error-format=short). A line of FILE that must be refused ends with "//~ CODE". All other lines must be accepted.
expected=$(sed -n '=;s,.*//~ \(E[0-9]*\)$,\1,p' "$1" | awk '/^E/ { print line " " $0 } { line = $0 }')
found=$(sed -n 's/^[^ ]*:\([0-9]*\):[0-9]*: error\[\(E[0-9]*\)\].*/\1 \2/p' "$2" | sort -n -u)
others=$(grep ' error' "$2" | grep -v ' error\[E\|aborting due to' | grep -v '^error: aborting')
[ -n "$expected" ] && [ "$expected" = "$found" ] && [ -z "$others" ] && exit
{
	echo "$1: the compiler must refuse these lines:"
	echo "$expected"
	echo "but it says:"
	cat "$2"
} >&2
exit 1
