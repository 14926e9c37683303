// SPDX-License-Identifier: GPL-2.0
/* Per-CPU counters. */
#include <linux/cpumask.h>
#include <linux/percpu.h>
#include "sys/helpers.h"

unsigned long __percpu *rk_alloc_hits(void)
{
	/* The memory cgroup of the task pays: a user may register any number of probes. */
	return alloc_percpu_gfp(unsigned long, GFP_KERNEL_ACCOUNT);
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
