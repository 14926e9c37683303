// SPDX-License-Identifier: GPL-2.0
/* Tasks that register native kprobes. */
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/smp.h>
#include <asm/irq_regs.h>
#include "sys/helpers.h"
#include "sys/static_calls.h"

/* How often a task is looked for that runs on another CPU each time. */
#define RK_CHASES	10

static struct rk_range registering[RK_REGISTERING];

void rk_registering_set(unsigned int at, unsigned long start, unsigned long end)
{
	registering[at] = (struct rk_range){ start, end };
}

static bool is_registering(unsigned long ip)
{
	unsigned int at;

	for (at = 0; at < RK_REGISTERING; at++)
		if (ip >= registering[at].start && ip < registering[at].end)
			return true;
	return false;
}

/*
 * Whether a function that registers native kprobes is on @task's stack from @sp on. Each
 * word counts that may be a return address or the ip of interrupted code, so a function
 * that has returned may count as well. The task does not run meanwhile, or is current.
 */
static bool stack_registers(struct task_struct *task, unsigned long sp)
{
	unsigned long base = (unsigned long)task_stack_page(task);
	unsigned long end = base + THREAD_SIZE;

	/* The task was interrupted on another stack. */
	if (sp < base || sp >= end)
		sp = base;
	for (sp = round_up(sp, sizeof(long)); sp < end; sp += sizeof(long))
		/* With KASAN a red zone may be between two variables. */
		if (is_registering(READ_ONCE_NOCHECK(*(unsigned long *)sp)))
			return true;
	return false;
}

enum look { LOOK_AWAY, LOOK_FOUND, LOOK_RUNS };

struct looking {
	struct task_struct *task;
	enum look saw;
	int cpu;
};

/* The scheduler holds @task as it is: it does not begin or end to run, or to sleep. */
static int look_at(struct task_struct *task, void *data)
{
	struct looking *looking = data;

	looking->saw = LOOK_AWAY;
	looking->cpu = task_cpu(task);
	if (READ_ONCE(task->__state) != TASK_RUNNING)
		return 0;
	if (READ_ONCE(task->on_cpu))
		looking->saw = LOOK_RUNS;
	else if (stack_registers(task, task->thread.sp))
		looking->saw = LOOK_FOUND;
	return 0;
}

/* An interrupt on the CPU that the task ran on. */
static void look_here(void *data)
{
	struct looking *looking = data;
	struct pt_regs *regs = get_irq_regs();

	if (looking->task != current)
		return;
	if (regs && user_mode(regs))
		looking->saw = LOOK_AWAY;
	else if (!regs || is_registering(regs->ip) || stack_registers(current, regs->sp))
		looking->saw = LOOK_FOUND;
	else
		looking->saw = LOOK_AWAY;
}

static bool task_registers(struct task_struct *task)
{
	struct looking looking = { .task = task };
	unsigned int chases;

	for (chases = 0; chases < RK_CHASES; chases++) {
		rk_task_call(task, look_at, &looking);
		if (looking.saw == LOOK_RUNS)
			smp_call_function_single(looking.cpu, look_here, &looking, true);
		if (looking.saw != LOOK_RUNS)
			return looking.saw == LOOK_FOUND;
	}
	return true;
}

/*
 * Whether a task other than the caller may run, or be preempted, in a function that
 * registers native kprobes. Each task is seen at one moment. A task that sleeps does not
 * count. Interrupts are on.
 */
bool rk_task_registers(void)
{
	struct task_struct *process, *task;

	guard(rcu)();
	for_each_process_thread(process, task)
		if (task != current && READ_ONCE(task->__state) == TASK_RUNNING &&
		    task_registers(task))
			return true;
	return false;
}
