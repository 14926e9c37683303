/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rkprobes: breakpoint probes on live kernel text, turned into jumps by a
 * delayed optimizer.
 *
 * The functions and their errors are those of kprobes: porting is a rename.
 * All functions may sleep, so none may be called from a handler. In a handler
 * they do nothing, and those that return an error return -EDEADLK. To remove a
 * probe because of a hit, queue an irq_work that queues a work item.
 */
#ifndef _RKPROBES_H
#define _RKPROBES_H

/* Users of kprobes rely on what this header includes: __kprobes, NOKPROBE_SYMBOL(), KSYM_NAME_LEN. */
#include <linux/kprobes.h>
#include <linux/percpu.h>
#include <linux/types.h>

struct pt_regs;
struct rkprobe;

/**
 * typedef rkprobe_pre_handler_t - called before the probed instruction.
 * @p: the probe that was hit
 * @regs: the registers at the probe; changes to the general registers and the
 *	flags take effect. @regs->ip is the probe's address plus one.
 *	@regs->orig_ax has no meaning, and a change of it has no effect.
 *
 * Context: as in an NMI. Interrupts are off on each lane (int3, jump, function
 * tracer). Must not sleep, take locks or allocate. Atomic operations, per-CPU
 * counters and printk() (pr_info_ratelimited()) are allowed. But printk() may
 * wake a task, so do not call it from a probe in the scheduler.
 *
 * Return: 0. Any other value means that @regs->ip was changed and that the
 * probed instruction must not be executed. An int3 and a function's entry honour
 * the changed ip. A jump ignores it. So give such a probe a post_handler, which
 * keeps it from becoming a jump. At an entry a post_handler also keeps livepatches
 * and other users of ftrace from changing the ip of the function: registering
 * fails with -EBUSY if one of them has it. At an entry @regs->sp cannot be changed.
 *
 * The handlers of one address are called in the order of registration, the last
 * one first. On an int3 and at an entry, no other handler runs after a value that
 * is not 0. On a jump the value is ignored, and all handlers run. kprobes does
 * all this too.
 */
typedef int (*rkprobe_pre_handler_t)(struct rkprobe *p, struct pt_regs *regs);

/**
 * typedef rkprobe_post_handler_t - called after the probed instruction.
 * @p: the probe that was hit
 * @regs: the registers after the instruction
 * @flags: always 0
 *
 * Context: that of the pre_handler. A probe with a post_handler is never a jump.
 */
typedef void (*rkprobe_post_handler_t)(struct rkprobe *p, struct pt_regs *regs,
				       unsigned long flags);

/* The probe does not run. Set by its user before registering, or by
 * disable_rkprobe(). */
#define RKPROBE_FLAG_DISABLED	1
/* The probed text was unloaded. Set by rkprobes. */
#define RKPROBE_FLAG_GONE	2
/* The probe is disabled because it had more hits a second than its limit. Set by
 * rkprobes, and cleared when the probe is enabled again. */
#define RKPROBE_FLAG_LIMITED	4

/**
 * struct rkprobe - one probe
 * @symbol_name: the function to probe, "module:function" for a function of a
 *	module; or NULL if @addr is given
 * @offset: bytes from the beginning of @symbol_name (or from @addr)
 * @addr: the address to probe; filled in if @symbol_name is given, and kept when
 *	the probe is unregistered
 * @pre_handler: called before the instruction, or NULL
 * @post_handler: called after the instruction, or NULL
 * @flags: RKPROBE_FLAG_*
 * @limit: the most hits a second, 0 for no limit; read when the probe is
 *	registered, and changed by limit_rkprobe() after that
 * @nmissed: how often the probe was hit and no handler was called, because the
 *	hit was inside a handler on this CPU
 * @reason: why the last registration of this probe was refused, and what to do;
 *	NULL if it was not refused
 *
 * A probe without handlers counts its hits. While no probe on an address has a
 * handler, the jump there counts without a call. A hit of such a jump inside a
 * handler is counted as a hit, because no handler is left out.
 *
 * An unregistered structure can be registered again. Clear @flags before that: a
 * disabled probe is registered as a disabled one. @symbol_name is looked up again,
 * whether the caller clears the @addr that was filled in, as kprobes requires, or
 * leaves it.
 *
 * Zero all members that are not set. The members without a description here
 * belong to rkprobes.
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
	void *found;
	struct rkprobe *abandoned;
	/* public: */
	const char *reason;
};

/**
 * register_rkprobe() - put a probe on kernel text and arm it
 * @p: the probe; must not be moved or freed until it is unregistered
 *
 * Return: 0; -EINVAL (both or neither of symbol_name and addr, registered
 * already, text that must not be probed), -ENOENT (no such symbol, text that is
 * being unloaded), -EADDRNOTAVAIL (the symbol is ambiguous), -EILSEQ (not an
 * instruction boundary, or an instruction that cannot be probed), -EOPNOTSUPP
 * (an instruction that cannot be executed elsewhere), -EEXIST (a native kprobe
 * is there), -EBUSY (foreign bytes are there), -ENOMEM.
 */
int register_rkprobe(struct rkprobe *p);

/**
 * unregister_rkprobe() - remove a probe
 * @p: the probe
 *
 * When this returns, no handler of @p runs any more, and @p may be freed. It
 * waits for a CPU hotplug operation that has begun. So do not call it from a
 * callback of CPU hotplug or with cpus_read_lock held. unregister_kprobe() has
 * this rule too.
 */
void unregister_rkprobe(struct rkprobe *p);

/**
 * register_rkprobes() - register many probes at once
 * @ps: the probes
 * @num: how many
 *
 * All CPUs are synchronized once for all probes, instead of once for each.
 *
 * Return: 0, -EINVAL if @num is not positive, or the error of the first probe
 * that was refused. After an error none of the probes is registered, and each
 * probe that was refused has its @reason. A batch that is refused as a whole
 * (-ENOMEM, -EDEADLK) leaves the reason in its first probe.
 */
int register_rkprobes(struct rkprobe **ps, int num);

/**
 * unregister_rkprobes() - remove many probes at once
 * @ps: the probes; a probe that is not registered is ignored
 * @num: how many
 *
 * Waits for one grace period for all probes.
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
 * Return: 0, -EINVAL if @p is not registered or its text was unloaded, or
 * -EBUSY if foreign bytes are there.
 */
int enable_rkprobe(struct rkprobe *p);

/**
 * limit_rkprobe() - disable a probe when it has too many hits
 * @p: the probe
 * @hits: the most hits a second, 0 for no limit
 *
 * Ten times a second the hits of @p are compared with the limit. If @p had more
 * hits within a second, it is disabled, RKPROBE_FLAG_LIMITED is set and the log
 * gets a line. enable_rkprobe() enables it again.
 *
 * Return: 0, or -EINVAL if @p is not registered.
 */
int limit_rkprobe(struct rkprobe *p, unsigned int hits);

/**
 * flush_rkprobes() - wait for the optimizer
 *
 * Return: 0 when a full pass that began after the call has ended, or -EINTR if
 * the task received a signal first.
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
