/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Assertions of the test modules that test the C API. Each prints a line, "ok
 * WHAT" or "not ok WHAT: got VALUE instead of VALUE". The name of a group of
 * assertions is a command. It prints a last line, "assertions N failed N", and
 * fails if one of its assertions failed.
 */
#ifndef RKTEST_ASSERTIONS_H
#define RKTEST_ASSERTIONS_H

#include "rktest.h"

struct rktest_group {
	const char *name;
	void (*run)(void);
};

static int assertions, failures;

static void same(const char *what, long got, long expected)
{
	assertions++;
	if (got == expected) {
		rktest_print("ok %s\n", what);
		return;
	}
	rktest_print("not ok %s: got %ld instead of %ld\n", what, got, expected);
	failures++;
}

static int rktest_run_group(const struct rktest_group *groups, size_t count, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (strcmp(groups[i].name, name))
			continue;
		assertions = 0;
		failures = 0;
		groups[i].run();
		rktest_print("assertions %d failed %d\n", assertions, failures);
		return failures ? -EIO : 0;
	}
	return -EINVAL;
}

#endif
