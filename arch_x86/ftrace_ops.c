// SPDX-License-Identifier: GPL-2.0
/* Function entries: the module's callback of the function tracer, and its filter. */
#include <linux/ftrace.h>
#include <linux/irqflags.h>
#include <linux/lockdep.h>
#include <linux/percpu.h>
#include <asm/text-patching.h>
#include "sys/helpers.h"

/*
 * An empty filter of ftrace_ops means all functions. So the filter always has
 * this function, which is never called.
 */
static noinline void rk_ftrace_anchor(void)
{
	barrier();
}

/*
 * Switches interrupts off and tells lockdep. The functions of lockdep are not
 * called, because they can be traced and probed. Returns what lockdep knew.
 */
static __always_inline int rk_irqs_off(unsigned long *flags)
{
	int known = 0;

	raw_local_irq_save(*flags);
#ifdef CONFIG_PROVE_LOCKING
	known = raw_cpu_read(hardirqs_enabled);
	raw_cpu_write(hardirqs_enabled, 0);
#endif
	return known;
}

static __always_inline void rk_irqs_restore(unsigned long flags, int known)
{
#ifdef CONFIG_PROVE_LOCKING
	raw_cpu_write(hardirqs_enabled, known);
#endif
	raw_local_irq_restore(flags);
}

static notrace void rk_ftrace_fn(unsigned long ip, unsigned long parent_ip,
				 struct ftrace_ops *ops,
				 struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);
	unsigned long flags, resume, direct;
	int known;

	if (!regs)
		return;
	/* Handlers have one context on all lanes. */
	known = rk_irqs_off(&flags);
	resume = regs->ip;
	/* A handler may write it, and ftrace calls what is in it. */
	direct = regs->orig_ax;
	/* As after an int3. */
	regs->ip = ip + INT3_INSN_SIZE;
	/* As with kprobes, the changed ip takes effect. One that was not changed is no place to go to. */
	if (!rk_ftrace_hit(ip, regs) || regs->ip == ip + INT3_INSN_SIZE)
		regs->ip = resume;
	regs->orig_ax = direct;
	rk_irqs_restore(flags, known);
}

/*
 * Permanent: while probes use ftrace, the kernel refuses kernel.ftrace_enabled=0,
 * which silences tracers. While it is 0, the kernel refuses the probes.
 */
static struct ftrace_ops rk_ftrace_ops = {
	.func = rk_ftrace_fn,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_PERMANENT,
};

static void notrace rk_claim_fn(unsigned long ip, unsigned long parent_ip,
				struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
}

/*
 * Has the entries whose handlers may change ip. ftrace lets one user change the ip
 * of a function, so no livepatch has such a function. The handlers are called by
 * rk_ftrace_ops, so an entry is never called twice.
 */
static struct ftrace_ops rk_claim_ops = {
	.func = rk_claim_fn,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_PERMANENT | FTRACE_OPS_FL_IPMODIFY,
};

static int rk_ops_start(struct ftrace_ops *ops)
{
	unsigned long anchor = (unsigned long)rk_ftrace_anchor;
	int ret;

	if (ops->flags & FTRACE_OPS_FL_ENABLED)
		return 0;
	/* Otherwise objtool sees an address inside a function. */
	OPTIMIZER_HIDE_VAR(anchor);
	anchor = rk_ftrace_location_range(anchor, anchor + 16);
	ret = ftrace_set_filter_ip(ops, anchor, 0, 1);
	if (!ret)
		ret = register_ftrace_function(ops);
	if (ret)
		ftrace_free_filter(ops);
	return ret;
}

/*
 * Whether the filter has no entry of a probe, because registering the ops failed:
 * before Linux 7.3 kernel.ftrace_enabled may be 0. Then removing must not start them.
 */
static bool rk_ops_have_none(struct ftrace_ops *ops, bool remove)
{
	return remove && !(ops->flags & FTRACE_OPS_FL_ENABLED);
}

/*
 * Adds function entries to the filter, or removes them, with one update of the
 * text. The engine's lock serializes the calls.
 */
int rk_ftrace_filter(unsigned long *ips, unsigned int count, bool remove)
{
	if (rk_ops_have_none(&rk_ftrace_ops, remove))
		return 0;
	return rk_ops_start(&rk_ftrace_ops) ?:
	       ftrace_set_filter_ips(&rk_ftrace_ops, ips, count, remove, 0);
}

/*
 * Claims the ip of a function whose entry is at @ip, or gives it back. The engine's
 * lock serializes the calls. Returns -EBUSY if another user has it.
 */
int rk_ftrace_claim(unsigned long ip, bool remove)
{
	if (rk_ops_have_none(&rk_claim_ops, remove))
		return 0;
	return rk_ops_start(&rk_claim_ops) ?:
	       ftrace_set_filter_ip(&rk_claim_ops, ip, remove, 0);
}

static void rk_ops_stop(struct ftrace_ops *ops)
{
	if (ops->flags & FTRACE_OPS_FL_ENABLED)
		unregister_ftrace_function(ops);
	ftrace_free_filter(ops);
}

/* Stops the callbacks, and waits until no CPU is in one. */
void rk_ftrace_stop(void)
{
	rk_ops_stop(&rk_ftrace_ops);
	rk_ops_stop(&rk_claim_ops);
}
