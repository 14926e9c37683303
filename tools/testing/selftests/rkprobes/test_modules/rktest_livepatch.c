// SPDX-License-Identifier: GPL-2.0
/* A livepatch of rktest_victim_traced(), which then returns its argument plus 4711. */
#include <linux/livepatch.h>
#include <linux/module.h>

static long patched(long x)
{
	return x + 4711;
}

static struct klp_func functions[] = {
	{ .old_name = "rktest_victim_traced", .new_func = patched },
	{ }
};

static struct klp_object objects[] = {
	{ .name = "rktest_victim", .funcs = functions },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
};

static int __init livepatch_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit livepatch_exit(void)
{
}

module_init(livepatch_init);
module_exit(livepatch_exit);
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("A livepatch, for the rkprobes tests");
MODULE_LICENSE("GPL");
