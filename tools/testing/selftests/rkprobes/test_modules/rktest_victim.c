// SPDX-License-Identifier: GPL-2.0
/*
 * A module that comes and goes with probes in it. Commands:
 *
 *   call N    calls rktest_victim_work() N times, prints the sum of its results
 *
 * With hold=1 the module's init function waits until "release" is written, so
 * that its own text, which is freed afterwards, can be probed.
 */
#include <linux/delay.h>
#include "rktest.h"

static int hold;
module_param(hold, int, 0400);
MODULE_PARM_DESC(hold, "wait in the init function for \"release\"");

static int release;
module_param(release, int, 0600);
MODULE_PARM_DESC(release, "write 1: let the init function go on");

static unsigned long init_result;
module_param(init_result, ulong, 0400);
MODULE_PARM_DESC(init_result, "what rktest_victim_start() returned");

static noinline unsigned long rktest_victim_work(unsigned long x)
{
	OPTIMIZER_HIDE_VAR(x);
	x = x * 3 + 0x123456;
	OPTIMIZER_HIDE_VAR(x);
	return x ^ 0x55;
}

/* In text that is freed when the init function has ended. */
static noinline __init unsigned long rktest_victim_start(unsigned long x)
{
	OPTIMIZER_HIDE_VAR(x);
	x = x * 5 + 0x654321;
	OPTIMIZER_HIDE_VAR(x);
	return x;
}

static int rktest_run(int argc, char **argv)
{
	unsigned long count, i, sum = 0;

	if (!rktest_is(argc, argv, "call", 1) || kstrtoul(argv[1], 0, &count))
		return -EINVAL;
	for (i = 0; i < count; i++)
		sum += rktest_victim_work(i);
	rktest_print("%lu\n", sum);
	return 0;
}

static int __init victim_init(void)
{
	while (hold && !READ_ONCE(release)) {
		if (msleep_interruptible(10))
			return -EINTR;
	}
	init_result = rktest_victim_start(1);
	return 0;
}

static void __exit victim_exit(void)
{
}

module_init(victim_init);
module_exit(victim_exit);
MODULE_DESCRIPTION("A module to be unloaded with probes in it, for the rkprobes tests");
MODULE_LICENSE("GPL");
