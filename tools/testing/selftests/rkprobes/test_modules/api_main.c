// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the C API. The name of each group of assertions is a command.
 */
#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/objtool.h>
#include <linux/ptrace.h>
#include <rkprobes.h>
#include "assertions.h"

long rktest_api_target(long x);
long rktest_api_inner(long x);

/* Offsets in both functions: MOV, ADD, NOP, NOP, after an ENDBR if the kernel has them. */
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
	/* The number of the call, counted over all handlers. */
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
	same("a probe with neither symbol nor address is refused", try(NULL, NULL, 0), -EINVAL);
	same("a probe with symbol and address is refused",
	     try("rktest_api_target", rktest_api_target, 0), -EINVAL);
	same("an unknown symbol is refused", try("no_such_function_here", NULL, 0), -ENOENT);
	same("an unknown module is refused",
	     try("no_such_module:rktest_api_target", NULL, 0), -ENOENT);
	same("an offset inside an instruction is refused",
	     try("rktest_api_target", NULL, INSIDE), -EILSEQ);
	same("an offset of an instruction is accepted", try("rktest_api_target", NULL, SECOND), 0);
	same("a symbol with the module's name is accepted",
	     try("rktest_api:rktest_api_target", NULL, SECOND), 0);
	same("an address is accepted", try(NULL, rktest_api_target, SECOND), 0);
	same("an address of data is refused", try(NULL, &failures, 0), -EINVAL);
	same("a blacklisted function is refused", try("do_int3", NULL, 0), -EINVAL);
	same("a function of rkprobes is refused", try("register_rkprobe", NULL, 0), -EINVAL);

	set(&a, "rktest_api_target", FIRST);
	same("enable fails before the registration", enable_rkprobe(&a.p), -EINVAL);
	same("disable fails before the registration", disable_rkprobe(&a.p), -EINVAL);
	unregister_rkprobe(&a.p);
	same("a probe can be registered", register_rkprobe(&a.p), 0);
	same("a second registration is refused", register_rkprobe(&a.p), -EINVAL);
	same("the function is right after the refusal", rktest_api_target(1), 2);
	same("the call is one hit", a.pre, 1);
	unregister_rkprobe(&a.p);
	unregister_rkprobe(&a.p);
	same("enable fails after the unregistration", enable_rkprobe(&a.p), -EINVAL);
	same("a call after the unregistration is no hit", (rktest_api_target(1), a.pre), 1);
}

/* The address stays when a probe is unregistered, and the structure can be registered again. */
static void test_again(void)
{
	void *addr;

	set(&a, "rktest_api_target", FIRST);
	same("a probe on a symbol is registered", register_rkprobe(&a.p), 0);
	addr = a.p.addr;
	same("the address is filled in", addr != NULL, 1);
	unregister_rkprobe(&a.p);
	same("the address stays after the unregistration", a.p.addr == addr, 1);
	a.p.addr = NULL;
	same("a probe whose address was cleared is registered again", register_rkprobe(&a.p), 0);
	same("its address is filled in again", a.p.addr == addr, 1);
	unregister_rkprobe(&a.p);
	same("a probe whose address was left is registered again", register_rkprobe(&a.p), 0);
	same("its address is the first one", a.p.addr == addr, 1);
	rktest_api_target(1);
	same("the probe is hit", a.pre, 1);
	disable_rkprobe(&a.p);
	unregister_rkprobe(&a.p);
	same("a disabled probe is registered again", register_rkprobe(&a.p), 0);
	rktest_api_target(1);
	same("a disabled probe stays disabled, as with kprobes", a.pre, 1);
	unregister_rkprobe(&a.p);
	a.p.flags = 0;
	a.p.symbol_name = "rktest_api_inner";
	same("a probe on another symbol is registered", register_rkprobe(&a.p), 0);
	rktest_api_inner(1);
	same("the other function is hit", a.pre, 2);
	unregister_rkprobe(&a.p);
	a.p.addr = addr;
	same("a symbol with another address is refused", register_rkprobe(&a.p), -EINVAL);
}

static void test_batch(void)
{
	struct rkprobe *all[] = { &a.p, &b.p, &c.p };

	set(&a, "rktest_api_target", FIRST);
	set(&b, "rktest_api_target", SECOND);
	set(&c, "rktest_api_target", INSIDE);
	same("a batch of no probes is refused", register_rkprobes(all, 0), -EINVAL);
	same("a batch of less than no probes is refused", register_rkprobes(all, -1), -EINVAL);
	same("a batch whose third probe is bad is refused", register_rkprobes(all, 3), -EILSEQ);
	rktest_api_target(1);
	same("the first probe of that batch is not hit", a.pre, 0);
	same("the first probe of that batch cannot be enabled", enable_rkprobe(&a.p), -EINVAL);

	set(&a, "rktest_api_target", FIRST);
	set(&b, "rktest_api_target", SECOND);
	set(&c, "rktest_api_target", FOURTH);
	same("a batch of three good probes is registered", register_rkprobes(all, 3), 0);
	rktest_api_target(1);
	same("the first probe is hit", a.pre, 1);
	same("the second probe is hit", b.pre, 1);
	same("the third probe is hit", c.pre, 1);
	unregister_rkprobes(all, 3);
	rktest_api_target(1);
	same("no probe is hit after the unregistration", a.pre + b.pre + c.pre, 3);
}

static void test_handlers(void)
{
	set(&a, "rktest_api_target", SECOND);
	a.p.post_handler = post_handler;
	same("a probe with a post_handler can be registered", register_rkprobe(&a.p), 0);
	same("flush succeeds with a post_handler", flush_rkprobes(), 0);
	same("the function is right with an int3", rktest_api_target(41), 42);
	same("the pre_handler is called once with an int3", a.pre, 1);
	same("the post_handler is called once with an int3", a.post, 1);
	same("the handler sees the right ip with an int3", a.wrong_ip, 0);
	same("the probe counts one hit", rkprobe_hits(&a.p), 1);
	unregister_rkprobe(&a.p);

	set(&a, "rktest_api_target", FIRST);
	same("a probe without a post_handler can be registered", register_rkprobe(&a.p), 0);
	same("flush succeeds without a post_handler", flush_rkprobes(), 0);
	same("the function is right with a jump", rktest_api_target(41), 42);
	same("the pre_handler is called once with a jump", a.pre, 1);
	same("the handler sees the right ip with a jump", a.wrong_ip, 0);
	unregister_rkprobe(&a.p);
}

static void test_changes(void)
{
	set(&a, "rktest_api_target", FIRST);
	a.p.pre_handler = change_argument;
	same("a probe that changes a register can be registered", register_rkprobe(&a.p), 0);
	same("a changed register has effect with an int3", rktest_api_target(1), 102);
	same("flush succeeds", flush_rkprobes(), 0);
	same("a changed register has effect with a jump", rktest_api_target(1), 102);
	unregister_rkprobe(&a.p);

	set(&a, "rktest_api_target", FIRST);
	a.p.pre_handler = return_at_once;
	a.p.post_handler = post_handler;
	same("a probe that skips the function can be registered", register_rkprobe(&a.p), 0);
	same("flush succeeds with that probe", flush_rkprobes(), 0);
	same("the function is skipped", rktest_api_target(1), 4711);
	same("the pre_handler of the skipping probe is called", a.pre, 1);
	same("the post_handler of the skipping probe is not called", a.post, 0);
	unregister_rkprobe(&a.p);
	same("the function is not skipped after the unregistration", rktest_api_target(1), 2);
}

static void test_aggregate(void)
{
	unsigned int lane;

	set(&a, "rktest_api_target", FIRST);
	set(&b, "rktest_api_target", FIRST);
	set(&c, "rktest_api_target", FIRST);
	same("the first probe can be registered", register_rkprobe(&a.p), 0);
	same("the second probe can be registered", register_rkprobe(&b.p), 0);
	same("the third probe can be registered", register_rkprobe(&c.p), 0);
	for (lane = 0; lane < 2; lane++) {
		a.pre = b.pre = c.pre = 0;
		same("the function is right with three probes", rktest_api_target(1), 2);
		same("each handler is called once", a.pre * 100 + b.pre * 10 + c.pre, 111);
		same("the third handler is called before the second, as with kprobes", c.at < b.at, 1);
		same("the second handler is called before the first", b.at < a.at, 1);
		same("flush succeeds with three probes", flush_rkprobes(), 0);
	}
	same("the second probe can be disabled", disable_rkprobe(&b.p), 0);
	rktest_api_target(1);
	same("the other two handlers are called", a.pre * 100 + b.pre * 10 + c.pre, 212);
	unregister_rkprobe(&a.p);
	rktest_api_target(1);
	same("the third handler alone is called", a.pre * 100 + b.pre * 10 + c.pre, 213);
	same("the second probe can be enabled", enable_rkprobe(&b.p), 0);
	rktest_api_target(1);
	same("the second and the third handler are called", b.pre * 10 + c.pre, 24);
	unregister_rkprobe(&b.p);
	unregister_rkprobe(&c.p);
	rktest_api_target(1);
	same("no handler is called after the unregistration", b.pre * 10 + c.pre, 24);
}

static void test_disabled(void)
{
	set(&a, "rktest_api_target", FIRST);
	a.p.flags = RKPROBE_FLAG_DISABLED;
	same("a disabled probe can be registered", register_rkprobe(&a.p), 0);
	rktest_api_target(1);
	same("a disabled probe has no hit", a.pre, 0);
	same("the disabled probe can be enabled", enable_rkprobe(&a.p), 0);
	same("the enabled probe can be enabled again", enable_rkprobe(&a.p), 0);
	rktest_api_target(1);
	same("the enabled probe has a hit", a.pre, 1);
	same("flush succeeds with the enabled probe", flush_rkprobes(), 0);
	same("a probe with a jump can be disabled", disable_rkprobe(&a.p), 0);
	rktest_api_target(1);
	same("the disabled jump has no hit at once", a.pre, 1);
	same("the disabled probe can be disabled again", disable_rkprobe(&a.p), 0);
	same("a probe can be enabled before its jump is removed", enable_rkprobe(&a.p), 0);
	rktest_api_target(1);
	same("the probe that was enabled again has a hit", a.pre, 2);
	unregister_rkprobe(&a.p);
}

static u8 text_at(struct seen *s)
{
	return READ_ONCE(*(u8 *)s->p.addr);
}

/*
 * A post_handler turns a jump back at once. When its probe is removed, the site
 * becomes a jump again.
 */
static void test_post(void)
{
	set(&a, "rktest_api_target", FIRST);
	set(&b, "rktest_api_target", FIRST);
	b.p.post_handler = post_handler;
	same("flush succeeds with sites of earlier tests", flush_rkprobes(), 0);
	same("a probe without a post_handler can be registered", register_rkprobe(&a.p), 0);
	same("the site is an int3 at first", text_at(&a), 0xcc);
	same("flush succeeds without a post_handler", flush_rkprobes(), 0);
	same("the site is a jump after the flush", text_at(&a), 0xe9);
	same("a probe with a post_handler can be registered", register_rkprobe(&b.p), 0);
	same("the site is an int3 at once", text_at(&a), 0xcc);
	same("flush succeeds with a post_handler", flush_rkprobes(), 0);
	same("the site stays an int3 with a post_handler", text_at(&a), 0xcc);
	same("the function is right with a post_handler", rktest_api_target(1), 2);
	same("all three handlers are called", a.pre * 100 + b.pre * 10 + b.post, 111);
	unregister_rkprobe(&b.p);
	same("flush succeeds after the unregistration", flush_rkprobes(), 0);
	same("the site is a jump again", text_at(&a), 0xe9);
	rktest_api_target(1);
	same("the jump has a hit", a.pre, 2);
	unregister_rkprobe(&a.p);
}

static int native_handler(struct kprobe *kp, struct pt_regs *regs)
{
	return 0;
}

/*
 * While a native kprobe is on our jump, the jump cannot be removed. It calls no
 * post_handler, so a probe with one is refused, and not accepted in silence.
 */
static void test_blocked(void)
{
	struct kprobe native = {
		.symbol_name = "rktest_api_target",
		.offset = FIRST,
		.pre_handler = native_handler,
	};

	set(&a, "rktest_api_target", FIRST);
	set(&b, "rktest_api_target", FIRST);
	b.p.post_handler = post_handler;
	set(&c, "rktest_api_target", FIRST);
	same("a probe can be registered before the native kprobe", register_rkprobe(&a.p), 0);
	same("flush succeeds before the native kprobe", flush_rkprobes(), 0);
	same("the site is a jump before the native kprobe", text_at(&a), 0xe9);
	same("a native kprobe can be registered on our jump", register_kprobe(&native), 0);
	same("a post_handler under a native kprobe is refused", register_rkprobe(&b.p), -EBUSY);
	same("a pre_handler under a native kprobe is accepted", register_rkprobe(&c.p), 0);
	b.p.flags = RKPROBE_FLAG_DISABLED;
	same("a disabled post_handler under a native kprobe is accepted", register_rkprobe(&b.p), 0);
	same("a post_handler under a native kprobe cannot be enabled", enable_rkprobe(&b.p), -EBUSY);
	same("the function is right under a native kprobe", rktest_api_target(1), 2);
	same("the pre_handlers are called under a native kprobe", a.pre + c.pre, 2);
	same("no post_handler is called under a native kprobe", b.pre + b.post, 0);
	unregister_kprobe(&native);
	same("the post_handler can be enabled without the native kprobe", enable_rkprobe(&b.p), 0);
	same("the function is right without the native kprobe", rktest_api_target(1), 2);
	same("the post_handler is called without the native kprobe", b.post, 1);
	unregister_rkprobe(&a.p);
	unregister_rkprobe(&b.p);
	unregister_rkprobe(&c.p);
}

/* The handler of a probe that is hit inside a handler is not called. The miss is counted. */
static void test_missed(void)
{
	set(&a, "rktest_api_target", FIRST);
	set(&b, "rktest_api_inner", FIRST);
	a.p.pre_handler = call_inner;
	same("the outer probe can be registered", register_rkprobe(&a.p), 0);
	same("the inner probe can be registered", register_rkprobe(&b.p), 0);
	same("the function is right with int3s", rktest_api_target(1), 2);
	same("the outer handler is called by an int3", a.pre, 1);
	same("the inner handler is not called by an int3", b.pre, 0);
	same("the inner probe counts a miss", b.p.nmissed, 1);
	same("flush succeeds with both probes", flush_rkprobes(), 0);
	same("the function is right with jumps", rktest_api_target(1), 2);
	same("the outer handler is called by a jump", a.pre, 2);
	same("the inner handler is not called by a jump", b.pre, 0);
	same("the inner probe counts another miss", b.p.nmissed, 2);
	rktest_api_inner(1);
	same("the inner handler is called outside of handlers", b.pre, 1);
	unregister_rkprobe(&a.p);
	unregister_rkprobe(&b.p);
}

static void set_counting(struct seen *s, const char *symbol)
{
	set(s, symbol, FIRST);
	s->p.pre_handler = NULL;
}

/* A probe without handlers counts. Its jump counts without calling a handler. */
static void test_counting(void)
{
	set_counting(&a, "rktest_api_target");
	set_counting(&b, "rktest_api_target");
	same("flush succeeds with sites of earlier tests", flush_rkprobes(), 0);
	same("a probe without handlers can be registered", register_rkprobe(&a.p), 0);
	rktest_api_target(1);
	same("the int3 counts a hit", rkprobe_hits(&a.p), 1);
	same("flush succeeds with that probe", flush_rkprobes(), 0);
	same("the site is a jump", text_at(&a), 0xe9);
	same("the function is right with a counting jump", rktest_api_target(1), 2);
	same("the jump counts a hit", rkprobe_hits(&a.p), 2);
	same("a second probe without handlers can be registered", register_rkprobe(&b.p), 0);
	same("the jump stays with the second probe", text_at(&a), 0xe9);
	rktest_api_target(1);
	same("both probes count their hits", rkprobe_hits(&a.p) * 10 + rkprobe_hits(&b.p), 31);

	set(&c, "rktest_api_target", FIRST);
	same("a probe with a handler can be registered", register_rkprobe(&c.p), 0);
	same("the site is an int3 at once with the handler", text_at(&a), 0xcc);
	same("flush succeeds with the handler", flush_rkprobes(), 0);
	same("the site is a jump again with the handler", text_at(&a), 0xe9);
	rktest_api_target(1);
	same("the handler is called", c.pre, 1);
	same("all three probes count their hits",
	     rkprobe_hits(&a.p) * 100 + rkprobe_hits(&b.p) * 10 + rkprobe_hits(&c.p), 421);
	unregister_rkprobe(&c.p);
	unregister_rkprobe(&b.p);
	same("a removed probe has no hits", rkprobe_hits(&b.p), 0);
	rktest_api_target(1);
	same("the last probe counts its hits", rkprobe_hits(&a.p), 5);
	unregister_rkprobe(&a.p);
	same("the last probe has no hits when it is removed", rkprobe_hits(&a.p), 0);
}

/* Inside a handler an int3 is missed. A jump that counts is hit, because it calls no handler. */
static void test_counting_inside(void)
{
	set(&a, "rktest_api_target", FIRST);
	a.p.pre_handler = call_inner;
	set_counting(&b, "rktest_api_inner");
	same("the outer probe can be registered", register_rkprobe(&a.p), 0);
	same("the inner probe can be registered", register_rkprobe(&b.p), 0);
	rktest_api_target(1);
	same("an int3 inside a handler is missed", rkprobe_hits(&b.p) * 10 + b.p.nmissed, 1);
	same("flush succeeds with both probes", flush_rkprobes(), 0);
	same("the inner site is a jump", text_at(&b), 0xe9);
	rktest_api_target(1);
	same("a counting jump inside a handler is hit", rkprobe_hits(&b.p) * 10 + b.p.nmissed, 11);
	unregister_rkprobe(&a.p);
	unregister_rkprobe(&b.p);
}

/* This function has an ftrace entry. */
long rktest_api_traced(long x);

noinline long rktest_api_traced(long x)
{
	barrier();
	return x + 1;
}

/* Two probes at an entry, one of them with a post_handler. They are removed in both orders. */
static void test_entry(void)
{
	struct seen *first[] = { &a, &b }, *second[] = { &b, &a };
	unsigned int order;

	for (order = 0; order < 2; order++) {
		set(&a, "rktest_api_traced", 0);
		set(&b, "rktest_api_traced", 0);
		b.p.post_handler = post_handler;
		same("a probe without a post_handler can be registered at an entry",
		     register_rkprobe(&a.p), 0);
		same("a probe with a post_handler can be registered at an entry",
		     register_rkprobe(&b.p), 0);
		same("the function is right with both probes", rktest_api_traced(1), 2);
		same("all three handlers are called", a.pre * 100 + b.pre * 10 + b.post, 111);
		unregister_rkprobe(&first[order]->p);
		same("the function is right with one probe", rktest_api_traced(1), 2);
		same("the remaining handlers are called",
		     second[order]->pre * 10 + second[order]->post, order ? 20 : 22);
		same("the removed handlers are not called",
		     first[order]->pre * 10 + first[order]->post, order ? 11 : 10);
		unregister_rkprobe(&second[order]->p);
		same("the function is right with no probe", rktest_api_traced(1), 2);
		same("no handler is called with no probe", a.pre + b.pre, 3);
	}
}

/* The bytes of the instruction that act_for_insn acts for. */
static unsigned int insn_len;

/* Has the effect of the MOV, or of the nop of the entry, writes orig_ax as handlers of native kprobes do, and returns 1. */
static int act_for_insn(struct rkprobe *p, struct pt_regs *regs)
{
	pre_handler(p, regs);
	regs->ax = regs->di;
	regs->orig_ax = ~0UL;
	regs->ip = (unsigned long)p->addr + insn_len;
	return 1;
}

static void returns(const char *lane, const char *symbol, unsigned int offset, long (*call)(long), bool post,
		    unsigned long others)
{
	unsigned int i;

	set(&a, symbol, offset);
	set(&b, symbol, offset);
	insn_len = offset ? 3 : 5;
	a.p.pre_handler = act_for_insn;
	if (post)
		b.p.post_handler = post_handler;
	/* The probe that was registered last is called first. */
	same("a probe there", register_rkprobe(&b.p), 0);
	same(lane, register_rkprobe(&a.p), 0);
	same("flush", flush_rkprobes(), 0);
	for (i = 0; i < 100; i++)
		if (call(i) != i + 1)
			break;
	same("right results", i, 100);
	same("hits of the one that does not return 0", a.pre, 100);
	same("hits of the other", b.pre, others);
	unregister_rkprobe(&b.p);
	unregister_rkprobe(&a.p);
	same("flush at the end", flush_rkprobes(), 0);
}

/* A pre_handler that does not return 0 stops the other handlers, but not on a jump. */
static void test_returns(void)
{
	returns("an int3", "rktest_api_target", FIRST, rktest_api_target, true, 0);
	returns("a jump", "rktest_api_target", FIRST, rktest_api_target, false, 100);
	returns("an entry", "rktest_api_traced", 0, rktest_api_traced, false, 0);
	returns("an entry with a post_handler", "rktest_api_traced", 0, rktest_api_traced, true, 0);
}

/*
 * As kernel/fail_function.c overrides a function: the handler sets the returned
 * value, and continues at a function that only returns.
 */
void rktest_api_just_return(void);
asm(".pushsection .text\n"
    ".type rktest_api_just_return, @function\n"
    "rktest_api_just_return:\n"
    ANNOTATE_NOENDBR "\n"
    ASM_RET
    ".size rktest_api_just_return, . - rktest_api_just_return\n"
    ".popsection\n");

static int __kprobes override_handler(struct rkprobe *p, struct pt_regs *regs)
{
	pre_handler(p, regs);
	regs_set_return_value(regs, -ENOMEM);
	instruction_pointer_set(regs, (unsigned long)rktest_api_just_return);
	return 1;
}

static void set_override(bool post)
{
	set(&a, "rktest_api_traced", 0);
	a.p.pre_handler = override_handler;
	if (post)
		a.p.post_handler = post_handler;
}

static void override(bool post)
{
	set_override(post);
	same("a probe that overrides the function is registered", register_rkprobe(&a.p), 0);
	same("the function is overridden", rktest_api_traced(1), -ENOMEM);
	same("the handler is called once", a.pre, 1);
	same("the post_handler is not called", a.post, 0);
	same("the probe can be disabled", disable_rkprobe(&a.p), 0);
	same("a disabled probe does not override", rktest_api_traced(1), 2);
	same("the probe can be enabled", enable_rkprobe(&a.p), 0);
	same("an enabled probe overrides", rktest_api_traced(1), -ENOMEM);
	unregister_rkprobe(&a.p);
	same("the function is itself after the unregistration", rktest_api_traced(1), 2);
}

static void redirect(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
		     struct ftrace_regs *fregs)
{
}

/* Changes ip as a livepatch does. */
static struct ftrace_ops other_user = {
	.func = redirect,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY,
};

/* Only one user of ftrace may change the ip of a function. */
static void test_override(void)
{
	override(true);
	override(false);

	set_override(true);
	same("the overriding probe is registered", register_rkprobe(&a.p), 0);
	ftrace_set_filter_ip(&other_user, (unsigned long)a.p.addr, 0, 1);
	same("another user of the ip is refused", register_ftrace_function(&other_user), -EBUSY);
	set(&b, "rktest_api_traced", 0);
	b.p.post_handler = post_handler;
	same("a second probe with a post_handler is registered", register_rkprobe(&b.p), 0);
	unregister_rkprobe(&a.p);
	same("the second probe keeps the ip", register_ftrace_function(&other_user), -EBUSY);
	same("the second probe is called", (rktest_api_traced(1), b.pre * 10 + b.post), 11);
	unregister_rkprobe(&b.p);
	same("another user gets the ip after that", register_ftrace_function(&other_user), 0);
	set_override(true);
	same("a probe with a post_handler is refused then", register_rkprobe(&a.p), -EBUSY);
	same("the reason names the conflict", a.p.reason && strstr(a.p.reason, "redirects"), 1);
	same("the function is right", rktest_api_traced(1), 2);
	set(&b, "rktest_api_traced", 0);
	same("a probe without a post_handler is registered", register_rkprobe(&b.p), 0);
	same("it is called", (rktest_api_traced(1), b.pre), 1);
	same("a post_handler cannot be added there", register_rkprobe(&a.p), -EBUSY);
	same("the first probe stays", (rktest_api_traced(1), b.pre * 10 + a.pre), 20);
	unregister_ftrace_function(&other_user);
	same("a post_handler can be added when the other user is gone", register_rkprobe(&a.p), 0);
	same("the probe that was registered last overrides", rktest_api_traced(1), -ENOMEM);
	same("the other probe is not called", b.pre, 2);
	unregister_rkprobe(&a.p);
	unregister_rkprobe(&b.p);
	ftrace_free_filter(&other_user);
}

/* Many probes at one address: registered in one batch and one by one, and removed in both orders. */
#define CROWD 2000

static void test_crowd(void)
{
	struct rkprobe **all = kvcalloc(CROWD, sizeof(*all), GFP_KERNEL);
	struct rkprobe *probes = kvcalloc(CROWD, sizeof(*probes), GFP_KERNEL);
	unsigned long hits = 0, bad = 0;
	unsigned int i;

	same("there is memory for the probes", all && probes, 1);
	for (i = 0; all && probes && i < CROWD; i++) {
		probes[i].symbol_name = "rktest_api_target";
		probes[i].offset = FIRST;
		all[i] = &probes[i];
	}
	same("a batch at one address is registered", register_rkprobes(all, CROWD), 0);
	rktest_api_target(1);
	for (i = 0; i < CROWD; i++)
		hits += rkprobe_hits(all[i]);
	same("each probe has a hit", hits, CROWD);
	unregister_rkprobes(all, CROWD);
	for (i = 0; i < CROWD; i++)
		bad += register_rkprobe(all[i]) != 0;
	same("the probes are registered one by one", bad, 0);
	rktest_api_target(1);
	for (i = hits = 0; i < CROWD; i++)
		hits += rkprobe_hits(all[i]);
	same("each probe has one hit again", hits, CROWD);
	for (i = 0; i < CROWD / 2; i++)
		swap(all[i], all[CROWD - 1 - i]);
	unregister_rkprobes(all, CROWD);
	same("the function is right after the crowd", rktest_api_target(1), 2);
	kvfree(probes);
	kvfree(all);
}

/* A refused batch says which probe was refused, and why. */
static void test_reasons(void)
{
	struct rkprobe *all[] = { &a.p, &b.p, &c.p };

	set(&a, "rktest_api_target", FIRST);
	set(&b, "no_such_function_here", 0);
	set(&c, "rktest_api_target", INSIDE);
	same("a batch with two bad probes is refused", register_rkprobes(all, 3), -ENOENT);
	same("the good probe has no reason", a.p.reason == NULL, 1);
	same("the unknown symbol has its reason",
	     b.p.reason && strstarts(b.p.reason, "unknown symbol: "), 1);
	same("the bad offset has its reason",
	     c.p.reason && strstarts(c.p.reason, "inside an instruction: choose its first byte"), 1);
	same("the good probe can be registered", register_rkprobe(&a.p), 0);
	same("a second registration is refused", register_rkprobe(&a.p), -EINVAL);
	same("the second registration has its reason",
	     a.p.reason && strstarts(a.p.reason, "already registered: unregister it"), 1);
	unregister_rkprobe(&a.p);
	same("the probe can be registered again", register_rkprobe(&a.p), 0);
	same("a registered probe has no reason", a.p.reason == NULL, 1);
	unregister_rkprobe(&a.p);
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
	same("limit fails before the registration", limit_rkprobe(&a.p, 1), -EINVAL);
	same("limit fails for NULL", limit_rkprobe(NULL, 1), -EINVAL);
	a.p.limit = 10;
	same("a probe with a limit can be registered", register_rkprobe(&a.p), 0);
	for (i = 0; i < 1000; i++)
		rktest_api_target(1);
	wait_until_disabled();
	same("the probe with too many hits is disabled",
	     a.p.flags, RKPROBE_FLAG_DISABLED | RKPROBE_FLAG_LIMITED);
	i = a.pre;
	rktest_api_target(1);
	same("the disabled probe has no hits", a.pre, i);
	same("another limit can be set", limit_rkprobe(&a.p, 1000000), 0);
	same("the disabled probe can be enabled", enable_rkprobe(&a.p), 0);
	same("the enabled probe has no flags", a.p.flags, 0);
	rktest_api_target(1);
	same("the enabled probe has a hit", a.pre, i + 1);
	unregister_rkprobe(&a.p);
	same("limit fails after the unregistration", limit_rkprobe(&a.p, 1), -EINVAL);
}

static const struct rktest_group tests[] = {
	{ "errors", test_errors },
	{ "again", test_again },
	{ "batch", test_batch },
	{ "handlers", test_handlers },
	{ "changes", test_changes },
	{ "aggregate", test_aggregate },
	{ "disabled", test_disabled },
	{ "post", test_post },
	{ "blocked", test_blocked },
	{ "missed", test_missed },
	{ "counting", test_counting },
	{ "inside", test_counting_inside },
	{ "entry", test_entry },
	{ "returns", test_returns },
	{ "override", test_override },
	{ "crowd", test_crowd },
	{ "reasons", test_reasons },
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
