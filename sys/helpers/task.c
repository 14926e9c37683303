// SPDX-License-Identifier: GPL-2.0
/* The kernel's structure of a task. */
#include <linux/sched.h>
#include "sys/helpers.h"

#ifdef CONFIG_TASKS_RCU
/* eligibility/region.rs looks for stores of one byte. */
static_assert(sizeof_field(struct task_struct, rcu_tasks_holdout) == 1);
#endif

unsigned int rk_tasks_holdout(void)
{
#ifdef CONFIG_TASKS_RCU
	return offsetof(struct task_struct, rcu_tasks_holdout);
#else
	return 0;
#endif
}
