// SPDX-License-Identifier: GPL-2.0
/*
 * NMIs all the time, while tasks hit probes. Commands:
 *
 *   start   starts a task on each CPU that calls rktest_context_target() all the time, and a
 *           task that sends NMIs to all other CPUs. Each NMI calls rktest_context_inner()
 *   wait N  waits for N more NMIs
 *   stop    ends the tasks. Prints four numbers: calls of the tasks, calls of the NMIs, wrong
 *           results, and NMIs that came while interrupts were off, as they are in a handler
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/nmi.h>
#include <linux/percpu.h>
#include <linux/ptrace.h>
#include <asm/apic.h>
#include <asm/nmi.h>
#include "rktest.h"

long rktest_context_target(long x);
long rktest_context_inner(long x);

struct counts {
	unsigned long calls, nmi_calls, wrong, inside;
};

static DEFINE_PER_CPU(struct counts, counts);
static DEFINE_PER_CPU(struct task_struct *, callers);
static struct task_struct *sender;

/* All NMIs of this time are ours. One that arrives while another one is handled may be lost. */
static int handle_nmi(unsigned int type, struct pt_regs *regs)
{
	long x = this_cpu_read(counts.nmi_calls);

	if (rktest_context_inner(x) != x + 1)
		this_cpu_inc(counts.wrong);
	this_cpu_inc(counts.nmi_calls);
	if (!(regs->flags & X86_EFLAGS_IF))
		this_cpu_inc(counts.inside);
	return NMI_HANDLED;
}

static int call_all_the_time(void *unused)
{
	long x;

	for (x = 0; !kthread_should_stop(); x++) {
		if (rktest_context_target(x) != x + 1)
			this_cpu_inc(counts.wrong);
		this_cpu_inc(counts.calls);
		cond_resched_tasks_rcu_qs();
	}
	return 0;
}

static int send(void *unused)
{
	while (!kthread_should_stop()) {
		cpus_read_lock();
		preempt_disable();
		apic->send_IPI_mask_allbutself(cpu_online_mask, NMI_VECTOR);
		preempt_enable();
		cpus_read_unlock();
		/* An emulator that runs one CPU at a time continues with another CPU. */
		cpu_relax();
		cond_resched_tasks_rcu_qs();
	}
	return 0;
}

static void end(struct task_struct **task)
{
	if (*task)
		kthread_stop(*task);
	*task = NULL;
}

static void stop(void)
{
	int cpu;

	end(&sender);
	for_each_possible_cpu(cpu)
		end(&per_cpu(callers, cpu));
	/*
	 * Each CPU has ended a task after the last NMI was sent, so no NMI is still to come. None
	 * is in the handler after this.
	 */
	unregister_nmi_handler(NMI_LOCAL, "rktest_nmi");
}

static struct task_struct *begin(int (*run)(void *), int cpu)
{
	struct task_struct *task = kthread_create(run, NULL, "rktest_nmi");

	if (IS_ERR(task))
		return NULL;
	if (cpu >= 0)
		kthread_bind(task, cpu);
	wake_up_process(task);
	return task;
}

static int start(void)
{
	int cpu, ret;

	stop();
	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(&counts, cpu), 0, sizeof(counts));
	ret = register_nmi_handler(NMI_LOCAL, handle_nmi, 0, "rktest_nmi");
	if (ret)
		return ret;
	for_each_online_cpu(cpu) {
		per_cpu(callers, cpu) = begin(call_all_the_time, cpu);
		if (!per_cpu(callers, cpu))
			return -ENOMEM;
	}
	sender = begin(send, -1);
	return sender ? 0 : -ENOMEM;
}

static struct counts sum(void)
{
	struct counts all = {};
	int cpu;

	for_each_possible_cpu(cpu) {
		struct counts *some = per_cpu_ptr(&counts, cpu);

		all.calls += READ_ONCE(some->calls);
		all.nmi_calls += READ_ONCE(some->nmi_calls);
		all.wrong += READ_ONCE(some->wrong);
		all.inside += READ_ONCE(some->inside);
	}
	return all;
}

static int wait_for_nmis(unsigned long count)
{
	unsigned long until = sum().nmi_calls + count;
	int polls;

	for (polls = 0; sum().nmi_calls < until; polls++) {
		if (polls > 6000)
			return -ETIMEDOUT;
		usleep_range(5000, 10000);
	}
	return 0;
}

static int rktest_run(int argc, char **argv)
{
	unsigned long count;
	struct counts all;

	if (rktest_is(argc, argv, "start", 0))
		return start();
	if (rktest_is(argc, argv, "wait", 1))
		return kstrtoul(argv[1], 0, &count) ?: wait_for_nmis(count);
	if (!rktest_is(argc, argv, "stop", 0))
		return -EINVAL;
	stop();
	all = sum();
	rktest_print("%lu %lu %lu %lu\n", all.calls, all.nmi_calls, all.wrong, all.inside);
	return 0;
}

static int __init nmi_init(void)
{
	return 0;
}

static void __exit nmi_exit(void)
{
	stop();
}

module_init(nmi_init);
module_exit(nmi_exit);
MODULE_DESCRIPTION("NMIs while probes are hit, for the rkprobes tests");
MODULE_LICENSE("GPL");
