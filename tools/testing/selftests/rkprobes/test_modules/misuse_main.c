// SPDX-License-Identifier: GPL-2.0
/*
 * The C API used as it must not be. Groups of assertions, each a command by its
 * name: null, twice, garbage, inside, work, at_once, overwritten; and "leave", which
 * leaves two probes behind when the module is unloaded. With early=1 the module's init
 * function leaves one in memory that is freed when it has run.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/ptrace.h>
#include <linux/workqueue.h>
#include <rkprobes.h>
#include "assertions.h"

static int early;
module_param(early, int, 0400);
MODULE_PARM_DESC(early, "leave a probe in init data");

long rktest_api_target(long x);
long rktest_api_inner(long x);

/* Behind an ENDBR, if the kernel has them. */
#define FIRST	(IS_ENABLED(CONFIG_X86_KERNEL_IBT) ? 4 : 0)

long rktest_misuse_traced(long x);

/* Has an ftrace entry. */
noinline long rktest_misuse_traced(long x)
{
	barrier();
	return x + 1;
}

struct counted {
	struct rkprobe p;
	unsigned long hits;
};

static struct counted a, b;

static int count(struct rkprobe *p, struct pt_regs *regs)
{
	container_of(p, struct counted, p)->hits++;
	return 0;
}

static void set(struct counted *c, const char *symbol, unsigned int offset)
{
	memset(c, 0, sizeof(*c));
	c->p.symbol_name = symbol;
	c->p.offset = offset;
	c->p.pre_handler = count;
}

static void test_null(void)
{
	struct rkprobe *some[] = { &a.p, NULL, &b.p };

	same("register nothing", register_rkprobe(NULL), -EINVAL);
	same("enable nothing", enable_rkprobe(NULL), -EINVAL);
	same("disable nothing", disable_rkprobe(NULL), -EINVAL);
	same("hits of nothing", rkprobe_hits(NULL), 0);
	unregister_rkprobe(NULL);
	same("no array", register_rkprobes(NULL, 3), -EINVAL);
	unregister_rkprobes(NULL, 3);
	set(&a, "rktest_api_target", FIRST);
	set(&b, "rktest_api_inner", FIRST);
	same("nothing in an array", register_rkprobes(some, 3), -EINVAL);
	rktest_api_target(1);
	same("no other of it is registered", a.hits, 0);
	same("nor known", disable_rkprobe(&a.p), -EINVAL);
	some[1] = &b.p;
	same("an array", register_rkprobes(some, 2), 0);
	some[1] = NULL;
	unregister_rkprobes(some, -1);
	unregister_rkprobes(some, 0);
	same("less than none are removed", disable_rkprobe(&a.p), 0);
	unregister_rkprobes(some, 3);
	same("all but nothing are removed", disable_rkprobe(&a.p), -EINVAL);
	same("the last as well", disable_rkprobe(&b.p), -EINVAL);
}

static void test_twice(void)
{
	struct rkprobe *twice[] = { &a.p, &a.p };
	struct counted copy;

	set(&a, "rktest_api_target", FIRST);
	same("twice in a batch", register_rkprobes(twice, 2), -EINVAL);
	same("is not registered", disable_rkprobe(&a.p), -EINVAL);
	same("once", register_rkprobe(&a.p), 0);
	same("again", register_rkprobe(&a.p), -EINVAL);
	same("again in a batch", register_rkprobes(twice, 1), -EINVAL);
	copy = a;
	same("a copy of it", register_rkprobe(&copy.p), -EINVAL);
	same("enable a copy", enable_rkprobe(&copy.p), -EINVAL);
	unregister_rkprobe(&copy.p);
	rktest_api_target(1);
	same("the first is still hit", a.hits, 1);
	same("and counted", rkprobe_hits(&a.p), 1);
	unregister_rkprobes(twice, 2);
	same("removed twice at once", disable_rkprobe(&a.p), -EINVAL);
	unregister_rkprobe(&a.p);
	unregister_rkprobes(twice, 2);
	same("hits of what is removed", rkprobe_hits(&a.p), 0);
	/* The copy says that it is registered. */
	unregister_rkprobe(&copy.p);
	same("registered once more", register_rkprobe(&a.p), 0);
	unregister_rkprobe(&a.p);
}

static void test_garbage(void)
{
	memset(&a, 0xff, sizeof(a));
	same("register garbage", register_rkprobe(&a.p), -EINVAL);
	same("enable garbage", enable_rkprobe(&a.p), -EINVAL);
	same("disable garbage", disable_rkprobe(&a.p), -EINVAL);
	unregister_rkprobe(&a.p);
	set(&a, "rktest_api_target", ~0u);
	same("an offset of 4 GiB", register_rkprobe(&a.p), -EINVAL);
	set(&a, "", 0);
	same("an empty symbol", register_rkprobe(&a.p), -ENOENT);
	set(&a, ":", 0);
	same("a colon", register_rkprobe(&a.p), -ENOENT);
	set(&a, "a:b:c", 0);
	same("two colons", register_rkprobe(&a.p), -ENOENT);
	set(&a, "\xff\xfe", 0);
	same("a symbol that is no text", register_rkprobe(&a.p), -ENOENT);
	set(&a, NULL, FIRST);
	a.p.addr = (void *)~0ul;
	same("the last address", register_rkprobe(&a.p), -EINVAL);
	set(&a, "rktest_api_target", FIRST);
	a.p.flags = ~RKPROBE_FLAG_DISABLED;
	a.p.nmissed = 4711;
	same("flags that there are not", register_rkprobe(&a.p), 0);
	same("are cleared", a.p.flags, 0);
	same("and misses", a.p.nmissed, 0);
	unregister_rkprobe(&a.p);
}

/* What the calls in a handler gave: how often it was called, and how many errnos were other than they must be. */
static unsigned long inside, wrong;

static int misuse(struct rkprobe *p, struct pt_regs *regs)
{
	struct rkprobe *both[] = { &a.p, &b.p };

	inside++;
	wrong += register_rkprobe(&b.p) != -EDEADLK;
	wrong += register_rkprobe(p) != -EDEADLK;
	wrong += register_rkprobes(both, 2) != -EDEADLK;
	wrong += enable_rkprobe(p) != -EDEADLK;
	wrong += disable_rkprobe(p) != -EDEADLK;
	wrong += flush_rkprobes() != -EDEADLK;
	unregister_rkprobe(p);
	unregister_rkprobes(both, 2);
	return 0;
}

static void misuse_behind(struct rkprobe *p, struct pt_regs *regs, unsigned long flags)
{
	misuse(p, regs);
}

static void test_inside(void)
{
	inside = wrong = 0;
	set(&a, "rktest_api_target", FIRST);
	set(&b, "rktest_api_inner", FIRST);
	a.p.pre_handler = misuse;
	same("register", register_rkprobe(&a.p), 0);
	same("result of an int3", rktest_api_target(1), 2);
	same("flush", flush_rkprobes(), 0);
	same("result of a jump", rktest_api_target(1), 2);
	same("called by both", inside, 2);
	unregister_rkprobe(&a.p);
	a.p.post_handler = misuse_behind;
	same("register with a post_handler", register_rkprobe(&a.p), 0);
	same("result", rktest_api_target(1), 2);
	same("called before and behind", inside, 4);
	unregister_rkprobe(&a.p);
	set(&a, "rktest_misuse_traced", 0);
	a.p.pre_handler = misuse;
	same("register at an entry", register_rkprobe(&a.p), 0);
	same("result of an entry", rktest_misuse_traced(1), 2);
	same("called by ftrace", inside, 5);
	same("all of it is refused", wrong, 0);
	same("still registered", disable_rkprobe(&a.p), 0);
	unregister_rkprobe(&a.p);
	same("the other never was", disable_rkprobe(&b.p), -EINVAL);
}

static struct rkprobe *doomed;
static DECLARE_COMPLETION(removed);

static void remove_fn(struct work_struct *work)
{
	unregister_rkprobe(doomed);
	complete(&removed);
}

static DECLARE_WORK(remove_work, remove_fn);

static void queue_removal(struct irq_work *work)
{
	schedule_work(&remove_work);
}

static struct irq_work removal = IRQ_WORK_INIT(queue_removal);

/* The way to do it: an irq_work may be queued anywhere, a work item may sleep. */
static int remove_later(struct rkprobe *p, struct pt_regs *regs)
{
	irq_work_queue(&removal);
	return count(p, regs);
}

static void remove_by(struct rkprobe *victim, bool jump)
{
	set(&a, "rktest_api_target", FIRST);
	set(&b, "rktest_api_inner", FIRST);
	a.p.pre_handler = remove_later;
	doomed = victim;
	reinit_completion(&removed);
	same("first", register_rkprobe(&a.p), 0);
	same("second", register_rkprobe(&b.p), 0);
	if (jump)
		same("flush", flush_rkprobes(), 0);
	same("result", rktest_api_target(1), 2);
	same("the work item ends", wait_for_completion_timeout(&removed, 30 * HZ) > 0, 1);
	same("hit once", a.hits, 1);
	same("the one is removed", disable_rkprobe(victim), -EINVAL);
	same("the other is not", disable_rkprobe(victim == &a.p ? &b.p : &a.p), 0);
	same("result afterwards", rktest_api_target(1), 2);
	same("no more hits of the one", victim == &a.p ? a.hits : b.hits, victim == &a.p);
	unregister_rkprobe(&a.p);
	unregister_rkprobe(&b.p);
}

static void test_work(void)
{
	remove_by(&b.p, false);
	remove_by(&b.p, true);
	remove_by(&a.p, false);
	remove_by(&a.p, true);
}

struct at_once {
	struct completion start;
	struct completion ended;
};

static int unregister_thread(void *data)
{
	struct at_once *at_once = data;

	wait_for_completion(&at_once->start);
	unregister_rkprobe(&a.p);
	kthread_complete_and_exit(&at_once->ended, 0);
}

/* Two that remove the same probe. */
static void test_at_once(void)
{
	unsigned int turn, i, failed = 0;

	for (turn = 0; turn < 20; turn++) {
		struct at_once at_once;
		unsigned int running = 0;

		init_completion(&at_once.start);
		init_completion(&at_once.ended);
		set(&a, "rktest_api_target", FIRST);
		failed += register_rkprobe(&a.p) != 0;
		for (i = 0; i < 2; i++)
			running += !IS_ERR(kthread_run(unregister_thread, &at_once, "rktest/%u", i));
		failed += running != 2;
		complete_all(&at_once.start);
		while (running--)
			wait_for_completion(&at_once.ended);
		failed += disable_rkprobe(&a.p) != -EINVAL;
	}
	same("twenty times", failed, 0);
}

/* Its memory was overwritten while it was registered: it is refused, and those on its address go on. */
static void test_overwritten(void)
{
	set(&a, "rktest_api_target", FIRST);
	a.p.flags = RKPROBE_FLAG_DISABLED;
	same("one", register_rkprobe(&a.p), 0);
	b.p = a.p;
	set(&a, "rktest_api_target", FIRST);
	same("again", register_rkprobe(&a.p), -EINVAL);
	same("result", rktest_api_target(1), 2);
	a.p = b.p;
	unregister_rkprobe(&a.p);
	same("it is removed", disable_rkprobe(&a.p), -EINVAL);
}

/* One with a handler, one that has nothing but itself in this module. */
static void test_leave(void)
{
	set(&a, "rktest_functions:rktest_alu", 0);
	set(&b, "rktest_functions:rktest_alu", 7);
	b.p.pre_handler = NULL;
	same("one", register_rkprobe(&a.p), 0);
	same("another", register_rkprobe(&b.p), 0);
}

static const struct rktest_group tests[] = {
	{ "null", test_null },
	{ "twice", test_twice },
	{ "garbage", test_garbage },
	{ "inside", test_inside },
	{ "work", test_work },
	{ "at_once", test_at_once },
	{ "overwritten", test_overwritten },
	{ "leave", test_leave },
};

static int rktest_run(int argc, char **argv)
{
	return argc == 1 ? rktest_run_group(tests, ARRAY_SIZE(tests), argv[0]) : -EINVAL;
}

static struct rkprobe left_in_init __initdata = {
	.symbol_name = "rktest_functions:rktest_alu",
};

static int __init misuse_init(void)
{
	return early ? register_rkprobe(&left_in_init) : 0;
}

static void __exit misuse_exit(void)
{
	irq_work_sync(&removal);
	flush_work(&remove_work);
}

module_init(misuse_init);
module_exit(misuse_exit);
MODULE_DESCRIPTION("The C API of rkprobes, used as it must not be");
MODULE_LICENSE("GPL");
