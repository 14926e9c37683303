// SPDX-License-Identifier: GPL-2.0
/* The work queue: the optimizer's passes, and the checks of limits. */
#include <linux/hrtimer.h>
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

/*
 * In hard interrupt context also with PREEMPT_RT. There other irq_work waits for a
 * thread, which a CPU that goes offline parks while it can still hit a handler: the
 * work would be pending until the CPU comes back, and rk_stop_optimizer() would wait
 * for it. Queuing a work item takes raw locks only.
 */
static struct irq_work rk_kick_work = IRQ_WORK_INIT_HARD(rk_kick_fn);

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

static void rk_limits_fn(struct work_struct *work)
{
	unsigned int ms = rk_check_limits();

	if (ms)
		rk_watch_limits(ms);
}

static DECLARE_WORK(rk_limits, rk_limits_fn);

static enum hrtimer_restart rk_limits_due(struct hrtimer *timer)
{
	queue_work(rk_urgent, &rk_limits);
	return HRTIMER_NORESTART;
}

/*
 * In hard interrupt context also with PREEMPT_RT. There a timer of a delayed work
 * waits for a thread of low real-time priority, which a task of higher priority keeps
 * from running for ever, as one that hits a probe all the time. The scheduler gives
 * the work itself some time (kernel/sched/deadline.c: the server of fair tasks).
 */
static struct hrtimer rk_limits_timer;

/* Checks the limits in @ms milliseconds, unless a check is pending. */
void rk_watch_limits(unsigned int ms)
{
	if (!hrtimer_is_queued(&rk_limits_timer) && !work_pending(&rk_limits))
		hrtimer_start(&rk_limits_timer, ms_to_ktime(ms), HRTIMER_MODE_REL_HARD);
}

u64 rk_now_ms(void)
{
	return ktime_to_ms(ktime_get());
}

int rk_start_optimizer(void)
{
	hrtimer_setup(&rk_limits_timer, rk_limits_due, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
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

/*
 * After this no work runs, and none is pending. Callers of rk_kick_optimizer(),
 * rk_kick_from_handler() and rk_watch_limits() have ended before.
 */
void rk_stop_optimizer(void)
{
	irq_work_sync(&rk_kick_work);
	/* Afterwards neither the work nor the timer can start the other. */
	disable_work_sync(&rk_limits);
	hrtimer_cancel(&rk_limits_timer);
	cancel_delayed_work_sync(&rk_work);
	destroy_workqueue(rk_urgent);
	destroy_workqueue(rk_queue);
}
