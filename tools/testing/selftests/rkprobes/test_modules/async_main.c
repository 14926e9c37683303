// SPDX-License-Identifier: GPL-2.0
/*
 * A module with an asynchronous function that still runs when the kernel announces
 * that the module, or its init text, is unloaded. The kernel waits for the function
 * only after the announcement. rktest_notifier tells it when to continue.
 *
 * With init=1 the init function starts it when "release" is written, and it calls
 * rktest_victim_start(5), which is init text. With exit=1 the exit function starts
 * it, and it calls rktest_victim_work(5).
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
MODULE_PARM_DESC(init, "the init function starts the asynchronous function, which runs init text");

static bool exit;
module_param(exit, bool, 0400);
MODULE_PARM_DESC(exit, "the exit function starts the asynchronous function");

static int release;
module_param(release, int, 0600);
MODULE_PARM_DESC(release, "write 1: the init function continues");

/* This function has an ftrace entry. */
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
	/* WARN_ON makes an entry in the kernel's bug table for init text. */
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
MODULE_DESCRIPTION("A module that runs while it is unloaded, for the rkprobes tests");
MODULE_LICENSE("GPL");
