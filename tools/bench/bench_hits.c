// SPDX-License-Identifier: GPL-2.0
/* The cost of one call of a probed function. */
#include <linux/delay.h>
#include "bench.h"

long bench_jump(long x);
long bench_int3(long x);

#define ENTRY	(IS_ENABLED(CONFIG_X86_KERNEL_IBT) ? 4 : 0)

static int our_handler(struct rkprobe *p, struct pt_regs *regs)
{
	return 0;
}

static int their_handler(struct kprobe *p, struct pt_regs *regs)
{
	return 0;
}

/*
 * The cost of one call, in hundredths. Every call is through a pointer.
 * Interrupts are off, because they would be counted too.
 */
static noinline u64 calls_take(long (*call)(long), unsigned int calls)
{
	unsigned long flags;
	unsigned int at;
	long sum = 0;
	u64 start;

	local_irq_save(flags);
	start = ktime_get_ns();
	for (at = 0; at < calls; at++)
		sum = call(sum);
	start = ktime_get_ns() - start;
	local_irq_restore(flags);
	OPTIMIZER_HIDE_VAR(sum);
	return start * 100 / calls;
}

static u64 native(long (*call)(long), unsigned int calls, bool handler, u8 byte)
{
	struct kprobe p = {
		.addr = (void *)((unsigned long)call + ENTRY),
		.pre_handler = handler ? their_handler : NULL,
	};
	u8 *text = p.addr;
	u64 took = 0;

	if (register_kprobe(&p))
		return 0;
	msleep(1000);
	if (READ_ONCE(*text) == byte)
		took = calls_take(call, calls);
	unregister_kprobe(&p);
	msleep(1000);
	return took;
}

static u64 own(long (*call)(long), unsigned int calls, bool handler, u8 byte)
{
	struct rkprobe p = {
		.addr = (void *)((unsigned long)call + ENTRY),
		.pre_handler = handler ? our_handler : NULL,
	};
	u8 *text = p.addr;
	u64 took = 0;

	if (register_rkprobe(&p))
		return 0;
	flush_rkprobes();
	if (READ_ONCE(*text) == byte)
		took = calls_take(call, calls);
	if (rkprobe_hits(&p) != calls)
		took = 0;
	unregister_rkprobe(&p);
	flush_rkprobes();
	return took;
}

int bench_hits(enum side side, unsigned int calls)
{
	u64 (*take)(long (*call)(long), unsigned int calls, bool handler, u8 byte);

	if (!calls)
		return -EINVAL;
	take = side == OURS ? own : native;
	say(side, "bare", calls_take(bench_jump, calls));
	say(side, "hit_int3", take(bench_int3, calls, true, 0xcc));
	say(side, "hit_jump", take(bench_jump, calls, true, 0xe9));
	say(side, "hit_count", take(bench_jump, calls, false, 0xe9));
	say(side, "hit_count_int3", take(bench_int3, calls, false, 0xcc));
	return 0;
}
