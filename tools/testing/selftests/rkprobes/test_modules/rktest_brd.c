// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own driver for disks in memory. The image of test_resume hibernation
 * is written to one. The tests build it, because the VM has no modules of the kernel.
 */
#include "drivers/block/brd.c"
