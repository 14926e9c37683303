// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the C API. Each is a command by its name.
 */
#include <linux/delay.h>
#include <linux/ptrace.h>
#include <rkprobes.h>
#include "assertions.h"

long rktest_api_target(long x);
long rktest_api_inner(long x);

/* Offsets in both: MOV, ADD, NOP, NOP, behind an ENDBR if the kernel has them. */
#define FIRST	(IS_ENABLED(CONFIG_X86_KERNEL_IBT) ? 4 : 0)
#define SECOND	(FIRST + 3)
#define THIRD	(FIRST + 7)
#define FOURTH	(FIRST + 8)
#define INSIDE	(FIRST + 1)

struct seen {
	struct rkprobe p;
	unsigned long pre;
	unsigned long post;
	unsigned long wrong_ip;
	/* When it was called, counted over all. */
	unsigned long at;
};

static unsigned long calls_of_handlers;

static int pre_handler(struct rkprobe *p, struct pt_regs *regs)
{
	struct seen *s = container_of(p, struct seen, p);

	s->pre++;
	s->at = ++calls_of_handlers;
	if (regs->ip != (unsigned long)p->addr + 1)
		s->wrong_ip++;
	return 0;
}

static void post_handler(struct rkprobe *p, struct pt_regs *regs, unsigned long flags)
{
	container_of(p, struct seen, p)->post++;
}

static int change_argument(struct rkprobe *p, struct pt_regs *regs)
{
	regs->di += 100;
	return pre_handler(p, regs);
}

/* Returns to the target's caller without running the target. */
static int return_at_once(struct rkprobe *p, struct pt_regs *regs)
{
	pre_handler(p, regs);
	regs->ax = 4711;
	regs->ip = *(unsigned long *)regs->sp;
	regs->sp += sizeof(long);
	return 1;
}

static int call_inner(struct rkprobe *p, struct pt_regs *regs)
{
	pre_handler(p, regs);
	rktest_api_inner(1);
	return 0;
}

static void set(struct seen *s, const char *symbol, unsigned int offset)
{
	memset(s, 0, sizeof(*s));
	s->p.symbol_name = symbol;
	s->p.offset = offset;
	s->p.pre_handler = pre_handler;
}

static struct seen a, b, c;

static int try(const char *symbol, void *addr, unsigned int offset)
{
	int ret;

	set(&a, symbol, offset);
	a.p.addr = addr;
	ret = register_rkprobe(&a.p);
	if (!ret)
		unregister_rkprobe(&a.p);
	return ret;
}

static void test_errors(void)
{
	same("neither symbol nor address", try(NULL, NULL, 0), -EINVAL);
	same("symbol and address", try("rktest_api_target", rktest_api_target, 0), -EINVAL);
	same("unknown symbol", try("no_such_function_here", NULL, 0), -ENOENT);
	same("unknown module", try("no_such_module:rktest_api_target", NULL, 0), -ENOENT);
	same("inside an instruction", try("rktest_api_target", NULL, INSIDE), -EILSEQ);
	same("an instruction", try("rktest_api_target", NULL, SECOND), 0);
	same("with the module's name", try("rktest_api:rktest_api_target", NULL, SECOND), 0);
	same("by address", try(NULL, rktest_api_target, SECOND), 0);
	same("data", try(NULL, &failures, 0), -EINVAL);
	same("blacklisted", try("do_int3", NULL, 0), -EINVAL);
	same("our own text", try("register_rkprobe", NULL, 0), -EINVAL);

	set(&a, "rktest_api_target", FIRST);
	same("enable before it is registered", enable_rkprobe(&a.p), -EINVAL);
	same("disable before it is registered", disable_rkprobe(&a.p), -EINVAL);
	unregister_rkprobe(&a.p);
	same("register", register_rkprobe(&a.p), 0);
	same("register again", register_rkprobe(&a.p), -EINVAL);
	same("works after that", rktest_api_target(1), 2);
	same("one hit", a.pre, 1);
	unregister_rkprobe(&a.p);
	unregister_rkprobe(&a.p);
	same("enable after it is unregistered", enable_rkprobe(&a.p), -EINVAL);
	same("no hit after that", (rktest_api_target(1), a.pre), 1);
}

static void test_batch(void)
{
	struct rkprobe *all[] = { &a.p, &b.p, &c.p };

	set(&a, "rktest_api_target", FIRST);
	set(&b, "rktest_api_target", SECOND);
	set(&c, "rktest_api_target", INSIDE);
	same("no probes", register_rkprobes(all, 0), -EINVAL);
	same("less than no probes", register_rkprobes(all, -1), -EINVAL);
	same("the third is bad", register_rkprobes(all, 3), -EILSEQ);
	rktest_api_target(1);
	same("the first is not registered", a.pre, 0);
	same("and cannot be enabled", enable_rkprobe(&a.p), -EINVAL);

	set(&a, "rktest_api_target", FIRST);
	set(&b, "rktest_api_target", SECOND);
	set(&c, "rktest_api_target", FOURTH);
	same("three good ones", register_rkprobes(all, 3), 0);
	rktest_api_target(1);
	same("first is hit", a.pre, 1);
	same("second is hit", b.pre, 1);
	same("third is hit", c.pre, 1);
	unregister_rkprobes(all, 3);
	rktest_api_target(1);
	same("no hits afterwards", a.pre + b.pre + c.pre, 3);
}

static void test_handlers(void)
{
	set(&a, "rktest_api_target", SECOND);
	a.p.post_handler = post_handler;
	same("register with a post_handler", register_rkprobe(&a.p), 0);
	same("flush", flush_rkprobes(), 0);
	same("result", rktest_api_target(41), 42);
	same("pre_handler", a.pre, 1);
	same("post_handler", a.post, 1);
	same("ip on an int3", a.wrong_ip, 0);
	same("hits", rkprobe_hits(&a.p), 1);
	unregister_rkprobe(&a.p);

	set(&a, "rktest_api_target", FIRST);
	same("register without", register_rkprobe(&a.p), 0);
	same("flush again", flush_rkprobes(), 0);
	same("result of a jump", rktest_api_target(41), 42);
	same("pre_handler of a jump", a.pre, 1);
	same("ip on a jump", a.wrong_ip, 0);
	unregister_rkprobe(&a.p);
}

static void test_changes(void)
{
	set(&a, "rktest_api_target", FIRST);
	a.p.pre_handler = change_argument;
	same("register", register_rkprobe(&a.p), 0);
	same("a register changed on an int3", rktest_api_target(1), 102);
	same("flush", flush_rkprobes(), 0);
	same("a register changed on a jump", rktest_api_target(1), 102);
	unregister_rkprobe(&a.p);

	set(&a, "rktest_api_target", FIRST);
	a.p.pre_handler = return_at_once;
	a.p.post_handler = post_handler;
	same("register one that skips", register_rkprobe(&a.p), 0);
	same("flush again", flush_rkprobes(), 0);
	same("the function was skipped", rktest_api_target(1), 4711);
	same("its pre_handler ran", a.pre, 1);
	same("its post_handler did not", a.post, 0);
	unregister_rkprobe(&a.p);
	same("nothing is skipped afterwards", rktest_api_target(1), 2);
}

static void test_aggregate(void)
{
	unsigned int lane;

	set(&a, "rktest_api_target", FIRST);
	set(&b, "rktest_api_target", FIRST);
	set(&c, "rktest_api_target", FIRST);
	same("first", register_rkprobe(&a.p), 0);
	same("second", register_rkprobe(&b.p), 0);
	same("third", register_rkprobe(&c.p), 0);
	for (lane = 0; lane < 2; lane++) {
		a.pre = b.pre = c.pre = 0;
		same("result", rktest_api_target(1), 2);
		same("each is called once", a.pre * 100 + b.pre * 10 + c.pre, 111);
		same("first before second", a.at < b.at, 1);
		same("second before third", b.at < c.at, 1);
		same("flush", flush_rkprobes(), 0);
	}
	same("disable the second", disable_rkprobe(&b.p), 0);
	rktest_api_target(1);
	same("the others are called", a.pre * 100 + b.pre * 10 + c.pre, 212);
	unregister_rkprobe(&a.p);
	rktest_api_target(1);
	same("the third alone is called", a.pre * 100 + b.pre * 10 + c.pre, 213);
	same("enable the second", enable_rkprobe(&b.p), 0);
	rktest_api_target(1);
	same("both are called", b.pre * 10 + c.pre, 24);
	unregister_rkprobe(&b.p);
	unregister_rkprobe(&c.p);
	rktest_api_target(1);
	same("none is called", b.pre * 10 + c.pre, 24);
}

static void test_disabled(void)
{
	set(&a, "rktest_api_target", FIRST);
	a.p.flags = RKPROBE_FLAG_DISABLED;
	same("register disabled", register_rkprobe(&a.p), 0);
	rktest_api_target(1);
	same("no hit", a.pre, 0);
	same("enable", enable_rkprobe(&a.p), 0);
	same("enable again", enable_rkprobe(&a.p), 0);
	rktest_api_target(1);
	same("a hit", a.pre, 1);
	same("flush", flush_rkprobes(), 0);
	same("disable what is a jump", disable_rkprobe(&a.p), 0);
	rktest_api_target(1);
	same("no hit at once", a.pre, 1);
	same("disable again", disable_rkprobe(&a.p), 0);
	same("enable before the jump is gone", enable_rkprobe(&a.p), 0);
	rktest_api_target(1);
	same("a hit again", a.pre, 2);
	unregister_rkprobe(&a.p);
}

static u8 text_at(struct seen *s)
{
	return READ_ONCE(*(u8 *)s->p.addr);
}

/* A post_handler turns a jump back at once, and lets it return when it goes. */
static void test_post(void)
{
	set(&a, "rktest_api_target", FIRST);
	set(&b, "rktest_api_target", FIRST);
	b.p.post_handler = post_handler;
	same("flush what others have left", flush_rkprobes(), 0);
	same("register", register_rkprobe(&a.p), 0);
	same("an int3", text_at(&a), 0xcc);
	same("flush", flush_rkprobes(), 0);
	same("a jump", text_at(&a), 0xe9);
	same("register one with a post_handler", register_rkprobe(&b.p), 0);
	same("an int3 at once", text_at(&a), 0xcc);
	same("flush with it", flush_rkprobes(), 0);
	same("an int3 as long as it is there", text_at(&a), 0xcc);
	same("result", rktest_api_target(1), 2);
	same("all are called", a.pre * 100 + b.pre * 10 + b.post, 111);
	unregister_rkprobe(&b.p);
	same("flush without it", flush_rkprobes(), 0);
	same("a jump again", text_at(&a), 0xe9);
	rktest_api_target(1);
	same("its hit", a.pre, 2);
	unregister_rkprobe(&a.p);
}

/* A probe that is hit inside a handler is not run, but counted. */
static void test_missed(void)
{
	set(&a, "rktest_api_target", FIRST);
	set(&b, "rktest_api_inner", FIRST);
	a.p.pre_handler = call_inner;
	same("outer", register_rkprobe(&a.p), 0);
	same("inner", register_rkprobe(&b.p), 0);
	same("result", rktest_api_target(1), 2);
	same("outer is called", a.pre, 1);
	same("inner is not", b.pre, 0);
	same("inner counts a miss", b.p.nmissed, 1);
	same("flush", flush_rkprobes(), 0);
	same("result with jumps", rktest_api_target(1), 2);
	same("outer is called by a jump", a.pre, 2);
	same("inner is not by a jump", b.pre, 0);
	same("inner counts another miss", b.p.nmissed, 2);
	rktest_api_inner(1);
	same("inner alone is called", b.pre, 1);
	unregister_rkprobe(&a.p);
	unregister_rkprobe(&b.p);
}

static void set_counting(struct seen *s, const char *symbol)
{
	set(s, symbol, FIRST);
	s->p.pre_handler = NULL;
}

/* Without handlers a probe counts, and its jump may do that without a call. */
static void test_counting(void)
{
	set_counting(&a, "rktest_api_target");
	set_counting(&b, "rktest_api_target");
	same("flush what others have left", flush_rkprobes(), 0);
	same("register", register_rkprobe(&a.p), 0);
	rktest_api_target(1);
	same("hits of an int3", rkprobe_hits(&a.p), 1);
	same("flush", flush_rkprobes(), 0);
	same("a jump", text_at(&a), 0xe9);
	same("result", rktest_api_target(1), 2);
	same("hits of a jump", rkprobe_hits(&a.p), 2);
	same("register another", register_rkprobe(&b.p), 0);
	same("the jump stays", text_at(&a), 0xe9);
	rktest_api_target(1);
	same("hits of both", rkprobe_hits(&a.p) * 10 + rkprobe_hits(&b.p), 31);

	set(&c, "rktest_api_target", FIRST);
	same("register one with a handler", register_rkprobe(&c.p), 0);
	same("an int3 at once", text_at(&a), 0xcc);
	same("flush with it", flush_rkprobes(), 0);
	same("a jump again", text_at(&a), 0xe9);
	rktest_api_target(1);
	same("its handler is called", c.pre, 1);
	same("hits of all", rkprobe_hits(&a.p) * 100 + rkprobe_hits(&b.p) * 10 + rkprobe_hits(&c.p), 421);
	unregister_rkprobe(&c.p);
	unregister_rkprobe(&b.p);
	same("hits of one that is removed", rkprobe_hits(&b.p), 0);
	rktest_api_target(1);
	same("hits of the last one", rkprobe_hits(&a.p), 5);
	unregister_rkprobe(&a.p);
	same("hits of it when it is removed", rkprobe_hits(&a.p), 0);
}

/* Inside a handler an int3 is missed; a jump that counts calls none, so it is hit. */
static void test_counting_inside(void)
{
	set(&a, "rktest_api_target", FIRST);
	a.p.pre_handler = call_inner;
	set_counting(&b, "rktest_api_inner");
	same("outer", register_rkprobe(&a.p), 0);
	same("inner", register_rkprobe(&b.p), 0);
	rktest_api_target(1);
	same("an int3 inside a handler is missed", rkprobe_hits(&b.p) * 10 + b.p.nmissed, 1);
	same("flush", flush_rkprobes(), 0);
	same("a jump", text_at(&b), 0xe9);
	rktest_api_target(1);
	same("a jump inside a handler is hit", rkprobe_hits(&b.p) * 10 + b.p.nmissed, 11);
	unregister_rkprobe(&a.p);
	unregister_rkprobe(&b.p);
}

/* Has an ftrace entry. */
long rktest_api_traced(long x);

noinline long rktest_api_traced(long x)
{
	barrier();
	return x + 1;
}

/* At an entry: one with and one without a post_handler, that go in either order. */
static void test_entry(void)
{
	struct seen *first[] = { &a, &b }, *second[] = { &b, &a };
	unsigned int order;

	for (order = 0; order < 2; order++) {
		set(&a, "rktest_api_traced", 0);
		set(&b, "rktest_api_traced", 0);
		b.p.post_handler = post_handler;
		same("without a post_handler", register_rkprobe(&a.p), 0);
		same("with one", register_rkprobe(&b.p), 0);
		same("result", rktest_api_traced(1), 2);
		same("all are called", a.pre * 100 + b.pre * 10 + b.post, 111);
		unregister_rkprobe(&first[order]->p);
		same("result with the other", rktest_api_traced(1), 2);
		same("the other is called", second[order]->pre * 10 + second[order]->post, order ? 20 : 22);
		same("the first is not", first[order]->pre * 10 + first[order]->post, order ? 11 : 10);
		unregister_rkprobe(&second[order]->p);
		same("result with none", rktest_api_traced(1), 2);
		same("none is called", a.pre + b.pre, 3);
	}
}

static void wait_until_disabled(void)
{
	unsigned int polls = 0;

	while (!(READ_ONCE(a.p.flags) & RKPROBE_FLAG_DISABLED) && polls++ < 3000)
		msleep(10);
}

/* Too many hits a second disable a probe. */
static void test_limit(void)
{
	unsigned int i;

	set(&a, "rktest_api_target", FIRST);
	same("limit before it is registered", limit_rkprobe(&a.p, 1), -EINVAL);
	same("limit of nothing", limit_rkprobe(NULL, 1), -EINVAL);
	a.p.limit = 10;
	same("register with a limit", register_rkprobe(&a.p), 0);
	for (i = 0; i < 1000; i++)
		rktest_api_target(1);
	wait_until_disabled();
	same("disabled", a.p.flags, RKPROBE_FLAG_DISABLED | RKPROBE_FLAG_LIMITED);
	i = a.pre;
	rktest_api_target(1);
	same("no hits any more", a.pre, i);
	same("another limit", limit_rkprobe(&a.p, 1000000), 0);
	same("enable", enable_rkprobe(&a.p), 0);
	same("flags", a.p.flags, 0);
	rktest_api_target(1);
	same("a hit", a.pre, i + 1);
	unregister_rkprobe(&a.p);
	same("limit after it is unregistered", limit_rkprobe(&a.p, 1), -EINVAL);
}

static const struct rktest_group tests[] = {
	{ "errors", test_errors },
	{ "batch", test_batch },
	{ "handlers", test_handlers },
	{ "changes", test_changes },
	{ "aggregate", test_aggregate },
	{ "disabled", test_disabled },
	{ "post", test_post },
	{ "missed", test_missed },
	{ "counting", test_counting },
	{ "inside", test_counting_inside },
	{ "entry", test_entry },
	{ "limit", test_limit },
};

static int rktest_run(int argc, char **argv)
{
	return argc == 1 ? rktest_run_group(tests, ARRAY_SIZE(tests), argv[0]) : -EINVAL;
}

static int __init api_init(void)
{
	return 0;
}

static void __exit api_exit(void)
{
}

module_init(api_init);
module_exit(api_exit);
MODULE_DESCRIPTION("Tests of the C API of rkprobes");
MODULE_LICENSE("GPL");
