// SPDX-License-Identifier: GPL-2.0
/*
 * Wrong use of the C API. The names of the groups of assertions are commands: null,
 * twice, garbage, inside, work, at_once, overwritten, and leave. The group leave
 * leaves two probes behind when the module is unloaded. With early=1 the module's
 * init function leaves a probe in memory that is freed when the function has run.
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

/* After an ENDBR, if the kernel has them. */
#define FIRST	(IS_ENABLED(CONFIG_X86_KERNEL_IBT) ? 4 : 0)

long rktest_misuse_traced(long x);

/* This function has an ftrace entry. */
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

	same("register fails for NULL", register_rkprobe(NULL), -EINVAL);
	same("enable fails for NULL", enable_rkprobe(NULL), -EINVAL);
	same("disable fails for NULL", disable_rkprobe(NULL), -EINVAL);
	same("NULL has no hits", rkprobe_hits(NULL), 0);
	unregister_rkprobe(NULL);
	same("a batch without an array is refused", register_rkprobes(NULL, 3), -EINVAL);
	unregister_rkprobes(NULL, 3);
	set(&a, "rktest_api_target", FIRST);
	set(&b, "rktest_api_inner", FIRST);
	same("an array with NULL is refused", register_rkprobes(some, 3), -EINVAL);
	rktest_api_target(1);
	same("no probe of that array is hit", a.hits, 0);
	same("no probe of that array is registered", disable_rkprobe(&a.p), -EINVAL);
	some[1] = &b.p;
	same("an array without NULL is registered", register_rkprobes(some, 2), 0);
	some[1] = NULL;
	unregister_rkprobes(some, -1);
	unregister_rkprobes(some, 0);
	same("no probe is removed by counts below one", disable_rkprobe(&a.p), 0);
	unregister_rkprobes(some, 3);
	same("the probes of an array with NULL are removed", disable_rkprobe(&a.p), -EINVAL);
	same("the last probe of that array is removed", disable_rkprobe(&b.p), -EINVAL);
}

static void test_twice(void)
{
	struct rkprobe *twice[] = { &a.p, &a.p };
	struct counted copy;

	set(&a, "rktest_api_target", FIRST);
	same("a batch with a probe twice is refused", register_rkprobes(twice, 2), -EINVAL);
	same("the probe of that batch is not registered", disable_rkprobe(&a.p), -EINVAL);
	same("the probe can be registered once", register_rkprobe(&a.p), 0);
	same("a second registration is refused", register_rkprobe(&a.p), -EINVAL);
	same("a second registration in a batch is refused", register_rkprobes(twice, 1), -EINVAL);
	copy = a;
	same("the registration of a copy is refused", register_rkprobe(&copy.p), -EINVAL);
	same("enable fails for a copy", enable_rkprobe(&copy.p), -EINVAL);
	unregister_rkprobe(&copy.p);
	rktest_api_target(1);
	same("the original is still hit", a.hits, 1);
	same("the original still counts", rkprobe_hits(&a.p), 1);
	unregister_rkprobes(twice, 2);
	same("a probe can be removed twice at once", disable_rkprobe(&a.p), -EINVAL);
	unregister_rkprobe(&a.p);
	unregister_rkprobes(twice, 2);
	same("a removed probe has no hits", rkprobe_hits(&a.p), 0);
	/* The flags of the copy say that it is registered. */
	unregister_rkprobe(&copy.p);
	same("the probe can be registered after all that", register_rkprobe(&a.p), 0);
	unregister_rkprobe(&a.p);
}

static void test_garbage(void)
{
	memset(&a, 0xff, sizeof(a));
	same("register fails for garbage", register_rkprobe(&a.p), -EINVAL);
	same("enable fails for garbage", enable_rkprobe(&a.p), -EINVAL);
	same("disable fails for garbage", disable_rkprobe(&a.p), -EINVAL);
	unregister_rkprobe(&a.p);
	set(&a, "rktest_api_target", ~0u);
	same("an offset of 4 GiB is refused", register_rkprobe(&a.p), -EINVAL);
	set(&a, "", 0);
	same("an empty symbol is refused", register_rkprobe(&a.p), -ENOENT);
	set(&a, ":", 0);
	same("a symbol of one colon is refused", register_rkprobe(&a.p), -ENOENT);
	set(&a, "a:b:c", 0);
	same("a symbol with two colons is refused", register_rkprobe(&a.p), -ENOENT);
	set(&a, "\xff\xfe", 0);
	same("a symbol that is no text is refused", register_rkprobe(&a.p), -ENOENT);
	set(&a, NULL, FIRST);
	a.p.addr = (void *)~0ul;
	same("the last address is refused", register_rkprobe(&a.p), -ENOENT);
	set(&a, "rktest_api_target", FIRST);
	a.p.flags = ~RKPROBE_FLAG_DISABLED;
	a.p.nmissed = 4711;
	same("a probe with unknown flags is registered", register_rkprobe(&a.p), 0);
	same("unknown flags are cleared", a.p.flags, 0);
	same("the count of misses is cleared", a.p.nmissed, 0);
	unregister_rkprobe(&a.p);
}

/* How often a handler was called, and how many of its calls had a wrong errno. */
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

static void misuse_after(struct rkprobe *p, struct pt_regs *regs, unsigned long flags)
{
	misuse(p, regs);
}

static void test_inside(void)
{
	inside = wrong = 0;
	set(&a, "rktest_api_target", FIRST);
	set(&b, "rktest_api_inner", FIRST);
	a.p.pre_handler = misuse;
	same("a probe with misuse in its handler can be registered", register_rkprobe(&a.p), 0);
	same("the function is right with an int3", rktest_api_target(1), 2);
	same("flush succeeds", flush_rkprobes(), 0);
	same("the function is right with a jump", rktest_api_target(1), 2);
	same("int3 and jump call the handler", inside, 2);
	unregister_rkprobe(&a.p);
	a.p.post_handler = misuse_after;
	same("a probe with misuse in its post_handler can be registered",
	     register_rkprobe(&a.p), 0);
	same("the function is right with a post_handler", rktest_api_target(1), 2);
	same("pre_handler and post_handler are called", inside, 4);
	unregister_rkprobe(&a.p);
	set(&a, "rktest_misuse_traced", 0);
	a.p.pre_handler = misuse;
	same("a probe with misuse at an entry can be registered", register_rkprobe(&a.p), 0);
	same("the function is right with a probe at its entry", rktest_misuse_traced(1), 2);
	same("ftrace calls the handler", inside, 5);
	same("each call in a handler is refused", wrong, 0);
	same("the probe is still registered", disable_rkprobe(&a.p), 0);
	unregister_rkprobe(&a.p);
	same("the other probe was never registered", disable_rkprobe(&b.p), -EINVAL);
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

/*
 * The right way to unregister: an irq_work may be queued in any context, and a work
 * item may sleep.
 */
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
	same("the first probe can be registered", register_rkprobe(&a.p), 0);
	same("the second probe can be registered", register_rkprobe(&b.p), 0);
	if (jump)
		same("flush succeeds", flush_rkprobes(), 0);
	same("the function is right", rktest_api_target(1), 2);
	same("the work item ends in time", wait_for_completion_timeout(&removed, 30 * HZ) > 0, 1);
	same("the handler is called once", a.hits, 1);
	same("the probe is removed", disable_rkprobe(victim), -EINVAL);
	same("the other probe is not removed", disable_rkprobe(victim == &a.p ? &b.p : &a.p), 0);
	same("the function is right after the removal", rktest_api_target(1), 2);
	same("the removed probe has no more hits",
	     victim == &a.p ? a.hits : b.hits, victim == &a.p);
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

/* Two tasks remove one probe at once. */
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
	same("two tasks can remove a probe at once, twenty times", failed, 0);
}

/* The memory of a registered probe is overwritten: it is refused, and the function goes on. */
static void test_overwritten(void)
{
	set(&a, "rktest_api_target", FIRST);
	a.p.flags = RKPROBE_FLAG_DISABLED;
	same("a disabled probe can be registered", register_rkprobe(&a.p), 0);
	b.p = a.p;
	set(&a, "rktest_api_target", FIRST);
	same("the registration of overwritten memory is refused", register_rkprobe(&a.p), -EINVAL);
	same("the function is right with overwritten memory", rktest_api_target(1), 2);
	a.p = b.p;
	unregister_rkprobe(&a.p);
	same("the probe is removed when its memory is restored", disable_rkprobe(&a.p), -EINVAL);
}

/* One probe has a handler. The other probe has only its structure in this module. */
static void test_leave(void)
{
	set(&a, "rktest_functions:rktest_alu", 0);
	set(&b, "rktest_functions:rktest_alu", 7);
	b.p.pre_handler = NULL;
	same("a probe with a handler can be registered", register_rkprobe(&a.p), 0);
	same("a probe without handlers can be registered", register_rkprobe(&b.p), 0);
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
MODULE_DESCRIPTION("Wrong use of the C API of rkprobes");
MODULE_LICENSE("GPL");
