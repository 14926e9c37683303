// SPDX-License-Identifier: GPL-2.0
/*
 * A module with something that still runs when it says that it goes, or that
 * its init text does: an asynchronous function, which the kernel waits for only
 * afterwards. rktest_notifier says when it goes on.
 *
 * With init=1 the init function starts it, when "release" is written, and it
 * calls rktest_victim_start(5), which is init text. With exit=1 the exit
 * function starts it, and it calls rktest_victim_work(5).
 */
#include <linux/async.h>
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include "rktest_notifier.h"

unsigned long rktest_victim_work(unsigned long x);
unsigned long rktest_victim_start(unsigned long x);

static bool init;
module_param(init, bool, 0400);
MODULE_PARM_DESC(init, "the init function starts it, and it runs init text");

static bool exit;
module_param(exit, bool, 0400);
MODULE_PARM_DESC(exit, "the exit function starts it");

static int release;
module_param(release, int, 0600);
MODULE_PARM_DESC(release, "write 1: let the init function go on");

/* Has an ftrace entry. */
static noinline __noclone unsigned long rktest_async_traced(unsigned long x)
{
	OPTIMIZER_HIDE_VAR(x);
	return rktest_victim_work(x);
}

static noinline __noclone unsigned long rktest_async_never(unsigned long x)
{
	OPTIMIZER_HIDE_VAR(x);
	return x;
}
NOKPROBE_SYMBOL(rktest_async_never);

static void work(void *data, async_cookie_t cookie)
{
	rktest_wait_to_run();
	rktest_has_run(rktest_victim_work, rktest_async_never(rktest_async_traced(5)));
}

static void __init start(void *data, async_cookie_t cookie)
{
	rktest_wait_to_run();
	rktest_has_run(rktest_victim_start, rktest_victim_start(5));
}

static int __init rktest_async_init(void)
{
	/* An entry of the kernel's table of warnings that is in init text. */
	if (WARN_ON(release < 0) || !init)
		return 0;
	while (!READ_ONCE(release)) {
		if (msleep_interruptible(10))
			return -EINTR;
	}
	async_schedule(start, NULL);
	return 0;
}

static void __exit rktest_async_exit(void)
{
	if (exit)
		async_schedule(work, NULL);
}

module_init(rktest_async_init);
module_exit(rktest_async_exit);
MODULE_DESCRIPTION("A module that runs while it goes, for the rkprobes tests");
MODULE_LICENSE("GPL");
