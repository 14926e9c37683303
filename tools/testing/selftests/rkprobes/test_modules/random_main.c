// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations of all kinds on hot functions, from several CPUs at once. Each
 * function has two sites. Each site has two probes, which belong to different
 * operators. In every other function the second site is in the region of the first
 * site's jump. Some probes only count. Callers call all functions all the time.
 *
 * Commands: "random OPERATIONS SEED", "exact ROUNDS", "latency COUNT". Each prints
 * "name value" lines. It fails if a result, a number of hits or the text is wrong.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>
#include <rkprobes.h>
#include "random.h"
#include "rktest.h"

#define SITES		(2 * FUNCTIONS)
#define PROBES		(2 * SITES)
#define THREADS		4
#define MOST_IN_BATCH	100
#define FIRST		(IS_ENABLED(CONFIG_X86_KERNEL_IBT) ? 4 : 0)

struct tested {
	struct rkprobe p;
	atomic_long_t pre;
	atomic_long_t post;
	/* The value of pre when the probe was unregistered. */
	long last;
	bool registered;
	bool enabled;
};

static struct tested probes[PROBES];
static unsigned long calls[THREADS][FUNCTIONS];
static struct task_struct *callers[THREADS];
static atomic_long_t wrong_results;
static atomic_long_t late_hits;
static u8 *original;

static int pre_handler(struct rkprobe *p, struct pt_regs *regs)
{
	atomic_long_inc(&container_of(p, struct tested, p)->pre);
	return 0;
}

static void post_handler(struct rkprobe *p, struct pt_regs *regs, unsigned long flags)
{
	atomic_long_inc(&container_of(p, struct tested, p)->post);
}

static int function_of(int probe)
{
	return probe % SITES / 2;
}

static u8 *address_of(int probe)
{
	int function = function_of(probe);
	/* The second site is inside the first site's region, or after it. */
	int second = function % 2 ? 7 : 3;

	return (u8 *)rktest_random_table[function] + FIRST + (probe % 2 ? second : 0);
}

static bool is_jump(int probe)
{
	return READ_ONCE(*address_of(probe)) == 0xe9;
}

/* Probes without a handler: both probes of some sites, and one of the two of other sites. */
static bool only_counts(int probe)
{
	int function = function_of(probe);

	return function % 4 == 1 || (function % 4 == 2 && probe < SITES);
}

static void prepare(int probe, bool post, bool disabled)
{
	struct tested *t = &probes[probe];

	if (atomic_long_read(&t->pre) != t->last)
		atomic_long_inc(&late_hits);
	memset(t, 0, sizeof(*t));
	t->p.addr = address_of(probe);
	t->p.pre_handler = post || !only_counts(probe) ? pre_handler : NULL;
	t->p.post_handler = post ? post_handler : NULL;
	t->p.flags = disabled ? RKPROBE_FLAG_DISABLED : 0;
	t->enabled = !disabled;
}

static void removed(int probe)
{
	probes[probe].registered = false;
	probes[probe].last = atomic_long_read(&probes[probe].pre);
}

static int caller(void *data)
{
	unsigned long *mine = data, x = 0;
	int i;

	while (!kthread_should_stop()) {
		for (i = 0; i < FUNCTIONS; i++, x++) {
			if (rktest_random_table[i](x) != ((3 * (x + 1) + i + 1000) ^ x))
				atomic_long_inc(&wrong_results);
			WRITE_ONCE(mine[i], mine[i] + 1);
		}
		/*
		 * This also makes an emulator that runs one CPU at a time continue
		 * with the next CPU.
		 */
		cpu_relax();
		schedule();
	}
	return 0;
}

/* Starts a thread on the @nth of the online CPUs. */
static struct task_struct *run_on(int nth, int (*run)(void *), void *data, const char *name)
{
	struct task_struct *task = kthread_create(run, data, "rktest_%s/%d", name, nth);
	int cpu = cpumask_nth(nth % num_online_cpus(), cpu_online_mask);

	if (!IS_ERR(task))
		kthread_bind(task, cpu);
	return task;
}

static void stop_callers(void)
{
	int i;

	for (i = 0; i < THREADS && callers[i]; i++) {
		kthread_stop(callers[i]);
		callers[i] = NULL;
	}
}

static int start_callers(void)
{
	int i;

	memset(calls, 0, sizeof(calls));
	for (i = 0; i < THREADS; i++) {
		struct task_struct *task = run_on(i, caller, calls[i], "caller");

		if (IS_ERR(task)) {
			stop_callers();
			return PTR_ERR(task);
		}
		callers[i] = task;
		wake_up_process(task);
	}
	return 0;
}

/* Waits until each caller has called all functions @rounds more times. */
static void let_call(unsigned long rounds)
{
	unsigned long goals[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		goals[i] = READ_ONCE(calls[i][FUNCTIONS - 1]) + rounds;
	for (i = 0; i < THREADS; i++)
		while (READ_ONCE(calls[i][FUNCTIONS - 1]) < goals[i])
			usleep_range(500, 1000);
}

static unsigned long calls_of(int function)
{
	unsigned long sum = 0;
	int i;

	for (i = 0; i < THREADS; i++)
		sum += calls[i][function];
	return sum;
}

/* A thread that changes probes. */
struct operator {
	struct completion ended;
	struct rnd_state random;
	int number;
	u32 wanted;
	u32 done;
	u32 batches;
	int error;
	int picked[MOST_IN_BATCH];
	struct rkprobe *list[MOST_IN_BATCH];
	int count;
};

static u32 below(struct operator *op, u32 end)
{
	return prandom_u32_state(&op->random) % end;
}

/* Picks up to @most of the operator's probes that are registered, or that are not. */
static void pick(struct operator *op, bool registered, int most)
{
	int start = below(op, PROBES), i;

	op->count = 0;
	for (i = 0; i < PROBES && op->count < most; i++) {
		int probe = (start + i) % PROBES;

		if ((probe + probe / SITES) % THREADS != op->number ||
		    probes[probe].registered != registered || (most > 1 && below(op, 2)))
			continue;
		op->picked[op->count] = probe;
		op->list[op->count++] = &probes[probe].p;
	}
}

static int add(struct operator *op, int most)
{
	int ret, i;

	pick(op, false, most);
	if (!op->count)
		return 0;
	for (i = 0; i < op->count; i++)
		prepare(op->picked[i], !below(op, 8), !below(op, 4));
	ret = most > 1 ? register_rkprobes(op->list, op->count) : register_rkprobe(op->list[0]);
	for (i = 0; i < op->count && !ret; i++)
		probes[op->picked[i]].registered = true;
	return ret;
}

static int take(struct operator *op, int most)
{
	int i;

	pick(op, true, most);
	if (!op->count)
		return 0;
	if (most > 1)
		unregister_rkprobes(op->list, op->count);
	else
		unregister_rkprobe(op->list[0]);
	for (i = 0; i < op->count; i++)
		removed(op->picked[i]);
	return 0;
}

static int toggle(struct operator *op)
{
	struct tested *t;

	pick(op, true, 1);
	if (!op->count)
		return 0;
	t = &probes[op->picked[0]];
	t->enabled = !t->enabled;
	return t->enabled ? enable_rkprobe(&t->p) : disable_rkprobe(&t->p);
}

static int step(struct operator *op)
{
	u32 kind = below(op, 64);

	if (kind < 1)
		return take(op, 1);
	if (kind < 4)
		return add(op, 1);
	if (kind < 16)
		return toggle(op);
	op->batches++;
	return kind % 2 ? take(op, MOST_IN_BATCH) : add(op, MOST_IN_BATCH);
}

static int operate(void *data)
{
	struct operator *op = data;

	while (op->done < op->wanted && !op->error) {
		op->count = 0;
		op->error = step(op);
		op->done += op->count;
	}
	do {
		take(op, MOST_IN_BATCH);
		pick(op, true, 1);
	} while (op->count);
	complete(&op->ended);
	return 0;
}

static struct operator operators[THREADS];

static int operate_all(u32 operations, u64 seed)
{
	int i, running, ret = 0;

	for (running = 0; running < THREADS; running++) {
		struct operator *op = &operators[running];
		struct task_struct *task;

		memset(op, 0, sizeof(*op));
		init_completion(&op->ended);
		op->number = running;
		op->wanted = DIV_ROUND_UP(operations, THREADS);
		prandom_seed_state(&op->random, seed + running);
		task = run_on(running, operate, op, "operator");
		if (IS_ERR(task)) {
			ret = PTR_ERR(task);
			break;
		}
		wake_up_process(task);
	}
	for (i = 0; i < running; i++) {
		wait_for_completion(&operators[i].ended);
		ret = ret ?: operators[i].error;
	}
	return ret;
}

static int check_text(void)
{
	size_t size = rktest_random_text_end - rktest_random_text, i, differ = 0;

	for (i = 0; i < size; i++)
		differ += rktest_random_text[i] != original[i];
	rktest_print("wrong_results %ld\nlate_hits %ld\nwrong_bytes %zu\n",
		     atomic_long_read(&wrong_results), atomic_long_read(&late_hits), differ);
	return differ || atomic_long_read(&wrong_results) || atomic_long_read(&late_hits) ? -EIO : 0;
}

static int run_random(u32 operations, u64 seed)
{
	ktime_t begin = ktime_get();
	u32 done = 0, batches = 0;
	int ret = start_callers(), i;

	if (ret)
		return ret;
	ret = operate_all(operations, seed);
	stop_callers();
	for (i = 0; i < THREADS; i++) {
		done += operators[i].done;
		batches += operators[i].batches;
	}
	rktest_print("operations %u\nbatches %u\nerror %d\nms %lld\ncalls %lu\n", done, batches, ret,
		     ktime_ms_delta(ktime_get(), begin), calls_of(0) * FUNCTIONS);
	return ret ?: flush_rkprobes() ?: check_text();
}

static struct rkprobe *all[PROBES];

/* Fails unless the hits of each probe equal the calls. */
static int check_hits(void)
{
	int i, wrong = 0, jumps = 0;
	unsigned long hits = 0;

	for (i = 0; i < PROBES; i++) {
		struct tested *t = &probes[i];
		unsigned long expected = calls_of(function_of(i));

		wrong += atomic_long_read(&t->pre) != (t->p.pre_handler ? expected : 0) ||
			 rkprobe_hits(&t->p) != expected ||
			 atomic_long_read(&t->post) != (t->p.post_handler ? expected : 0) ||
			 t->p.nmissed;
		hits += expected;
		jumps += i < SITES && is_jump(i);
	}
	rktest_print("probes %d\nhits %lu\nwrong_hits %d\njumps %d\n", PROBES, hits, wrong, jumps);
	return wrong ? -EIO : 0;
}

/*
 * All probes are enabled. Hits are counted exactly as int3s, while the sites become
 * jumps, and as jumps.
 */
static int run_exact(unsigned long rounds)
{
	int i, ret;

	for (i = 0; i < PROBES; i++) {
		prepare(i, i < SITES && function_of(i) % 10 == 0, false);
		all[i] = &probes[i].p;
	}
	ret = register_rkprobes(all, PROBES);
	if (ret)
		return ret;
	ret = start_callers();
	if (!ret) {
		let_call(rounds);
		ret = flush_rkprobes();
		let_call(rounds);
		stop_callers();
		ret = ret ?: check_hits();
	}
	unregister_rkprobes(all, PROBES);
	for (i = 0; i < PROBES; i++)
		removed(i);
	return ret ?: flush_rkprobes() ?: check_text();
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/*
 * Finds the first sites of the first @end functions that have become jumps. Returns
 * the number of the others.
 */
static int look(const u64 *armed, u64 *took, int end)
{
	int i, pending = 0;

	for (i = 0; i < end; i++) {
		if (!took[i] && is_jump(2 * i))
			took[i] = ktime_get_ns() - armed[i];
		pending += !took[i];
	}
	return pending;
}

/* Registers probes one after the other, and prints the times until each site was a jump. */
static int one_round(u64 *armed, u64 *took)
{
	u64 limit;
	int i, ret;

	for (i = 0; i < FUNCTIONS; i++) {
		prepare(2 * i, false, false);
		armed[i] = ktime_get_ns();
		ret = register_rkprobe(&probes[2 * i].p);
		if (ret)
			return ret;
		look(armed, took, i + 1);
		usleep_range(1000, 10000);
		look(armed, took, i + 1);
	}
	limit = ktime_get_ns() + 20 * NSEC_PER_SEC;
	while (look(armed, took, FUNCTIONS)) {
		if (ktime_get_ns() > limit)
			return -ETIMEDOUT;
		usleep_range(200, 400);
	}
	return 0;
}

static int run_latency(u32 rounds)
{
	u64 *armed = kcalloc(FUNCTIONS, sizeof(u64), GFP_KERNEL);
	u64 *took = kcalloc(FUNCTIONS * rounds, sizeof(u64), GFP_KERNEL);
	u32 count = rounds * FUNCTIONS, round;
	int i, ret = armed && took ? start_callers() : -ENOMEM;

	for (round = 0; round < rounds && !ret; round++) {
		for (i = 0; i < FUNCTIONS; i++)
			all[i] = &probes[2 * i].p;
		ret = one_round(armed, took + round * FUNCTIONS);
		unregister_rkprobes(all, FUNCTIONS);
		for (i = 0; i < FUNCTIONS; i++)
			removed(2 * i);
		ret = ret ?: flush_rkprobes();
	}
	if (armed && took)
		stop_callers();
	if (!ret) {
		sort(took, count, sizeof(u64), compare, NULL);
		rktest_print("registrations %u\nmedian_us %llu\np99_us %llu\nmost_us %llu\n", count,
			     took[count / 2] / 1000, took[count * 99 / 100] / 1000,
			     took[count - 1] / 1000);
	}
	kfree(armed);
	kfree(took);
	return ret ?: check_text();
}

static int rktest_run(int argc, char **argv)
{
	u32 count;
	u64 seed;

	if (argc < 2 || kstrtou32(argv[1], 0, &count) || !count)
		return -EINVAL;
	if (rktest_is(argc, argv, "random", 2) && !kstrtou64(argv[2], 0, &seed))
		return run_random(count, seed);
	if (rktest_is(argc, argv, "exact", 1))
		return run_exact(count);
	if (rktest_is(argc, argv, "latency", 1) && count <= 10)
		return run_latency(count);
	return -EINVAL;
}

static int __init rktest_random_init(void)
{
	size_t size = rktest_random_text_end - rktest_random_text;

	original = vmalloc(size);
	if (!original)
		return -ENOMEM;
	memcpy(original, rktest_random_text, size);
	return 0;
}

static void __exit rktest_random_exit(void)
{
	vfree(original);
}

module_init(rktest_random_init);
module_exit(rktest_random_exit);
MODULE_DESCRIPTION("Random operations on hot functions");
MODULE_LICENSE("GPL");
