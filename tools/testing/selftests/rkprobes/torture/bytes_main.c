// SPDX-License-Identifier: GPL-2.0
/*
 * Compares the kernel's text with a kept copy. Commands:
 *
 *   keep START END   keeps the bytes from START to before END (hexadecimal)
 *   compare          prints "differences N" and the places of the first differences
 */
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include "rktest.h"

#define SHOWN	20

static unsigned long begin, size;
static u8 *kept;

static int keep(const char *start, const char *end)
{
	unsigned long to;

	if (kstrtoul(start, 16, &begin) || kstrtoul(end, 16, &to) || to <= begin)
		return -EINVAL;
	vfree(kept);
	size = to - begin;
	kept = vmalloc(size);
	if (!kept)
		return -ENOMEM;
	return copy_from_kernel_nofault(kept, (void *)begin, size);
}

static int compare(void)
{
	unsigned long i, count = 0;
	u8 now;

	if (!kept)
		return -EINVAL;
	for (i = 0; i < size; i++) {
		if (copy_from_kernel_nofault(&now, (void *)(begin + i), 1))
			return -EFAULT;
		if (now != kept[i] && ++count <= SHOWN)
			rktest_print("%pS: %02x was %02x\n", (void *)(begin + i), now, kept[i]);
	}
	rktest_print("differences %lu\n", count);
	return 0;
}

static int rktest_run(int argc, char **argv)
{
	if (rktest_is(argc, argv, "keep", 2))
		return keep(argv[1], argv[2]);
	if (rktest_is(argc, argv, "compare", 0))
		return compare();
	return -EINVAL;
}

static int __init bytes_init(void)
{
	return 0;
}

static void __exit bytes_exit(void)
{
	vfree(kept);
}

module_init(bytes_init);
module_exit(bytes_exit);
MODULE_DESCRIPTION("Compares the kernel's text with what it was, for the rkprobes torture");
MODULE_LICENSE("GPL");
