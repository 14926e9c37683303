// SPDX-License-Identifier: GPL-2.0
/* The work queue: the optimizer's passes, and the checks of limits. */
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/cpumask.h>
#include <linux/smp.h>
#include <linux/workqueue.h>
#include "sys/helpers.h"

static struct workqueue_struct *rk_queue, *rk_urgent;

static void rk_work_fn(struct work_struct *work)
{
	rk_optimizer_pass();
}

static DECLARE_DELAYED_WORK(rk_work, rk_work_fn);

/*
 * Starts the optimizer after @ticks jiffies, unless it is pending. With @sooner a
 * pending optimizer starts after @ticks jiffies at the latest. Returns whether it
 * was not pending.
 */
bool rk_kick_optimizer(unsigned int ticks, bool sooner)
{
	if (sooner)
		return !mod_delayed_work(rk_queue, &rk_work, ticks);
	return queue_delayed_work(rk_queue, &rk_work, ticks);
}

static void rk_kick_fn(struct irq_work *work)
{
	rk_kick_optimizer(0, true);
}

static DEFINE_IRQ_WORK(rk_kick_work, rk_kick_fn);

/*
 * Starts the optimizer at once. May be called in a handler. A CPU that is offline
 * runs no irq_work any more (kernel/smp.c:smpcfd_dying_cpu has run the last); then
 * the next pass does the work.
 */
void rk_kick_from_handler(void)
{
	if (cpu_online(smp_processor_id()))
		irq_work_queue(&rk_kick_work);
}

int rk_start_optimizer(void)
{
	rk_queue = alloc_workqueue("rkprobes", WQ_UNBOUND, 0);
	if (!rk_queue)
		return -ENOMEM;
	/* Hot probes may leave little time for other tasks. */
	rk_urgent = alloc_workqueue("rkprobes_limits", WQ_UNBOUND | WQ_HIGHPRI, 0);
	if (rk_urgent)
		return 0;
	destroy_workqueue(rk_queue);
	return -ENOMEM;
}

static void rk_limits_fn(struct work_struct *work)
{
	unsigned int ms = rk_check_limits();

	if (ms)
		rk_watch_limits(ms);
}

static DECLARE_DELAYED_WORK(rk_limits, rk_limits_fn);

/* Checks the limits in @ms milliseconds, unless a check is pending. */
void rk_watch_limits(unsigned int ms)
{
	queue_delayed_work(rk_urgent, &rk_limits, msecs_to_jiffies(ms));
}

u64 rk_now_ms(void)
{
	return ktime_to_ms(ktime_get());
}

/*
 * After this no work runs, and none is pending. Callers of rk_kick_optimizer(),
 * rk_kick_from_handler() and rk_watch_limits() have ended before.
 */
void rk_stop_optimizer(void)
{
	irq_work_sync(&rk_kick_work);
	cancel_delayed_work_sync(&rk_limits);
	cancel_delayed_work_sync(&rk_work);
	destroy_workqueue(rk_urgent);
	destroy_workqueue(rk_queue);
}
