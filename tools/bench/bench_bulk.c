// SPDX-License-Identifier: GPL-2.0
/* Many probes at once: attaching, becoming jumps, detaching. */
#include <linux/delay.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>
#include "bench.h"

/* Waits until the pass has ended: no jump was written or removed for long. */
static void wait_for_optimizer(enum side side, unsigned int count)
{
	if (side == OURS)
		flush_rkprobes();
	wait_until_quiet(count, 600);
}

/* Attaches the probes, waits for jumps, detaches. */
int bench_bulk(enum side side, unsigned int count)
{
	u64 start, attached;

	if (!count || count > site_count)
		return -EINVAL;
	start = ktime_get_ns();
	attached = attach(side, count);
	start = ktime_get_ns() - start;
	if (!attached)
		return -EIO;
	say(side, "attached", attached);
	say(side, "attach", start / attached);
	wait_for_optimizer(side, count);
	say(side, "jumps", count_jumps(count));
	start = ktime_get_ns();
	detach(side, count);
	start = ktime_get_ns() - start;
	say(side, "detach", start / attached);
	wait_for_optimizer(side, count);
	return 0;
}

/*
 * The single steps, for their sync rounds. The script switches optimization
 * between the steps.
 */
int bench_arm(enum side side, unsigned int count)
{
	if (!count || count > site_count)
		return -EINVAL;
	sync_rounds();
	say(side, "attached", attach(side, count));
	say(side, "arm_rounds", sync_rounds());
	return 0;
}

int bench_optimize(enum side side, unsigned int count)
{
	wait_for_optimizer(side, count);
	say(side, "optimize_rounds", sync_rounds());
	say(side, "jumps", count_jumps(count));
	return 0;
}

int bench_unoptimize(enum side side, unsigned int count)
{
	wait_for_optimizer(side, count);
	say(side, "unoptimize_rounds", sync_rounds());
	return count_jumps(count) ? -EBUSY : 0;
}

int bench_disarm(enum side side, unsigned int count)
{
	detach(side, count);
	wait_for_optimizer(side, count);
	say(side, "disarm_rounds", sync_rounds());
	return 0;
}

/* Attaches one probe after the other; reports the median for one. */
static int compare(const void *a, const void *b)
{
	u64 left = *(u64 *)a, right = *(u64 *)b;

	return left < right ? -1 : left > right;
}

static int alone(enum side side, unsigned long addr, u64 *took)
{
	struct rkprobe our = { .addr = (void *)addr };
	struct kprobe their = { .addr = (void *)addr };
	u64 start = ktime_get_ns();
	int ret;

	ret = side == OURS ? register_rkprobe(&our) : register_kprobe(&their);
	*took = ktime_get_ns() - start;
	if (ret)
		return ret;
	if (side == OURS)
		unregister_rkprobe(&our);
	else
		unregister_kprobe(&their);
	return 0;
}

static void say_spread(enum side side, const char *name, u64 *values,
		       unsigned int count)
{
	char text[32];

	if (!count)
		return;
	sort(values, count, sizeof(*values), compare, NULL);
	snprintf(text, sizeof(text), "%s_median", name);
	say(side, text, values[count / 2]);
	snprintf(text, sizeof(text), "%s_p99", name);
	say(side, text, values[count * 99 / 100]);
	snprintf(text, sizeof(text), "%s_first", name);
	say(side, text, values[0]);
}

int bench_alone(enum side side, unsigned int count)
{
	unsigned int at, done = 0;
	u64 *took;

	count = min(count, site_count);
	took = vcalloc(count, sizeof(*took));
	if (!took)
		return -ENOMEM;
	for (at = 0; at < count; at++)
		done += !alone(side, sites[at], &took[done]);
	say_spread(side, "alone", took, done);
	vfree(took);
	wait_for_optimizer(side, count);
	return 0;
}

/*
 * The time from the end of attaching until the jump is in the text, for each
 * site. Sites whose region is one instruction are reported separately, because
 * they wait only for the delay of the optimizer.
 */
static void watch(unsigned int count, u64 *took)
{
	u64 start = ktime_get_ns(), last = start;
	unsigned int at;

	while (ktime_get_ns() - last < NSEC_PER_SEC) {
		for (at = 0; at < count; at++) {
			if (took[at] || !is_jump(at))
				continue;
			last = ktime_get_ns();
			took[at] = last - start;
		}
		usleep_range(200, 300);
	}
}

int bench_latency(enum side side, unsigned int count)
{
	unsigned int at, found = 0, singles = 0;
	u64 *took, *all, *alone;

	count = min(count, site_count);
	took = vcalloc(3 * count, sizeof(*took));
	if (!took || !attach(side, count)) {
		vfree(took);
		return -ENOMEM;
	}
	watch(count, took);
	detach(side, count);
	wait_for_optimizer(side, count);
	all = took + count;
	alone = all + count;
	for (at = 0; at < count; at++) {
		if (!took[at])
			continue;
		all[found++] = took[at];
		if (single[at])
			alone[singles++] = took[at];
	}
	say(side, "latency_jumps", found);
	say(side, "latency_single_jumps", singles);
	say_spread(side, "latency", all, found);
	say_spread(side, "latency_single", alone, singles);
	vfree(took);
	return 0;
}
