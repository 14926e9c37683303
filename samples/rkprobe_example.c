// SPDX-License-Identifier: GPL-2.0
/*
 * One probe. The first hits print the CPU, the stack pointer and the flags.
 * Unloading the module prints how often the probe was hit.
 *
 *   insmod rkprobe_example.ko symbol=do_sys_openat2
 */
#include <linux/module.h>
#include <linux/ptrace.h>
#include <rkprobes.h>

static char *symbol = "kernel_clone";
module_param(symbol, charp, 0400);
MODULE_PARM_DESC(symbol, "function to probe");

static unsigned int offset;
module_param(offset, uint, 0400);
MODULE_PARM_DESC(offset, "bytes from the beginning of the function; an instruction must begin there");

/* Only the first hits print, because a probe can be hit a million times a second. */
static atomic_t to_print = ATOMIC_INIT(3);

static int before(struct rkprobe *p, struct pt_regs *regs)
{
	/* The probe may have interrupted any context: no locks, no sleep. */
	if (atomic_dec_if_positive(&to_print) >= 0)
		pr_info("rkprobe_example: %s+%u on CPU %d, sp %#lx, flags %#lx\n",
			p->symbol_name, p->offset, raw_smp_processor_id(), regs->sp, regs->flags);
	return 0;
}

static struct rkprobe probe = {
	.pre_handler = before,
};

static int __init example_init(void)
{
	int ret;

	probe.symbol_name = symbol;
	probe.offset = offset;
	ret = register_rkprobe(&probe);
	if (ret) {
		pr_err("rkprobe_example: no probe at %s+%u: %s (error %d)\n", symbol, offset,
		       probe.reason, ret);
		return ret;
	}
	pr_info("rkprobe_example: a probe at %s+%u, %pS\n", symbol, offset, probe.addr);
	return 0;
}

static void __exit example_exit(void)
{
	pr_info("rkprobe_example: %lu hits\n", rkprobe_hits(&probe));
	unregister_rkprobe(&probe);
}

module_init(example_init);
module_exit(example_exit);
MODULE_DESCRIPTION("Sample of the C API of rkprobes: one probe");
MODULE_LICENSE("GPL");
