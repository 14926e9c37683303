// SPDX-License-Identifier: GPL-2.0
/*
 * A function that a livepatch replaces while tasks call it all the time. Commands:
 *
 *   start N   starts N tasks that call rktest_live_outer(), which calls rktest_live_inner()
 *   stop      ends the tasks. Prints three numbers: calls that ran the function of this
 *             module, calls that ran the patch, and calls with a wrong result
 *   progress  waits until each task has made a thousand more calls
 *
 * rktest_live_patch.c is the livepatch.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include "rktest.h"
#include "live.h"

#define TASKS	8

struct caller {
	struct task_struct *task;
	unsigned long old, new, wrong, calls;
};

static struct caller callers[TASKS];
static unsigned long sink;

/* The stores are there to have instructions that can be probed. Nothing branches. */
noinline long rktest_live_inner(long x)
{
	WRITE_ONCE(sink, x);
	OPTIMIZER_HIDE_VAR(x);
	WRITE_ONCE(sink, x * 5);
	return x + OLD;
}

noinline long rktest_live_outer(long x)
{
	long y;

	WRITE_ONCE(sink, x);
	y = rktest_live_inner(x);
	OPTIMIZER_HIDE_VAR(y);
	WRITE_ONCE(sink, y * 3);
	return y + 1;
}

static int call_all_the_time(void *data)
{
	struct caller *caller = data;
	long x, y;

	for (x = 0; !kthread_should_stop(); x++) {
		y = rktest_live_outer(x) - x;
		if (y == OLD + 1)
			caller->old++;
		else if (y == NEW + 1)
			caller->new++;
		else
			caller->wrong++;
		WRITE_ONCE(caller->calls, caller->calls + 1);
		/* The kernel changes a task over while it is outside of the function, and not running. */
		if (x % 500 == 499)
			schedule_timeout_idle(1);
	}
	return 0;
}

static void stop(void)
{
	struct caller *caller;

	for (caller = callers; caller < callers + TASKS; caller++) {
		if (caller->task)
			kthread_stop(caller->task);
		caller->task = NULL;
	}
}

static int start(unsigned int count)
{
	unsigned int i;

	stop();
	memset(callers, 0, sizeof(callers));
	for (i = 0; i < count && i < TASKS; i++) {
		struct task_struct *task = kthread_run(call_all_the_time, &callers[i], "rktest_live");

		if (IS_ERR(task))
			return PTR_ERR(task);
		callers[i].task = task;
	}
	return 0;
}

static int progress(void)
{
	struct caller *caller;
	int polls;

	for (caller = callers; caller < callers + TASKS && caller->task; caller++) {
		unsigned long begin = READ_ONCE(caller->calls);

		for (polls = 0; READ_ONCE(caller->calls) - begin < 1000; polls++) {
			if (polls > 3000)
				return -ETIMEDOUT;
			usleep_range(1000, 10000);
		}
	}
	return 0;
}

static int rktest_run(int argc, char **argv)
{
	unsigned long old = 0, new = 0, wrong = 0;
	unsigned int count;
	int i;

	if (rktest_is(argc, argv, "start", 1))
		return kstrtouint(argv[1], 0, &count) ?: start(count);
	if (rktest_is(argc, argv, "progress", 0))
		return progress();
	if (!rktest_is(argc, argv, "stop", 0))
		return -EINVAL;
	stop();
	for (i = 0; i < TASKS; i++) {
		old += callers[i].old;
		new += callers[i].new;
		wrong += callers[i].wrong;
	}
	rktest_print("%lu %lu %lu\n", old, new, wrong);
	return 0;
}

static int __init live_init(void)
{
	return 0;
}

static void __exit live_exit(void)
{
	stop();
}

module_init(live_init);
module_exit(live_exit);
MODULE_DESCRIPTION("A function that a livepatch replaces while it runs, for the rkprobes tests");
MODULE_LICENSE("GPL");
