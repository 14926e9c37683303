// SPDX-License-Identifier: GPL-2.0
/*
 * Stack traces that handlers take. Commands:
 *
 *   place push|pop|ret  prints the offset of this instruction of rktest_stacks_target
 *   trace OFFSET        calls the function with a probe there, whose handler takes a trace of
 *                       its stack. Prints the first byte of the site, and the function
 *                       that the trace says has called the probed function
 */
#include <linux/cpu.h>
#include <linux/ptrace.h>
#include <linux/stacktrace.h>
#include <rkprobes.h>
#include "rktest.h"

#define ENTRIES	32

unsigned long rktest_stacks_target(unsigned long x);
extern const unsigned long rktest_stacks_places[3];
unsigned long rktest_stacks_idle(unsigned long x);

static unsigned long caller;

/* As the idle functions of a cpuidle driver. It is only probed. */
unsigned long __cpuidle __used rktest_stacks_idle(unsigned long x)
{
	return x * 5 + 3;
}

static int take(struct rkprobe *p, struct pt_regs *regs)
{
	unsigned long entries[ENTRIES];
	unsigned int i, count = stack_trace_save(entries, ENTRIES, 0);

	for (i = 0; i + 1 < count; i++) {
		if (entries[i] == regs->ip)
			caller = entries[i + 1];
	}
	return 0;
}

static noinline int rktest_stacks_caller(void)
{
	unsigned long x = rktest_stacks_target(41);

	return x == 42 ? 0 : -EIO;
}

static int trace(unsigned int offset)
{
	struct rkprobe probe = {
		.addr = (void *)rktest_stacks_target + offset,
		.pre_handler = take,
	};
	int ret = register_rkprobe(&probe);

	if (ret)
		return ret;
	flush_rkprobes();
	caller = 0;
	rktest_print("%02x ", *(u8 *)probe.addr);
	ret = rktest_stacks_caller();
	unregister_rkprobe(&probe);
	rktest_print("%ps\n", (void *)caller);
	return ret;
}

static int rktest_run(int argc, char **argv)
{
	static const char * const names[] = { "push", "pop", "ret" };
	unsigned int offset;
	int place;

	if (rktest_is(argc, argv, "place", 1)) {
		place = match_string(names, ARRAY_SIZE(names), argv[1]);
		if (place < 0)
			return place;
		rktest_print("%lu\n", rktest_stacks_places[place]);
		return 0;
	}
	if (rktest_is(argc, argv, "trace", 1) && !kstrtouint(argv[1], 0, &offset))
		return trace(offset);
	return -EINVAL;
}

static int __init stacks_init(void)
{
	return 0;
}

static void __exit stacks_exit(void)
{
}

module_init(stacks_init);
module_exit(stacks_exit);
MODULE_DESCRIPTION("Stack traces in handlers, for the rkprobes tests");
MODULE_LICENSE("GPL");
