// SPDX-License-Identifier: GPL-2.0
/* Function entries: the module's callback of the function tracer, and its filter. */
#include <linux/ftrace.h>
#include <linux/irqflags.h>
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

static void rk_ftrace_fn(unsigned long ip, unsigned long parent_ip,
			 struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);
	unsigned long flags, resume;

	if (!regs)
		return;
	/* Handlers have one context on all lanes. */
	raw_local_irq_save(flags);
	resume = regs->ip;
	/* As after an int3. */
	regs->ip = ip + INT3_INSN_SIZE;
	rk_ftrace_hit(ip, regs);
	regs->ip = resume;
	raw_local_irq_restore(flags);
}

/*
 * Permanent: while probes use ftrace, the kernel refuses kernel.ftrace_enabled=0,
 * which silences tracers. While it is 0, the kernel refuses the probes.
 */
static struct ftrace_ops rk_ftrace_ops = {
	.func = rk_ftrace_fn,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_PERMANENT,
};

static bool rk_ftrace_started;

static int rk_ftrace_start(void)
{
	unsigned long anchor = (unsigned long)rk_ftrace_anchor;
	int ret;

	/* Otherwise objtool sees an address inside a function. */
	OPTIMIZER_HIDE_VAR(anchor);
	anchor = rk_ftrace_location_range(anchor, anchor + 16);
	ret = ftrace_set_filter_ip(&rk_ftrace_ops, anchor, 0, 1);
	if (!ret)
		ret = register_ftrace_function(&rk_ftrace_ops);
	rk_ftrace_started = !ret;
	return ret;
}

/*
 * Adds function entries to the filter, or removes them, with one update of the
 * text. The engine's lock serializes the calls.
 */
int rk_ftrace_filter(unsigned long *ips, unsigned int count, bool remove)
{
	int ret = 0;

	if (!rk_ftrace_started)
		ret = rk_ftrace_start();
	return ret ?: ftrace_set_filter_ips(&rk_ftrace_ops, ips, count, remove, 0);
}

/* Stops the callbacks, and waits until no CPU is in one. */
void rk_ftrace_stop(void)
{
	if (!rk_ftrace_started)
		return;
	unregister_ftrace_function(&rk_ftrace_ops);
	ftrace_free_filter(&rk_ftrace_ops);
	rk_ftrace_started = false;
}
