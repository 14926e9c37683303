// SPDX-License-Identifier: GPL-2.0
/* Per-CPU data of a hit, which needs macros of C. */
#include <linux/irqflags.h>
#include "sys/helpers.h"

DEFINE_PER_CPU(u32, rk_busy);

/*
 * Whether the caller is in a handler. Handlers run with interrupts off. So if
 * interrupts are on, the flag is from a handler that has died on this CPU.
 */
bool rk_in_handler(void)
{
	return irqs_disabled() && this_cpu_read(rk_busy);
}

static DEFINE_PER_CPU(bool, rk_dead);

/*
 * Called while an oops is reported, with interrupts off. Returns whether a handler
 * has died on this CPU, for the first one only: the flag is never cleared after it.
 */
bool rk_handler_died(void)
{
	return this_cpu_read(rk_busy) && !this_cpu_xchg(rk_dead, true);
}

/* Stands for all probes of a site, when detour_entry.S calls Rust for them. */
static DEFINE_PER_CPU(unsigned long, rk_any_hits);
struct rkprobe rk_any_probe = {
	.pre_handler = rk_detour_hit,
	.hits = &rk_any_hits,
};
