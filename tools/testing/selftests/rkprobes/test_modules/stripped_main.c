// SPDX-License-Identifier: GPL-2.0
/*
 * A module whose second function has no symbol. Commands:
 *
 *   call N   calls both N times, prints the sum of their results
 *   entry    prints the offset of the second one's ftrace entry from the symbol
 */
#include "rktest.h"

unsigned long rktest_stripped_first(unsigned long x);
extern unsigned long (*const rktest_stripped_second)(unsigned long x);
extern const unsigned long rktest_stripped_entry;

static int rktest_run(int argc, char **argv)
{
	unsigned long n, i, sum = 0;

	if (rktest_is(argc, argv, "entry", 0)) {
		rktest_print("%lu\n", rktest_stripped_entry);
		return 0;
	}
	if (!rktest_is(argc, argv, "call", 1) || kstrtoul(argv[1], 0, &n))
		return -EINVAL;
	for (i = 0; i < n; i++)
		sum += rktest_stripped_first(i) + rktest_stripped_second(i);
	rktest_print("%lu\n", sum);
	return 0;
}

static int __init stripped_init(void)
{
	return 0;
}

static void __exit stripped_exit(void)
{
}

module_init(stripped_init);
module_exit(stripped_exit);
MODULE_DESCRIPTION("Two functions under one symbol, for the rkprobes tests");
MODULE_LICENSE("GPL");
