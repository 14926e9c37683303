// SPDX-License-Identifier: GPL-2.0
/* Many probes at once: attaching, becoming jumps, detaching. */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>
#include "bench.h"

static u64 free_bytes(void)
{
	struct sysinfo info;

	si_meminfo(&info);
	return (u64)info.freeram * info.mem_unit;
}

/* The pass has ended: no jump has come for long. */
static void wait_for_jumps(enum side side, unsigned int count)
{
	if (side == OURS)
		flush_rkprobes();
	wait_until_quiet(count, 600);
}

int bench_bulk(enum side side, unsigned int count)
{
	u64 start, before, rounds, attached;

	if (!count || count > site_count)
		return -EINVAL;
	before = free_bytes();
	rounds = sync_rounds();
	start = ktime_get_ns();
	attached = attach(side, count);
	start = ktime_get_ns() - start;
	if (!attached)
		return -EIO;
	say(side, "attached", attached);
	say(side, "attach", start / attached);
	say(side, "arm_rounds", sync_rounds() - rounds);
	rounds = sync_rounds();
	wait_for_jumps(side, count);
	say(side, "jumps", sites_with(count, 0xe9));
	say(side, "optimize_rounds", sync_rounds() - rounds);
	say(side, "memory", (before - min(before, free_bytes())) / attached);

	rounds = sync_rounds();
	start = ktime_get_ns();
	detach(side, count);
	start = ktime_get_ns() - start;
	say(side, "detach", start / attached);
	wait_for_jumps(side, count);
	say(side, "detach_rounds", sync_rounds() - rounds);
	return 0;
}

/* One probe after the other; the median of what one takes. */
static int compare(const void *a, const void *b)
{
	u64 left = *(u64 *)a, right = *(u64 *)b;

	return left < right ? -1 : left > right;
}

static int single(enum side side, unsigned long addr, u64 *took)
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

int bench_single(enum side side, unsigned int count)
{
	unsigned int at, done = 0;
	u64 *took;

	count = min(count, site_count);
	took = vcalloc(count, sizeof(*took));
	if (!took)
		return -ENOMEM;
	for (at = 0; at < count; at++)
		done += !single(side, sites[at], &took[done]);
	say_spread(side, "single", took, done);
	vfree(took);
	wait_for_jumps(side, count);
	return 0;
}

/* From the end of attaching until the jump is in the text, for each site. */
int bench_latency(enum side side, unsigned int count)
{
	unsigned int at, found = 0, quiet = 0;
	u64 start, *took;
	bool *seen;

	count = min(count, site_count);
	took = vcalloc(count, sizeof(*took));
	seen = vcalloc(count, sizeof(*seen));
	if (!took || !seen || !attach(side, count)) {
		vfree(took);
		vfree(seen);
		return -ENOMEM;
	}
	start = ktime_get_ns();
	while (quiet < 2000) {
		quiet++;
		for (at = 0; at < count; at++) {
			if (seen[at] || READ_ONCE(*(u8 *)sites[at]) != 0xe9)
				continue;
			seen[at] = true;
			took[found++] = ktime_get_ns() - start;
			quiet = 0;
		}
		usleep_range(400, 500);
	}
	say(side, "latency_jumps", found);
	say_spread(side, "latency", took, found);
	vfree(took);
	vfree(seen);
	detach(side, count);
	wait_for_jumps(side, count);
	return 0;
}
