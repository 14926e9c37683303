// SPDX-License-Identifier: GPL-2.0
/*
 * What Rust cannot say itself and is too small for a file: macros, inline
 * functions, work queues and exports. No decisions are made here.
 */
#include <linux/export.h>
#include <linux/ktime.h>
#include <linux/workqueue.h>
#include "sys/helpers.h"
#include "sys/static_calls.h"

DEFINE_PER_CPU(u32, rk_busy);

/*
 * Whether the caller is in a handler: those run with interrupts off, so of a
 * handler that has died on this CPU only the flag is left.
 */
bool rk_in_handler(void)
{
	return irqs_disabled() && this_cpu_read(rk_busy);
}

static DEFINE_PER_CPU(unsigned long, rk_any_hits);
struct rkprobe rk_any_probe = {
	.pre_handler = rk_detour_hit,
	.hits = &rk_any_hits,
};

/* What kind of text; @coming is the module that it is of, if that is not live yet, or 0. */
unsigned int rk_module_text(unsigned long addr, unsigned long *coming)
{
	unsigned int text = RK_TEXT_NONE;
	enum module_state state;
	struct module *module;

	*coming = 0;
	rcu_read_lock();
	module = rk_module_address(addr);
	if (!module)
		goto out;
	if (module == THIS_MODULE)
		text = RK_TEXT_OURS;
	else if (within_module_mem_type(addr, module, MOD_TEXT))
		text = RK_TEXT_MODULE;
	else if (within_module_mem_type(addr, module, MOD_INIT_TEXT))
		text = RK_TEXT_MODULE_INIT;
	else
		goto out;
	state = READ_ONCE(module->state);
	if (state == MODULE_STATE_COMING)
		*coming = (unsigned long)module;
	if (state == MODULE_STATE_GOING ||
	    (text == RK_TEXT_MODULE_INIT && state == MODULE_STATE_LIVE))
		text = RK_TEXT_MODULE_GOING;
out:
	rcu_read_unlock();
	return text;
}

static struct rk_range rk_module_range(struct module *module,
				       enum mod_mem_type type)
{
	unsigned long start = (unsigned long)module->mem[type].base;

	return (struct rk_range){ start, start + module->mem[type].size };
}

struct rk_range rk_module_core_text(struct module *module)
{
	return rk_module_range(module, MOD_TEXT);
}

struct rk_range rk_module_init_text(struct module *module)
{
	return rk_module_range(module, MOD_INIT_TEXT);
}

/* Whether @addr is in the module's memory, of any kind; with @init in what is freed when it is live. */
bool rk_module_holds(struct module *module, unsigned long addr, bool init)
{
	return within_module_init(addr, module) ||
	       (!init && within_module_core(addr, module));
}

/*
 * The functions of an atomic notifier chain that a notifier of the highest
 * priority, added now, would come behind.
 */
unsigned int rk_notifiers_before(unsigned long chain, unsigned long *calls,
				 unsigned int max)
{
	struct atomic_notifier_head *head = (void *)chain;
	struct notifier_block *block;
	unsigned int count = 0;

	rcu_read_lock();
	for (block = rcu_dereference(head->head); block && count < max;
	     block = rcu_dereference(block->next)) {
		if (block->priority == INT_MAX)
			calls[count++] = (unsigned long)block->notifier_call;
	}
	rcu_read_unlock();
	return count;
}

static struct workqueue_struct *rk_queue;

static void rk_work_fn(struct work_struct *work)
{
	rk_optimizer_pass();
}

static DECLARE_DELAYED_WORK(rk_work, rk_work_fn);

/*
 * Starts the optimizer after @ticks jiffies, unless it is already pending;
 * with @sooner also if it is, which then waits for no longer than @ticks.
 * Says whether it was not pending.
 */
bool rk_kick_optimizer(unsigned int ticks, bool sooner)
{
	if (sooner)
		return !mod_delayed_work(rk_queue, &rk_work, ticks);
	return queue_delayed_work(rk_queue, &rk_work, ticks);
}

int rk_start_optimizer(void)
{
	rk_queue = alloc_workqueue("rkprobes", WQ_UNBOUND, 0);
	return rk_queue ? 0 : -ENOMEM;
}

static void rk_limits_fn(struct work_struct *work)
{
	unsigned int ms = rk_check_limits();

	if (ms)
		rk_watch_limits(ms);
}

static DECLARE_DELAYED_WORK(rk_limits, rk_limits_fn);

/* Looks at the limits in @ms milliseconds, unless that is pending. */
void rk_watch_limits(unsigned int ms)
{
	queue_delayed_work(rk_queue, &rk_limits, msecs_to_jiffies(ms));
}

u64 rk_now_ms(void)
{
	return ktime_to_ms(ktime_get());
}

/* After this nothing of it runs and nothing is pending; nobody may kick any more. */
void rk_stop_optimizer(void)
{
	cancel_delayed_work_sync(&rk_limits);
	cancel_delayed_work_sync(&rk_work);
	destroy_workqueue(rk_queue);
}

unsigned long __percpu *rk_alloc_hits(void)
{
	return alloc_percpu(unsigned long);
}

unsigned long rk_sum_hits(const unsigned long __percpu *hits)
{
	unsigned long sum = 0;
	int cpu;

	if (!hits)
		return 0;
	for_each_possible_cpu(cpu)
		sum += *per_cpu_ptr(hits, cpu);
	return sum;
}

/* The C interface is in api.rs; Rust cannot export for C by itself. */
EXPORT_SYMBOL_GPL(register_rkprobe);
EXPORT_SYMBOL_GPL(unregister_rkprobe);
EXPORT_SYMBOL_GPL(register_rkprobes);
EXPORT_SYMBOL_GPL(unregister_rkprobes);
EXPORT_SYMBOL_GPL(enable_rkprobe);
EXPORT_SYMBOL_GPL(disable_rkprobe);
EXPORT_SYMBOL_GPL(limit_rkprobe);
EXPORT_SYMBOL_GPL(flush_rkprobes);
EXPORT_SYMBOL_GPL(rkprobe_hits);
