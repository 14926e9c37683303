// SPDX-License-Identifier: GPL-2.0
/*
 * More die notifiers than rkprobes follows. They are called before all other
 * notifiers, and return at once.
 */
#include <linux/kdebug.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/notifier.h>

#define MANY	16

static struct notifier_block blocks[MANY];

static int notify(struct notifier_block *block, unsigned long reason, void *data)
{
	return NOTIFY_DONE;
}

static void leave(int count)
{
	while (count--)
		unregister_die_notifier(&blocks[count]);
}

static int __init crowd_init(void)
{
	int i, ret;

	for (i = 0; i < MANY; i++) {
		blocks[i].notifier_call = notify;
		blocks[i].priority = INT_MAX;
		ret = register_die_notifier(&blocks[i]);
		if (ret) {
			leave(i);
			return ret;
		}
	}
	return 0;
}

static void __exit crowd_exit(void)
{
	leave(MANY);
}

module_init(crowd_init);
module_exit(crowd_exit);
MODULE_DESCRIPTION("A crowd of die notifiers, for the rkprobes tests");
MODULE_LICENSE("GPL");
