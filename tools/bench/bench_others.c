// SPDX-License-Identifier: GPL-2.0
/* Delays of other users of the text during a pass of the optimizer. */
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/jump_label.h>
#include <linux/kthread.h>
#include "bench.h"

static DEFINE_STATIC_KEY_FALSE(key);

/* A user of the key, because a flip of an unused key writes no text. */
static noinline unsigned int key_user(unsigned int x)
{
	return static_branch_unlikely(&key) ? x * 3 : x;
}

static int nothing(struct kprobe *p, struct pt_regs *regs)
{
	return 0;
}

static void flip(void)
{
	if (static_key_enabled(&key))
		static_branch_disable(&key);
	else
		static_branch_enable(&key);
}

static void register_one(void)
{
	struct kprobe p = {
		.symbol_name = "vfs_statfs",
		.pre_handler = nothing,
		.flags = KPROBE_FLAG_DISABLED,
	};

	if (!register_kprobe(&p))
		unregister_kprobe(&p);
}

static void replug(void)
{
	unsigned int cpu = num_online_cpus() - 1;

	if (cpu && !remove_cpu(cpu))
		add_cpu(cpu);
}

/*
 * The longest time that @act takes in the next second. During this second a
 * pass of the optimizer with its grace period begins.
 */
static int longest(enum side side, const char *name, void (*act)(void))
{
	u64 end, start, worst = 0;

	end = ktime_get_ns() + NSEC_PER_SEC;
	while (ktime_get_ns() < end) {
		start = ktime_get_ns();
		act();
		worst = max(worst, ktime_get_ns() - start);
		usleep_range(500, 1000);
	}
	say(side, name, worst);
	return 0;
}

int bench_static_key(enum side side, unsigned int count)
{
	longest(side, "static_key", flip);
	return key_user(0);
}

int bench_native_register(enum side side, unsigned int count)
{
	return longest(side, "native_register", register_one);
}

int bench_hotplug(enum side side, unsigned int count)
{
	return longest(side, "hotplug", replug);
}

static u64 longest_gap;

static int spin(void *unused)
{
	u64 now, last = ktime_get_ns();

	while (!kthread_should_stop()) {
		now = ktime_get_ns();
		longest_gap = max(longest_gap, now - last);
		last = now;
	}
	return 0;
}

/* The longest gap in a loop on the last CPU that reads the clock. */
int bench_stall(enum side side, unsigned int count)
{
	struct task_struct *task;

	longest_gap = 0;
	task = kthread_create(spin, NULL, "rkbench");
	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind(task, num_online_cpus() - 1);
	wake_up_process(task);
	msleep(1000);
	kthread_stop(task);
	say(side, "stall", longest_gap);
	return 0;
}
