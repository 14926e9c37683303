// SPDX-License-Identifier: GPL-2.0
/*
 * The commands of the measurements, and their common parts: the sites, the two
 * ways to probe them, and a counter of the sync rounds of the kernel.
 */
#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/vmalloc.h>
#include <asm/text-patching.h>
#include "bench.h"
#include "rktest.h"

unsigned long *sites;
unsigned int site_count;
bool *single;
static u8 (*original)[JMP32_INSN_SIZE];
struct rkprobe *ours;
struct kprobe *mainline;

static struct rkprobe **our_list;
static atomic64_t syncs;

static int our_handler(struct rkprobe *p, struct pt_regs *regs)
{
	return 0;
}

static int their_handler(struct kprobe *p, struct pt_regs *regs)
{
	return 0;
}

void say(enum side side, const char *name, u64 value)
{
	rktest_print("%s %s %llu\n", side == OURS ? "ours" : "mainline", name,
		     value);
}

static unsigned int attach_ours(unsigned int count)
{
	unsigned int at;

	for (at = 0; at < count; at++) {
		ours[at] = (struct rkprobe){
			.addr = (void *)sites[at],
			.pre_handler = our_handler,
		};
		our_list[at] = &ours[at];
	}
	return register_rkprobes(our_list, count) ? 0 : count;
}

static unsigned int attach_mainline(unsigned int count)
{
	unsigned int at, attached = 0;

	for (at = 0; at < count; at++) {
		mainline[at] = (struct kprobe){
			.addr = (void *)sites[at],
			.pre_handler = their_handler,
		};
		if (register_kprobe(&mainline[at]))
			mainline[at].addr = NULL;
		else
			attached++;
	}
	return attached;
}

unsigned int attach(enum side side, unsigned int count)
{
	return side == OURS ? attach_ours(count) : attach_mainline(count);
}

void detach(enum side side, unsigned int count)
{
	struct kprobe **list;
	unsigned int at, attached = 0;

	if (side == OURS) {
		unregister_rkprobes(our_list, count);
		return;
	}
	list = kvmalloc_array(count, sizeof(*list), GFP_KERNEL);
	if (!list)
		return;
	for (at = 0; at < count; at++) {
		if (mainline[at].addr)
			list[attached++] = &mainline[at];
	}
	unregister_kprobes(list, attached);
	kvfree(list);
}

/* A site may have been a jump before. */
bool is_jump(unsigned int at)
{
	u8 *text = (u8 *)sites[at];

	return READ_ONCE(*text) == JMP32_INSN_OPCODE &&
	       memcmp(text, original[at], JMP32_INSN_SIZE);
}

unsigned int count_jumps(unsigned int count)
{
	unsigned int at, found = 0;

	for (at = 0; at < count; at++)
		found += is_jump(at);
	return found;
}

static unsigned int count_int3s(unsigned int count)
{
	unsigned int at, found = 0;

	for (at = 0; at < count; at++)
		found += READ_ONCE(*(u8 *)sites[at]) == INT3_INSN_OPCODE;
	return found;
}

void wait_until_quiet(unsigned int count, unsigned int quiet_ms)
{
	unsigned int before = UINT_MAX, now, same = 0;

	while (same < quiet_ms / 20) {
		now = count_jumps(count) + (count_int3s(count) << 16);
		same = now == before ? same + 1 : 0;
		before = now;
		msleep(20);
	}
}

static void count_sync(unsigned long ip, unsigned long parent_ip,
		       struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	atomic64_inc(&syncs);
}

static struct ftrace_ops sync_ops = { .func = count_sync };

u64 sync_rounds(void)
{
	return atomic64_xchg(&syncs, 0) / num_online_cpus();
}

/* An address is a site if it can be probed and is no function entry. */
static void consider(unsigned long addr)
{
	struct rkprobe *p = &ours[site_count];

	if (site_count == MAX_SITES)
		return;
	*p = (struct rkprobe){
		.addr = (void *)addr,
		.flags = RKPROBE_FLAG_DISABLED,
	};
	if (register_rkprobe(p))
		return;
	our_list[site_count] = p;
	memcpy(original[site_count], (void *)addr, JMP32_INSN_SIZE);
	sites[site_count++] = addr;
}

static int cmd_consider(int argc, char **argv)
{
	unsigned long addr;
	int at;

	for (at = 1; at < argc; at++) {
		if (kstrtoul(argv[at], 16, &addr))
			return -EINVAL;
		consider(addr);
	}
	rktest_print("%u\n", site_count);
	return 0;
}

/* The addresses of a hundred sites. */
static int cmd_sites(int argc, char **argv)
{
	unsigned int from, at;

	if (argc != 2 || kstrtouint(argv[1], 0, &from))
		return -EINVAL;
	for (at = from; at < min(from + 100, site_count); at++)
		rktest_print("%lx\n", sites[at]);
	return 0;
}

/* The region of the site at this address is one instruction. */
static int cmd_single(int argc, char **argv)
{
	unsigned long addr;
	unsigned int at;

	if (argc != 2 || kstrtoul(argv[1], 16, &addr))
		return -EINVAL;
	for (at = 0; at < site_count; at++)
		single[at] |= sites[at] == addr;
	return 0;
}

/* All addresses were considered. */
static int cmd_chosen(void)
{
	unregister_rkprobes(our_list, site_count);
	flush_rkprobes();
	return 0;
}

static int rktest_run(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(enum side side, unsigned int number);
	} commands[] = {
		{ "alone", bench_alone }, { "bulk", bench_bulk },
		{ "arm", bench_arm }, { "optimize", bench_optimize },
		{ "unoptimize", bench_unoptimize }, { "disarm", bench_disarm },
		{ "latency", bench_latency }, { "hits", bench_hits },
		{ "static_key", bench_static_key },
		{ "native_register", bench_native_register },
		{ "hotplug", bench_hotplug }, { "stall", bench_stall },
	};
	unsigned int at, number;
	enum side side;

	if (!strcmp(argv[0], "consider"))
		return cmd_consider(argc, argv);
	if (!strcmp(argv[0], "sites"))
		return cmd_sites(argc, argv);
	if (!strcmp(argv[0], "single"))
		return cmd_single(argc, argv);
	if (rktest_is(argc, argv, "chosen", 0))
		return cmd_chosen();
	if (argc != 3 || kstrtouint(argv[2], 0, &number))
		return -EINVAL;
	side = strcmp(argv[1], "ours") ? MAINLINE : OURS;
	for (at = 0; at < ARRAY_SIZE(commands); at++) {
		if (!strcmp(argv[0], commands[at].name))
			return commands[at].run(side, number);
	}
	return -EINVAL;
}

static void free_all(void)
{
	vfree(sites);
	vfree(single);
	vfree(original);
	vfree(ours);
	vfree(our_list);
	vfree(mainline);
}

static int __init bench_init(void)
{
	int ret = -ENOMEM;

	sites = vcalloc(MAX_SITES, sizeof(*sites));
	single = vcalloc(MAX_SITES, sizeof(*single));
	original = vcalloc(MAX_SITES, sizeof(*original));
	ours = vcalloc(MAX_SITES, sizeof(*ours));
	our_list = vcalloc(MAX_SITES, sizeof(*our_list));
	mainline = vcalloc(MAX_SITES, sizeof(*mainline));
	if (!sites || !single || !original || !ours || !our_list ||
	    !mainline)
		goto err;
	ret = ftrace_set_filter(&sync_ops, "do_sync_core",
				strlen("do_sync_core"), 1);
	if (!ret)
		ret = register_ftrace_function(&sync_ops);
	if (!ret)
		return 0;
err:
	free_all();
	return ret;
}

static void __exit bench_exit(void)
{
	unregister_ftrace_function(&sync_ops);
	ftrace_free_filter(&sync_ops);
	free_all();
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_DESCRIPTION("Measures rkprobes and native kprobes on the same sites");
MODULE_LICENSE("GPL");
