// SPDX-License-Identifier: GPL-2.0
/*
 * Calls the functions of functions_asm.S for the tests. Commands:
 *
 *   list                 prints a line per function: name, size, offsets of its instructions
 *   text NAME            prints the bytes of the function in the text
 *   call NAME|all N      N calls with different registers, flags and memory; prints
 *                        a checksum over the states after the calls
 *   unchanged NAME N     N calls; fails if a call changes a register, a flag or memory
 *   calls NAME N         N calls on each CPU at once; prints the number of all calls
 *   start NAME           keeps calling on each CPU until stop
 *   stop                 prints the number of all calls
 */
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include "functions.h"
#include "rktest.h"

#define STATUS_FLAGS	0x8d5
#define FIXED_FLAGS	0x202

static const struct rktest_function *find(const char *name)
{
	const struct rktest_function *f;

	for (f = rktest_table; f < rktest_table_end; f++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

/* Pseudo-random numbers, which are equal in each run. */
static u64 next_number(u64 *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed ^ *seed >> 29;
}

/* The memory must be at one address in all calls, because the address is part of the result. */
static void prepare(struct rktest_state *state, u64 call)
{
	u64 seed = call;
	unsigned int i;

	for (i = 0; i < STATE_REGISTERS; i++)
		state->registers[i] = next_number(&seed);
	state->registers[5] = (unsigned long)state->memory;
	state->registers[6] = (unsigned long)state->memory + MEMORY_SIZE / 2;
	/* All combinations of the status flags in 64 calls. */
	state->flags = FIXED_FLAGS | (call & 1) | (call & 2) << 1 | (call & 4) << 2 |
		       (call & 0x18) << 3 | (call & 0x20) << 6;
	for (i = 0; i < MEMORY_SIZE; i++)
		state->memory[i] = next_number(&seed);
}

static u64 add_to_checksum(u64 sum, const struct rktest_state *state)
{
	const u8 *bytes = (const u8 *)state;
	size_t i;

	for (i = 0; i < sizeof(*state); i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3ULL;
	return sum;
}

static struct rktest_state shared_state;

static void call(const struct rktest_function *f, unsigned long count)
{
	u64 sum = 0xcbf29ce484222325ULL;
	unsigned long i;

	for (i = 0; i < count; i++) {
		prepare(&shared_state, i);
		f->run(&shared_state);
		sum = add_to_checksum(sum, &shared_state);
	}
	rktest_print("%s %016llx\n", f->name, sum);
}

static int call_command(const char *name, const char *number)
{
	const struct rktest_function *f;
	unsigned long count;

	if (kstrtoul(number, 0, &count))
		return -EINVAL;
	if (!strcmp(name, "all")) {
		for (f = rktest_table; f < rktest_table_end; f++)
			call(f, count);
		return 0;
	}
	f = find(name);
	if (!f)
		return -ENOENT;
	call(f, count);
	return 0;
}

static int unchanged_command(const char *name, const char *number)
{
	const struct rktest_function *f = find(name);
	static struct rktest_state before;
	unsigned long count, i;

	if (!f)
		return -ENOENT;
	if (kstrtoul(number, 0, &count))
		return -EINVAL;
	for (i = 0; i < count; i++) {
		prepare(&shared_state, i);
		before = shared_state;
		f->run(&shared_state);
		if (memcmp(&before, &shared_state, sizeof(before))) {
			rktest_print("call %lu changed something\n", i);
			return -EIO;
		}
	}
	return 0;
}

static int text_command(const char *name)
{
	const struct rktest_function *f = find(name);
	u32 i;

	if (!f)
		return -ENOENT;
	for (i = 0; i < f->size; i++)
		rktest_print("%02x ", ((const u8 *)f->run)[f->start + i]);
	rktest_print("\n");
	return 0;
}

struct caller {
	const struct rktest_function *function;
	struct task_struct *task;
	unsigned long limit;
	unsigned long done;
	struct completion finished;
	struct rktest_state state;
};

static struct caller *callers[NR_CPUS];

static int caller_thread(void *data)
{
	struct caller *caller = data;

	set_user_nice(current, MAX_NICE);
	while (caller->done < caller->limit && !kthread_should_stop()) {
		prepare(&caller->state, caller->done);
		caller->function->run(&caller->state);
		caller->done++;
		/* The calls are frequent, but tasks that load and unload modules need time, too. */
		if (caller->limit == ULONG_MAX && !(caller->done % 256))
			usleep_range(500, 1000);
		cond_resched_tasks_rcu_qs();
	}
	complete(&caller->finished);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static void stop_callers(void)
{
	unsigned long total = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		if (!callers[cpu])
			continue;
		kthread_stop(callers[cpu]->task);
		total += callers[cpu]->done;
		put_task_struct(callers[cpu]->task);
		kfree(callers[cpu]);
		callers[cpu] = NULL;
	}
	rktest_print("%lu\n", total);
}

static int start_caller(unsigned int cpu, const struct rktest_function *f, unsigned long limit)
{
	struct caller *caller = kzalloc(sizeof(*caller), GFP_KERNEL);

	if (!caller)
		return -ENOMEM;
	caller->function = f;
	caller->limit = limit;
	init_completion(&caller->finished);
	caller->task = kthread_create(caller_thread, caller, "rktest/%u", cpu);
	if (IS_ERR(caller->task)) {
		int ret = PTR_ERR(caller->task);

		kfree(caller);
		return ret;
	}
	get_task_struct(caller->task);
	kthread_bind(caller->task, cpu);
	callers[cpu] = caller;
	return 0;
}

static int start_callers(const char *name, unsigned long limit)
{
	const struct rktest_function *f = find(name);
	unsigned int cpu;
	int ret = 0;

	if (!f)
		return -ENOENT;
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		ret = callers[cpu] ? -EBUSY : start_caller(cpu, f, limit);
		if (ret)
			break;
	}
	cpus_read_unlock();
	if (ret)
		return ret;
	for_each_possible_cpu(cpu)
		if (callers[cpu])
			wake_up_process(callers[cpu]->task);
	return 0;
}

static int calls_command(const char *name, const char *number)
{
	unsigned long count;
	unsigned int cpu;
	int ret;

	if (kstrtoul(number, 0, &count))
		return -EINVAL;
	ret = start_callers(name, count);
	if (!ret)
		for_each_possible_cpu(cpu)
			if (callers[cpu])
				wait_for_completion(&callers[cpu]->finished);
	stop_callers();
	return ret;
}

static int list_command(void)
{
	const struct rktest_function *f;
	unsigned int i;

	for (f = rktest_table; f < rktest_table_end; f++) {
		rktest_print("%s %u", f->name, f->size);
		for (i = 0; i < f->boundary_count; i++)
			rktest_print(" %u", f->boundaries[i]);
		rktest_print("\n");
	}
	return 0;
}

static int rktest_run(int argc, char **argv)
{
	if (rktest_is(argc, argv, "list", 0))
		return list_command();
	if (rktest_is(argc, argv, "text", 1))
		return text_command(argv[1]);
	if (rktest_is(argc, argv, "call", 2))
		return call_command(argv[1], argv[2]);
	if (rktest_is(argc, argv, "unchanged", 2))
		return unchanged_command(argv[1], argv[2]);
	if (rktest_is(argc, argv, "calls", 2))
		return calls_command(argv[1], argv[2]);
	if (rktest_is(argc, argv, "start", 1))
		return start_callers(argv[1], ULONG_MAX);
	if (rktest_is(argc, argv, "stop", 0)) {
		stop_callers();
		return 0;
	}
	return -EINVAL;
}

static int __init functions_init(void)
{
	return 0;
}

static void __exit functions_exit(void)
{
	stop_callers();
}

module_init(functions_init);
module_exit(functions_exit);
MODULE_DESCRIPTION("Functions to be probed by the rkprobes tests");
MODULE_LICENSE("GPL");
