// SPDX-License-Identifier: GPL-2.0
/*
 * A probe whose handler takes long on a CPU that is offline already. Commands:
 *
 *   watch SYMBOL OFFSET  registers it
 *   remove               waits until the handler runs on such a CPU, unregisters
 *                        the probe, and prints how often the handler ran there
 *                        and in how many of these runs it still was
 *   forget               unregisters the probe
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <rkprobes.h>
#include "rktest.h"

/* Longer than a grace period takes in an emulator. */
#define STAY_MS		2000
#define PATIENCE_MS	30000

static atomic_t seen, inside;
static char symbol[64];

static int stay(struct rkprobe *p, struct pt_regs *regs)
{
	int ms;

	/* Before that its stopper calls as well, and all other CPUs wait for it. */
	if (cpu_online(smp_processor_id()) || !is_idle_task(current) ||
	    atomic_inc_return(&seen) > 1)
		return 0;
	atomic_inc(&inside);
	for (ms = 0; ms < STAY_MS; ms++)
		udelay(1000);
	atomic_dec(&inside);
	return 0;
}

static struct rkprobe probe;
static bool watching;

static int watch(const char *name, const char *offset)
{
	int ret;

	if (watching)
		return -EBUSY;
	memset(&probe, 0, sizeof(probe));
	strscpy(symbol, name);
	probe.symbol_name = symbol;
	probe.pre_handler = stay;
	ret = kstrtouint(offset, 0, &probe.offset);
	if (ret)
		return ret;
	atomic_set(&seen, 0);
	ret = register_rkprobe(&probe);
	watching = !ret;
	return ret;
}

static int forget(void)
{
	if (!watching)
		return -ENOENT;
	unregister_rkprobe(&probe);
	watching = false;
	return 0;
}

static int remove_when_inside(void)
{
	unsigned long end = jiffies + msecs_to_jiffies(PATIENCE_MS);
	int ret;

	while (!atomic_read(&inside)) {
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		usleep_range(100, 1000);
	}
	ret = forget();
	rktest_print("%d %d\n", atomic_read(&seen), atomic_read(&inside));
	return ret;
}

static int rktest_run(int argc, char **argv)
{
	if (rktest_is(argc, argv, "watch", 2))
		return watch(argv[1], argv[2]);
	if (rktest_is(argc, argv, "remove", 0))
		return remove_when_inside();
	if (rktest_is(argc, argv, "forget", 0))
		return forget();
	return -EINVAL;
}

static int __init hotplug_init(void)
{
	return 0;
}

static void __exit hotplug_exit(void)
{
	forget();
}

module_init(hotplug_init);
module_exit(hotplug_exit);
MODULE_DESCRIPTION("A handler on a CPU that goes offline, for the rkprobes tests");
MODULE_LICENSE("GPL");
