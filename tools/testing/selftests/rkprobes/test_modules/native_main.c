// SPDX-License-Identifier: GPL-2.0
/*
 * Native kprobes on command, for tests with probes of rkprobes beside them. Commands:
 *
 *   add SYMBOL OFFSET       registers a native kprobe in the lowest free place, prints the place
 *   add_post SYMBOL OFFSET  registers one with a post_handler, which never becomes a jump
 *   del PLACE, enable PLACE, disable PLACE
 *   hits PLACE
 *   byte PLACE              prints its first byte in the text
 *   call FUNCTION N         calls a function of native_text.S, prints the result
 *   storm SYMBOL OFFSET     registers a disabled native kprobe again and again, until calm
 *   calm                    prints the number of attempts and the number of successes
 *   linger ADDRESS          the storm's task stays a millisecond in front of this mutex;
 *                           0 ends that
 *   hook_returns, unhook_returns
 *                           a kretprobe replaces the return addresses of mutex_lock()
 *   flip                    changes a static key again and again, until flipped
 *   flipped                 prints the number of changes and the longest one in microseconds
 */
#include <linux/delay.h>
#include <linux/jump_label.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include "rktest.h"

#define PLACES	8

struct native {
	struct kprobe kp;
	char symbol[64];
	bool used;
	atomic_long_t hits;
};

static struct native natives[PLACES];

unsigned long rktest_none(unsigned long n);
unsigned long rktest_region(unsigned long n);
unsigned long rktest_branch(unsigned long n);
unsigned long rktest_swallowed(unsigned long n);
unsigned long rktest_boundary(unsigned long n);

static int call(const char *function, const char *argument)
{
	unsigned long n, value;
	int ret = kstrtoul(argument, 0, &n);

	if (ret)
		return ret;
	if (!strcmp(function, "none"))
		value = rktest_none(n);
	else if (!strcmp(function, "region"))
		value = rktest_region(n);
	else if (!strcmp(function, "branch"))
		value = rktest_branch(n);
	else if (!strcmp(function, "swallowed"))
		value = rktest_swallowed(n);
	else if (!strcmp(function, "boundary"))
		value = rktest_boundary(n);
	else
		return -ENOENT;
	rktest_print("%lu\n", value);
	return 0;
}

static int pre_handler(struct kprobe *kp, struct pt_regs *regs)
{
	atomic_long_inc(&container_of(kp, struct native, kp)->hits);
	return 0;
}

static void post_handler(struct kprobe *kp, struct pt_regs *regs, unsigned long flags)
{
}

static int add(const char *symbol, const char *offset, bool post)
{
	struct native *n;
	int ret;

	for (n = natives; n->used; n++)
		if (n == &natives[PLACES - 1])
			return -ENOSPC;
	memset(n, 0, sizeof(*n));
	strscpy(n->symbol, symbol);
	n->kp.symbol_name = n->symbol;
	n->kp.pre_handler = pre_handler;
	if (post)
		n->kp.post_handler = post_handler;
	ret = kstrtouint(offset, 0, &n->kp.offset);
	if (!ret)
		ret = register_kprobe(&n->kp);
	if (ret)
		return ret;
	n->used = true;
	rktest_print("%td\n", n - natives);
	return 0;
}

static void del(struct native *n)
{
	unregister_kprobe(&n->kp);
	n->used = false;
}

static struct {
	struct task_struct *task;
	char symbol[64];
	unsigned int offset;
	unsigned long tries, let_in;
} storm;

static int blow(void *unused)
{
	while (!kthread_should_stop()) {
		struct kprobe kp = {
			.symbol_name = storm.symbol,
			.offset = storm.offset,
			.flags = KPROBE_FLAG_DISABLED,
		};

		storm.tries++;
		if (!register_kprobe(&kp)) {
			storm.let_in++;
			unregister_kprobe(&kp);
		}
		cond_resched_tasks_rcu_qs();
	}
	return 0;
}

static int start_storm(const char *symbol, const char *offset)
{
	struct task_struct *task;
	int ret;

	if (storm.task)
		return -EBUSY;
	storm.tries = 0;
	storm.let_in = 0;
	strscpy(storm.symbol, symbol);
	ret = kstrtouint(offset, 0, &storm.offset);
	if (ret)
		return ret;
	task = kthread_run(blow, NULL, "rktest_storm");
	if (IS_ERR(task))
		return PTR_ERR(task);
	storm.task = task;
	return 0;
}

#ifdef CONFIG_DEBUG_LOCK_ALLOC
#define LOCK	"mutex_lock_nested"
#else
#define LOCK	"mutex_lock"
#endif

static unsigned long lingers_at;

/*
 * The task spins with preemption off. The timer's interrupt asks for the CPU meanwhile,
 * so the task is preempted directly after it.
 */
static int linger_handler(struct kprobe *kp, struct pt_regs *regs)
{
	if (current == READ_ONCE(storm.task) && regs->di == READ_ONCE(lingers_at))
		mdelay(1);
	return 0;
}

static struct kprobe linger_kp = {
	.symbol_name = LOCK,
	.pre_handler = linger_handler,
};

static int linger(const char *address)
{
	unsigned long addr;
	int ret = kstrtoul(address, 0, &addr);

	if (ret)
		return ret;
	if (addr && !lingers_at) {
		ret = register_kprobe(&linger_kp);
		if (ret)
			return ret;
	} else if (!addr && lingers_at) {
		unregister_kprobe(&linger_kp);
		/* A kprobe that is registered again has no address. */
		linger_kp.addr = NULL;
	}
	WRITE_ONCE(lingers_at, addr);
	return 0;
}

static int return_handler(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	return 0;
}

static struct kretprobe returns = {
	.kp.symbol_name = LOCK,
	.handler = return_handler,
	.maxactive = 256,
};
static bool are_returns_hooked;

static int hook_returns(void)
{
	int ret = are_returns_hooked ? -EBUSY : register_kretprobe(&returns);

	if (!ret)
		are_returns_hooked = true;
	return ret;
}

static int unhook_returns(void)
{
	if (!are_returns_hooked)
		return -ENOENT;
	unregister_kretprobe(&returns);
	returns.kp.addr = NULL;
	are_returns_hooked = false;
	return 0;
}

static int calm(void)
{
	if (!storm.task)
		return -ENOENT;
	kthread_stop(storm.task);
	storm.task = NULL;
	rktest_print("%lu %lu\n", storm.tries, storm.let_in);
	return 0;
}

static DEFINE_STATIC_KEY_FALSE(key);

static struct {
	struct task_struct *task;
	unsigned long count, used;
	s64 longest;
} flips;

static int flip(void *unused)
{
	ktime_t begin;

	while (!kthread_should_stop()) {
		begin = ktime_get();
		if (static_key_enabled(&key))
			static_branch_disable(&key);
		else
			static_branch_enable(&key);
		flips.longest = max(flips.longest, ktime_us_delta(ktime_get(), begin));
		flips.count++;
		/* A key without a user in the text would poke nothing. */
		if (static_branch_unlikely(&key))
			flips.used++;
		usleep_range(500, 1000);
	}
	return 0;
}

static int start_flips(void)
{
	if (flips.task)
		return -EBUSY;
	memset(&flips, 0, sizeof(flips));
	flips.task = kthread_run(flip, NULL, "rktest_flips");
	if (IS_ERR(flips.task)) {
		int ret = PTR_ERR(flips.task);

		flips.task = NULL;
		return ret;
	}
	return 0;
}

static int stop_flips(void)
{
	if (!flips.task)
		return -ENOENT;
	kthread_stop(flips.task);
	flips.task = NULL;
	rktest_print("%lu %lld\n", flips.count, flips.longest);
	return 0;
}

static int rktest_run(int argc, char **argv)
{
	unsigned int place;
	struct native *n;

	if (rktest_is(argc, argv, "add", 2))
		return add(argv[1], argv[2], false);
	if (rktest_is(argc, argv, "add_post", 2))
		return add(argv[1], argv[2], true);
	if (rktest_is(argc, argv, "call", 2))
		return call(argv[1], argv[2]);
	if (rktest_is(argc, argv, "storm", 2))
		return start_storm(argv[1], argv[2]);
	if (rktest_is(argc, argv, "calm", 0))
		return calm();
	if (rktest_is(argc, argv, "linger", 1))
		return linger(argv[1]);
	if (rktest_is(argc, argv, "hook_returns", 0))
		return hook_returns();
	if (rktest_is(argc, argv, "unhook_returns", 0))
		return unhook_returns();
	if (rktest_is(argc, argv, "flip", 0))
		return start_flips();
	if (rktest_is(argc, argv, "flipped", 0))
		return stop_flips();
	if (argc != 2 || kstrtouint(argv[1], 0, &place) || place >= PLACES)
		return -EINVAL;
	n = &natives[place];
	if (!n->used)
		return -ENOENT;
	if (!strcmp(argv[0], "enable"))
		return enable_kprobe(&n->kp);
	if (!strcmp(argv[0], "disable"))
		return disable_kprobe(&n->kp);
	if (!strcmp(argv[0], "hits")) {
		rktest_print("%ld\n", atomic_long_read(&n->hits));
		return 0;
	}
	if (!strcmp(argv[0], "byte")) {
		rktest_print("%02x\n", *READ_ONCE(n->kp.addr));
		return 0;
	}
	if (strcmp(argv[0], "del"))
		return -EINVAL;
	del(n);
	return 0;
}

static int __init native_init(void)
{
	return 0;
}

static void __exit native_exit(void)
{
	struct native *n;

	if (storm.task)
		kthread_stop(storm.task);
	linger("0");
	unhook_returns();
	if (flips.task)
		kthread_stop(flips.task);
	for (n = natives; n < natives + PLACES; n++)
		if (n->used)
			del(n);
}

module_init(native_init);
module_exit(native_exit);
MODULE_DESCRIPTION("Native kprobes on command, for the rkprobes tests");
MODULE_LICENSE("GPL");
