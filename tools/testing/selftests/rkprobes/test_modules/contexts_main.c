// SPDX-License-Identifier: GPL-2.0
/*
 * Hits in every context. Commands:
 *
 *   hit CONTEXT N   N calls of rktest_context_target() in a context: task, preempt_off, irqs_off,
 *                   softirq, hardirq, nmi, native (inside the handler of a native kprobe). Fails if
 *                   a result is wrong, or if the calls ran in another context
 *   handler 1|0     registers a probe with a handler on the target, or unregisters it; prints its
 *                   hits
 *   nest N          N calls of a function with a probe of ours. Its handler calls
 *                   rktest_context_target() and a function with a native kprobe. Prints how often
 *                   our handler and the native handler ran
 *   user_access     hits of an int3 and of a jump where user memory may be accessed
 */
#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kprobes.h>
#include <linux/nmi.h>
#include <linux/ptrace.h>
#include <asm/apic.h>
#include <asm/nmi.h>
#include <asm/text-patching.h>
#include <rkprobes.h>
#include "rktest.h"

long rktest_context_target(long x);
long rktest_context_outer(long x);
long rktest_context_inner(long x);
long rktest_context_user(long x);

/* After an ENDBR, if the kernel has them. */
#define FIRST	(IS_ENABLED(CONFIG_X86_KERNEL_IBT) ? 4 : 0)

static unsigned long left, wrong;
static DECLARE_COMPLETION(done);

/* One call. @right is true if it runs in the context that was asked for. */
static void call(bool right)
{
	long x = left;

	wrong += !right;
	wrong += rktest_context_target(x) != x + 1;
	left--;
}

static void in_tasklet(struct tasklet_struct *unused)
{
	while (left)
		call(in_serving_softirq());
	complete(&done);
}

static DECLARE_TASKLET(tasklet, in_tasklet);

static void in_irq_work(struct irq_work *unused)
{
	while (left)
		call(in_hardirq() && irqs_disabled());
	complete(&done);
}

static struct irq_work hard_work = IRQ_WORK_INIT_HARD(in_irq_work);

static void tell_done(struct irq_work *unused)
{
	complete(&done);
}

/* An NMI may take no lock, so it cannot call complete(). */
static struct irq_work nmi_done = IRQ_WORK_INIT_HARD(tell_done);
static bool nmi_wanted;

static int in_nmi_handler(unsigned int type, struct pt_regs *regs)
{
	if (!xchg(&nmi_wanted, false))
		return NMI_DONE;
	while (left)
		call(in_nmi());
	irq_work_queue(&nmi_done);
	return NMI_HANDLED;
}

static int run_in_nmi(void)
{
	int ret = register_nmi_handler(NMI_LOCAL, in_nmi_handler, 0, "rktest");

	if (ret)
		return ret;
	preempt_disable();
	WRITE_ONCE(nmi_wanted, true);
	apic->send_IPI_mask(cpumask_of(smp_processor_id()), NMI_VECTOR);
	preempt_enable();
	ret = wait_for_completion_timeout(&done, 30 * HZ) ? 0 : -ETIMEDOUT;
	unregister_nmi_handler(NMI_LOCAL, "rktest");
	irq_work_sync(&nmi_done);
	return ret;
}

static int in_native(struct kprobe *kp, struct pt_regs *regs)
{
	call(true);
	return 0;
}

static int run_in_native(void)
{
	struct kprobe kp = {
		.symbol_name = "rktest_context_outer",
		.offset = FIRST,
		.pre_handler = in_native,
	};
	int ret = register_kprobe(&kp);

	if (ret)
		return ret;
	while (left) {
		unsigned long before = left;

		wrong += rktest_context_outer(1) != 2;
		if (left != before - 1)
			break;
	}
	unregister_kprobe(&kp);
	return left ? -EIO : 0;
}

static int run(const char *context)
{
	unsigned long flags;

	reinit_completion(&done);
	if (!strcmp(context, "task")) {
		while (left)
			call(in_task() && preemptible());
	} else if (!strcmp(context, "preempt_off")) {
		preempt_disable();
		while (left)
			call(!preemptible());
		preempt_enable();
	} else if (!strcmp(context, "irqs_off")) {
		local_irq_save(flags);
		while (left)
			call(irqs_disabled());
		/* The hits have not enabled interrupts. */
		wrong += !irqs_disabled();
		local_irq_restore(flags);
	} else if (!strcmp(context, "softirq")) {
		tasklet_schedule(&tasklet);
		wait_for_completion(&done);
	} else if (!strcmp(context, "hardirq")) {
		irq_work_queue(&hard_work);
		wait_for_completion(&done);
	} else if (!strcmp(context, "nmi")) {
		return run_in_nmi();
	} else if (!strcmp(context, "native")) {
		return run_in_native();
	} else {
		return -EINVAL;
	}
	return 0;
}

static atomic_long_t handled;

static int count_handled(struct rkprobe *p, struct pt_regs *regs)
{
	atomic_long_inc(&handled);
	return 0;
}

static struct rkprobe handler_probe;

/* Registers or unregisters a handler on the target. Prints how often it was called. */
static int set_handler(bool on)
{
	rktest_print("%ld\n", atomic_long_read(&handled));
	if (!on) {
		unregister_rkprobe(&handler_probe);
		return 0;
	}
	memset(&handler_probe, 0, sizeof(handler_probe));
	handler_probe.symbol_name = "rktest_context_target";
	handler_probe.offset = FIRST;
	handler_probe.pre_handler = count_handled;
	atomic_long_set(&handled, 0);
	return register_rkprobe(&handler_probe);
}

/* The flag AC belongs to the interrupted code, and must not be set in handlers. */
static int user_handler(struct rkprobe *p, struct pt_regs *regs)
{
	wrong += !(regs->flags & X86_EFLAGS_AC);
	wrong += !!(native_save_fl() & X86_EFLAGS_AC);
	return 0;
}

static int hit_user_access(void)
{
	struct rkprobe p = {
		.symbol_name = "rktest_context_user",
		.offset = FIRST + 3,
		.pre_handler = user_handler,
	};
	int ret;

	if (!boot_cpu_has(X86_FEATURE_SMAP))
		return -EOPNOTSUPP;
	ret = register_rkprobe(&p);
	if (ret)
		return ret;
	wrong += rktest_context_user(1) != 2;
	wrong += flush_rkprobes() != 0;
	wrong += READ_ONCE(*(u8 *)p.addr) != JMP32_INSN_OPCODE;
	wrong += rktest_context_user(1) != 2;
	wrong += rkprobe_hits(&p) != 2;
	unregister_rkprobe(&p);
	return 0;
}

static unsigned long ours, theirs;

static int nesting_handler(struct rkprobe *p, struct pt_regs *regs)
{
	ours++;
	wrong += rktest_context_target(1) != 2;
	wrong += rktest_context_inner(1) != 2;
	return 0;
}

static int counting_handler(struct kprobe *kp, struct pt_regs *regs)
{
	theirs++;
	return 0;
}

static int nest(unsigned long count)
{
	struct rkprobe p = {
		.symbol_name = "rktest_context_outer",
		.offset = FIRST,
		.pre_handler = nesting_handler,
	};
	struct kprobe kp = {
		.symbol_name = "rktest_context_inner",
		.offset = FIRST,
		.pre_handler = counting_handler,
	};
	int ret = register_rkprobe(&p);

	if (ret)
		return ret;
	ret = register_kprobe(&kp);
	ours = theirs = 0;
	if (!ret) {
		while (count--)
			wrong += rktest_context_outer(1) != 2;
		unregister_kprobe(&kp);
	}
	unregister_rkprobe(&p);
	rktest_print("%lu %lu\n", ours, theirs);
	return ret;
}

static int rktest_run(int argc, char **argv)
{
	unsigned long count;
	int ret;

	if (rktest_is(argc, argv, "handler", 1))
		return set_handler(argv[1][0] == '1');
	wrong = 0;
	if (rktest_is(argc, argv, "user_access", 0)) {
		ret = hit_user_access();
	} else if (rktest_is(argc, argv, "nest", 1)) {
		ret = kstrtoul(argv[1], 0, &count) ?: nest(count);
	} else if (rktest_is(argc, argv, "hit", 2)) {
		ret = kstrtoul(argv[2], 0, &left) ?: run(argv[1]);
	} else {
		return -EINVAL;
	}
	if (!ret && wrong)
		rktest_print("%lu checks failed\n", wrong);
	return ret ?: wrong ? -EIO : 0;
}

static int __init contexts_init(void)
{
	return 0;
}

static void __exit contexts_exit(void)
{
	unregister_rkprobe(&handler_probe);
	tasklet_kill(&tasklet);
	irq_work_sync(&hard_work);
}

module_init(contexts_init);
module_exit(contexts_exit);
MODULE_DESCRIPTION("Hits in every context, for the rkprobes tests");
MODULE_LICENSE("GPL");
