// SPDX-License-Identifier: GPL-2.0
/*
 * Lets an interrupt wake the machine from suspend-to-idle. The real-time clock asks
 * ACPI to wake the machine, and an emulator may do that only in suspend-to-RAM.
 *
 *	insmod rktest_wake.ko irq=8
 */
#include <linux/interrupt.h>
#include <linux/module.h>

static unsigned int irq;
module_param(irq, uint, 0400);
MODULE_PARM_DESC(irq, "number of the interrupt");

static int __init wake_init(void)
{
	return enable_irq_wake(irq);
}

static void __exit wake_exit(void)
{
	disable_irq_wake(irq);
}

module_init(wake_init);
module_exit(wake_exit);
MODULE_DESCRIPTION("An interrupt that wakes the machine, for the rkprobes tests");
MODULE_LICENSE("GPL");
