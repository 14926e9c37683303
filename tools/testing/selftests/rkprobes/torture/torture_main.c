// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that call functions, and threads that probe these functions. Commands:
 *
 *   start OPERATORS SEED   starts a caller per CPU, and this number of operators
 *   stop                   ends them and removes all probes; prints
 *                          "operations N hits N calls N refusals N errors N"
 *   changed                prints how many bytes of the functions differ from the
 *                          bytes when this module was loaded
 *   hold FUNCTION          waits until no call of the function is under way, allows
 *                          none until release, and prints the number of calls
 *   release FUNCTION
 *
 * The parameter "fail" lets allocations of the operators fail, as set up in the
 * debugfs files of failslab. It is no command, because several tasks write commands
 * and would read its answer.
 */
#include <linux/kthread.h>
#include <linux/sched.h>
#include "rktest.h"
#include "torture.h"

#define MOST_THREADS	32

static struct task_struct *threads[MOST_THREADS];
static unsigned int thread_count;
static u64 first_seed;
static int fail_allocations;
module_param_named(fail, fail_allocations, int, 0600);
MODULE_PARM_DESC(fail, "1: allocations of the operators fail");
static u8 original[TORTURE_FUNCTIONS * TORTURE_DISTANCE];

static int caller_thread(void *data)
{
	u64 seed = first_seed + (unsigned long)data * 0x9e3779b97f4a7c15ULL;

	set_user_nice(current, MAX_NICE);
	while (!kthread_should_stop()) {
		u64 random = torture_random(&seed);

		torture_call(random % TORTURE_FUNCTIONS, random >> 8 & 3);
		cond_resched_tasks_rcu_qs();
	}
	return 0;
}

static int operator_thread(void *data)
{
	u64 seed = first_seed + (unsigned long)data * 0x9e3779b97f4a7c15ULL;

	/* The other tasks of the torture need CPU time, too. */
	set_user_nice(current, MAX_NICE / 2);
	while (!kthread_should_stop()) {
#ifdef CONFIG_FAULT_INJECTION
		current->make_it_fail = READ_ONCE(fail_allocations);
#endif
		torture_random_operation(&seed);
		cond_resched_tasks_rcu_qs();
	}
	return 0;
}

static void stop(void)
{
	/* The operators end first, because they wait for calls to end. */
	while (thread_count) {
		kthread_stop(threads[--thread_count]);
		threads[thread_count] = NULL;
	}
	torture_unregister_all();
}

static int start(unsigned int operators, u64 seed)
{
	unsigned int callers = num_possible_cpus(), i;

	if (thread_count || !seed || callers + operators > MOST_THREADS)
		return -EINVAL;
	first_seed = seed;
	for (i = 0; i < callers + operators; i++) {
		struct task_struct *task =
			kthread_run(i < callers ? caller_thread : operator_thread,
				    (void *)(unsigned long)i, "rktorture/%u", i);

		if (IS_ERR(task)) {
			stop();
			return PTR_ERR(task);
		}
		threads[thread_count++] = task;
	}
	return 0;
}

static s64 torture_calls(void)
{
	s64 calls = 0;
	unsigned int i;

	for (i = 0; i < TORTURE_FUNCTIONS; i++)
		calls += atomic64_read(&torture_functions[i].calls);
	return calls;
}

static unsigned int changed_bytes(void)
{
	unsigned int i, changed = 0;

	for (i = 0; i < sizeof(original); i++)
		changed += READ_ONCE(rktorture_functions[i]) != original[i];
	return changed;
}

static int rktest_run(int argc, char **argv)
{
	unsigned int operators, function;
	u64 seed;

	if (rktest_is(argc, argv, "start", 2)) {
		if (kstrtouint(argv[1], 0, &operators) || kstrtou64(argv[2], 0, &seed))
			return -EINVAL;
		return start(operators, seed);
	}
	if (rktest_is(argc, argv, "changed", 0)) {
		rktest_print("%u\n", changed_bytes());
		return 0;
	}
	if (rktest_is(argc, argv, "hold", 1) || rktest_is(argc, argv, "release", 1)) {
		if (kstrtouint(argv[1], 0, &function) || function >= TORTURE_FUNCTIONS)
			return -EINVAL;
		if (argv[0][0] == 'h')
			rktest_print("%lld\n", torture_hold(function));
		else
			torture_release(function);
		return 0;
	}
	if (!rktest_is(argc, argv, "stop", 0))
		return -EINVAL;
	stop();
	rktest_print("operations %lld hits %lld calls %lld refusals %lld errors %lld\n",
		     atomic64_read(&torture_operations), torture_hits(), torture_calls(),
		     atomic64_read(&torture_refusals), atomic64_read(&torture_errors));
	return 0;
}

static int __init torture_init(void)
{
	memcpy(original, rktorture_functions, sizeof(original));
	torture_make_probes();
	return 0;
}

static void __exit torture_exit(void)
{
	stop();
}

module_init(torture_init);
module_exit(torture_exit);
MODULE_DESCRIPTION("Random operations of rkprobes on functions that are hot");
MODULE_LICENSE("GPL");
