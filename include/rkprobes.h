/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rkprobes: breakpoint probes on live kernel text, turned into jumps by a
 * delayed optimizer.
 *
 * The functions and their errors are those of kprobes: porting is a rename.
 * All of them may sleep, none may be called from a handler: there they do
 * nothing, and those that can say so return -EDEADLK. To remove a probe because
 * of a hit, queue an irq_work that queues a work item.
 */
#ifndef _RKPROBES_H
#define _RKPROBES_H

#include <linux/types.h>

struct pt_regs;
struct rkprobe;

/**
 * typedef rkprobe_pre_handler_t - called before the probed instruction.
 * @p: the probe that was hit
 * @regs: the registers at the probe; changes to the general registers and the
 *	flags take effect. @regs->ip is the probe's address plus one.
 *
 * Context: like in an NMI, with interrupts off on both lanes (int3 and jump).
 * Must not sleep, take locks or allocate.
 *
 * Return: 0. Non-zero says that @regs->ip was changed and that the probed
 * instruction must not be executed; that is honoured on an int3 only, so give
 * such a probe a post_handler to keep it from becoming a jump.
 */
typedef int (*rkprobe_pre_handler_t)(struct rkprobe *p, struct pt_regs *regs);

/**
 * typedef rkprobe_post_handler_t - called behind the probed instruction.
 * @p: the probe that was hit
 * @regs: the registers behind the instruction
 * @flags: always 0
 *
 * Context: as the pre_handler. A probe with a post_handler is never a jump.
 */
typedef void (*rkprobe_post_handler_t)(struct rkprobe *p, struct pt_regs *regs,
				       unsigned long flags);

/* The probe does not run: set by its user before registering, or by
 * disable_rkprobe(). */
#define RKPROBE_FLAG_DISABLED	1
/* The probed text was unloaded: set by rkprobes. */
#define RKPROBE_FLAG_GONE	2
/* Disabled for it had more hits a second than its limit: set by rkprobes, and
 * cleared when it is enabled again. */
#define RKPROBE_FLAG_LIMITED	4

/**
 * struct rkprobe - one probe
 * @symbol_name: the function to probe, "module:function" for a module's; or
 *	NULL if @addr is given
 * @offset: bytes from the beginning of @symbol_name (or of @addr)
 * @addr: the address to probe; filled in when @symbol_name is given
 * @pre_handler: called before the instruction, or NULL
 * @post_handler: called behind the instruction, or NULL
 * @flags: RKPROBE_FLAG_*
 * @limit: the most hits a second, 0 for no limit; read when it is registered,
 *	see limit_rkprobe() for later
 * @nmissed: how often the probe was hit and no handler was called, for the
 *	hit was inside a handler on the same CPU
 *
 * A probe without handlers counts its hits. While all probes on an address are
 * such, their jump counts without a call; a hit of it inside a handler is a
 * hit, for nothing would be called.
 *
 * Zero all that is not set. The members behind @nmissed belong to rkprobes.
 */
struct rkprobe {
	const char *symbol_name;
	unsigned int offset;
	void *addr;
	rkprobe_pre_handler_t pre_handler;
	rkprobe_post_handler_t post_handler;
	u32 flags;
	u32 limit;
	unsigned long nmissed;

	/* private: */
	struct rkprobe *next;
	unsigned long __percpu *hits;
	unsigned long __percpu *counting;
	unsigned long counted;
	u32 id;
	u32 registered;
	u64 window_begin;
	u64 window_hits;
};

/**
 * register_rkprobe() - put a probe on kernel text and arm it
 * @p: the probe; must stay where it is until it is unregistered
 *
 * Return: 0; -EINVAL (both or neither of symbol_name and addr, registered
 * already, text that must not be probed), -ENOENT (no such symbol, text is
 * going away), -EADDRNOTAVAIL (the symbol is ambiguous), -EILSEQ (not an
 * instruction boundary, or an instruction that cannot be probed), -EOPNOTSUPP
 * (an instruction that cannot be executed elsewhere), -EEXIST (a native kprobe
 * is there), -EBUSY (somebody else's bytes are there), -ENOMEM.
 */
int register_rkprobe(struct rkprobe *p);

/**
 * unregister_rkprobe() - remove a probe
 * @p: the probe
 *
 * When this returns no handler of @p runs any more and @p may be freed.
 */
void unregister_rkprobe(struct rkprobe *p);

/**
 * register_rkprobes() - register many probes at once
 * @ps: the probes
 * @num: how many
 *
 * One sync of all CPUs for the lot, instead of one each.
 *
 * Return: 0, -EINVAL if @num is not positive, or the error of the first probe
 * that failed; then none of them is registered.
 */
int register_rkprobes(struct rkprobe **ps, int num);

/**
 * unregister_rkprobes() - remove many probes at once
 * @ps: the probes; those that are not registered are passed over
 * @num: how many
 *
 * One grace period for the lot.
 */
void unregister_rkprobes(struct rkprobe **ps, int num);

/**
 * disable_rkprobe() - keep a probe registered, but do not run it
 * @p: the probe
 *
 * Return: 0, or -EINVAL if @p is not registered.
 */
int disable_rkprobe(struct rkprobe *p);

/**
 * enable_rkprobe() - run a disabled probe again
 * @p: the probe
 *
 * Return: 0, -EINVAL if @p is not registered or its text is gone, or -EBUSY if
 * somebody else's bytes are there.
 */
int enable_rkprobe(struct rkprobe *p);

/**
 * limit_rkprobe() - disable a probe when it has too many hits
 * @p: the probe
 * @hits: the most hits a second, 0 for no limit
 *
 * Looked at ten times a second: a probe that had more within a second is
 * disabled, with RKPROBE_FLAG_LIMITED and a line in the log, until
 * enable_rkprobe().
 *
 * Return: 0, or -EINVAL if @p is not registered.
 */
int limit_rkprobe(struct rkprobe *p, unsigned int hits);

/**
 * flush_rkprobes() - wait for the optimizer
 *
 * Return: 0 when a full pass that began after the call has ended, or -EINTR if
 * a signal came first.
 */
int flush_rkprobes(void);

/**
 * rkprobe_hits() - how often a probe was hit, and its handlers called
 * @p: the probe
 *
 * Return: the number of hits, or 0 if @p is not registered.
 */
unsigned long rkprobe_hits(const struct rkprobe *p);

#endif /* _RKPROBES_H */
