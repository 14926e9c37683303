// SPDX-License-Identifier: GPL-2.0
/* The beginning of a module of your own: one probe, which counts the calls of vfs_read(). */
#include <linux/module.h>
#include <rkprobes.h>

static atomic_long_t calls;

static int before(struct rkprobe *p, struct pt_regs *regs)
{
	/* Any context may have been interrupted: no locks, no sleep, no allocations. */
	atomic_long_inc(&calls);
	return 0;
}

static struct rkprobe probe = {
	.symbol_name = "vfs_read",
	.pre_handler = before,
};

static int __init myprobe_init(void)
{
	int ret = register_rkprobe(&probe);

	if (ret)
		pr_err("myprobe_c: no probe at %s: error %d\n", probe.symbol_name, ret);
	return ret;
}

static void __exit myprobe_exit(void)
{
	/* When it returns, no handler runs any more. */
	unregister_rkprobe(&probe);
	pr_info("myprobe_c: %ld calls\n", atomic_long_read(&calls));
}

module_init(myprobe_init);
module_exit(myprobe_exit);
MODULE_DESCRIPTION("A module with a probe");
MODULE_LICENSE("GPL");
