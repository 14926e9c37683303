// SPDX-License-Identifier: GPL-2.0
/* Notifier chains. */
#include <linux/notifier.h>
#include <linux/rcupdate.h>
#include "sys/helpers.h"

/*
 * Stores the functions of an atomic notifier chain that run before a notifier of
 * the highest priority that is registered now; at most @max. Returns how many.
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
