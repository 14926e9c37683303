// SPDX-License-Identifier: GPL-2.0
/*
 * A handler that takes a millisecond, hit all the time on each CPU by tasks of real-time priority.
 * Commands:
 *
 *   hog LIMIT   registers the probe with that limit of hits a second, and starts the tasks. They
 *               end when the probe is disabled, or after 20 s. Prints four numbers: the CPUs, the
 *               hits, the milliseconds from the first hit to the last, and whether the probe was
 *               disabled because of its limit
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <rkprobes.h>
#include "rktest.h"

long rktest_context_target(long x);

static atomic_long_t hits, running;
static s64 first, last;
static unsigned long end;
static DECLARE_COMPLETION(done);

static int take_long(struct rkprobe *p, struct pt_regs *regs)
{
	if (atomic_long_inc_return(&hits) == 1)
		WRITE_ONCE(first, ktime_to_ms(ktime_get()));
	mdelay(1);
	WRITE_ONCE(last, ktime_to_ms(ktime_get()));
	return 0;
}

static struct rkprobe probe;

static int call(void *unused)
{
	sched_set_fifo(current);
	while (!(READ_ONCE(probe.flags) & RKPROBE_FLAG_LIMITED) && time_before(jiffies, end))
		rktest_context_target(1);
	if (atomic_long_dec_and_test(&running))
		complete(&done);
	return 0;
}

static int hog(unsigned int limit)
{
	int cpu, cpus = 0, ret;

	memset(&probe, 0, sizeof(probe));
	probe.symbol_name = "rktest_hog:rktest_context_target";
	probe.offset = IS_ENABLED(CONFIG_X86_KERNEL_IBT) ? 4 : 0;
	probe.pre_handler = take_long;
	probe.limit = limit;
	atomic_long_set(&hits, 0);
	/* One for this task, until all tasks are started. */
	atomic_long_set(&running, 1);
	reinit_completion(&done);
	ret = register_rkprobe(&probe);
	if (ret)
		return ret;
	end = jiffies + 20 * HZ;
	for_each_online_cpu(cpu) {
		struct task_struct *task = kthread_create(call, NULL, "rktest_hog");

		if (IS_ERR(task)) {
			ret = PTR_ERR(task);
			break;
		}
		kthread_bind(task, cpu);
		atomic_long_inc(&running);
		wake_up_process(task);
		cpus++;
	}
	if (!atomic_long_dec_and_test(&running))
		wait_for_completion(&done);
	rktest_print("%d %ld %lld %d\n", cpus, atomic_long_read(&hits), last - first,
		     !!(probe.flags & RKPROBE_FLAG_LIMITED));
	unregister_rkprobe(&probe);
	return ret;
}

static int rktest_run(int argc, char **argv)
{
	unsigned int limit;

	if (!rktest_is(argc, argv, "hog", 1))
		return -EINVAL;
	return kstrtouint(argv[1], 0, &limit) ?: hog(limit);
}

static int __init hog_init(void)
{
	return 0;
}

static void __exit hog_exit(void)
{
}

module_init(hog_init);
module_exit(hog_exit);
MODULE_DESCRIPTION("A handler that takes long, for the rkprobes tests");
MODULE_LICENSE("GPL");
