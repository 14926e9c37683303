// SPDX-License-Identifier: GPL-2.0
/*
 * Shows how memory is mapped. The module does not need rkprobes, so it can look at
 * the memory also after rkprobes is unloaded. Commands:
 *
 *   mapping ADDRESS   prints how an address is mapped: r or w, and x if it is executable; or "unmapped"
 *   checkwx ADDRESS   calls the kernel's check of all mappings at that address; prints the result
 *   poisoned ADDRESS  fails unless the page of the address is full of int3s, or unmapped
 */
#include <linux/uaccess.h>
#include <asm/pgtable.h>
#include <asm/text-patching.h>
#include "rktest.h"

/* Prints the flags of the kernel's page table entry. */
static int mapping(const char *text)
{
	unsigned long addr;
	unsigned int level;
	pte_t *pte;

	if (kstrtoul(text, 16, &addr))
		return -EINVAL;
	pte = lookup_address(addr, &level);
	if (!pte || !(pte_flags(*pte) & _PAGE_PRESENT)) {
		rktest_print("unmapped\n");
		return 0;
	}
	/* On all levels these flags are at equal places in the entry. */
	rktest_print("%s%s\n", pte_flags(*pte) & _PAGE_RW ? "w" : "r", pte_flags(*pte) & _PAGE_NX ? "" : "x");
	return 0;
}

/* Calls the kernel's own check of all its mappings by its address. */
static int check_wx(const char *text)
{
	bool (*checkwx)(void);
	unsigned long addr;

	if (kstrtoul(text, 16, &addr))
		return -EINVAL;
	checkwx = (void *)addr;
	rktest_print("%s\n", checkwx() ? "passed" : "failed");
	return 0;
}

/* Succeeds if all bytes of the page are int3s, or if the page is not mapped. */
static int poisoned(const char *text)
{
	unsigned long addr;
	unsigned int i;
	u8 byte;

	if (kstrtoul(text, 16, &addr))
		return -EINVAL;
	for (i = 0; i < PAGE_SIZE; i++) {
		if (copy_from_kernel_nofault(&byte, (void *)((addr & PAGE_MASK) + i), 1))
			return 0;
		if (byte != INT3_INSN_OPCODE)
			return -EIO;
	}
	return 0;
}

static int rktest_run(int argc, char **argv)
{
	if (rktest_is(argc, argv, "mapping", 1))
		return mapping(argv[1]);
	if (rktest_is(argc, argv, "checkwx", 1))
		return check_wx(argv[1]);
	if (rktest_is(argc, argv, "poisoned", 1))
		return poisoned(argv[1]);
	return -EINVAL;
}

static int __init mappings_init(void)
{
	return 0;
}

static void __exit mappings_exit(void)
{
}

module_init(mappings_init);
module_exit(mappings_exit);
MODULE_DESCRIPTION("How memory is mapped, for the rkprobes tests");
MODULE_LICENSE("GPL");
