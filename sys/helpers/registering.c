// SPDX-License-Identifier: GPL-2.0
/* Tasks that register native kprobes. */
#include <linux/llist.h>
#include <linux/minmax.h>
#include <linux/rethook.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/smp.h>
#include <asm/unwind.h>
#include "sys/helpers.h"
#include "sys/static_calls.h"

/* How often a task is looked for that runs on another CPU each time. */
#define RK_CHASES	10
/* The words of a stack of the function graph tracer (fgraph.c:SHADOW_STACK_OFFSET). */
#define RK_RET_STACK	(4096 / (int)sizeof(long))

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

static bool words_register(const unsigned long *at, const unsigned long *end)
{
	for (; at < end; at++)
		/* With KASAN a red zone may be between two variables. */
		if (is_registering(READ_ONCE_NOCHECK(*at)))
			return true;
	return false;
}

/*
 * Whether @task has a return address, or the ip of interrupted code, in a function that
 * registers native kprobes. Each word of its stack from @sp on counts, so a function that
 * has returned may count as well. The registers of user space do not count. Tracers of
 * returns keep the return addresses that they have replaced: the function graph tracer
 * in its own stack, and rethook in a list. @task does not run meanwhile, or is current.
 */
static bool task_is_inside(struct task_struct *task, unsigned long sp)
{
	const unsigned long *end = (unsigned long *)task_pt_regs(task);

	/* The task was interrupted on another stack. */
	if (sp < (unsigned long)task_stack_page(task) || sp > (unsigned long)end)
		sp = (unsigned long)task_stack_page(task);
	if (words_register((unsigned long *)round_up(sp, sizeof(long)), end))
		return true;
#ifdef CONFIG_FUNCTION_GRAPH_TRACER
	if (READ_ONCE(task->ret_stack)) {
		const unsigned long *saved = READ_ONCE(task->ret_stack);
		int used = clamp(READ_ONCE(task->curr_ret_stack), 0, RK_RET_STACK);

		if (words_register(saved, saved + used))
			return true;
	}
#endif
#ifdef CONFIG_RETHOOK
	struct rethook_node *node;

	llist_for_each_entry(node, READ_ONCE(task->rethooks.first), llist)
		if (is_registering(READ_ONCE(node->ret_addr)))
			return true;
#endif
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
	else if (task_is_inside(task, task->thread.sp))
		looking->saw = LOOK_FOUND;
	return 0;
}

/* The registers that the running interrupt has saved; NULL if they are not found. */
static struct pt_regs *interrupted_regs(void)
{
	struct unwind_state state;

	for (unwind_start(&state, current, NULL, NULL); !unwind_done(&state);
	     unwind_next_frame(&state)) {
		struct pt_regs *regs = unwind_get_entry_regs(&state, NULL);

		if (regs)
			return regs;
	}
	return NULL;
}

/* An interrupt on the CPU that the task ran on. */
static void look_here(void *data)
{
	struct looking *looking = data;
	struct pt_regs *regs;

	if (looking->task != current)
		return;
	regs = interrupted_regs();
	if (regs && user_mode(regs))
		looking->saw = LOOK_AWAY;
	else if (!regs || task_is_inside(current, (unsigned long)regs))
		looking->saw = LOOK_FOUND;
	else
		looking->saw = LOOK_AWAY;
}

static bool is_registering_task(struct task_struct *task)
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
		    is_registering_task(task))
			return true;
	return false;
}
