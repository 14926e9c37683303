// SPDX-License-Identifier: GPL-2.0
/*
 * A livepatch of rktest_live_inner(). Its text has a reference to that function. The kernel writes
 * the reference when rktest_live is loaded, and clears it when rktest_live is unloaded. Tools that
 * make livepatches write such relocations into the file of the module. Here the module adds one to
 * what the kernel remembers of that file, because linkers do not keep such relocations. Commands:
 *
 *   offset   prints the offset of the instruction with the reference in rktest_live_late()
 *   late     prints whether rktest_live_late() returns the address of rktest_live_inner()
 */
#include <linux/elf.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include "rktest.h"
#include "live.h"

long rktest_live_late(void);
extern const unsigned long rktest_live_late_insn, rktest_live_late_end;

static const char symbol_name[] = ".klp.sym.rktest_live.rktest_live_inner,0";
static const char section_name[] = ".klp.rela.rktest_live..text";

static noinline long patched(long x)
{
	return x + NEW;
}

static struct klp_func functions[] = {
	{ .old_name = "rktest_live_inner", .new_func = patched },
	{ }
};

static struct klp_object objects[] = {
	{ .name = "rktest_live", .funcs = functions },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
};

static Elf64_Rela late;

static unsigned int find_symbol_index(void)
{
	struct mod_kallsyms *symbols = &THIS_MODULE->core_kallsyms;
	unsigned int i;

	for (i = 1; i < symbols->num_symtab; i++) {
		if (!strcmp(symbols->strtab + symbols->symtab[i].st_name, symbol_name)) {
			symbols->symtab[i].st_shndx = SHN_LIVEPATCH;
			return i;
		}
	}
	return 0;
}

/* Adds a section with the relocation, and a section that stands for the text of the function. */
static int add_relocation(void)
{
	struct klp_modinfo *info = THIS_MODULE->klp_info;
	unsigned int count = info->hdr.e_shnum, symbol = find_symbol_index();
	size_t names = info->sechdrs[info->hdr.e_shstrndx].sh_size;
	Elf64_Shdr *headers;
	char *strings;

	if (!symbol)
		return -ENOENT;
	headers = krealloc(info->sechdrs, (count + 2) * sizeof(*headers), GFP_KERNEL);
	if (!headers)
		return -ENOMEM;
	info->sechdrs = headers;
	strings = krealloc(info->secstrings, names + sizeof(section_name), GFP_KERNEL);
	if (!strings)
		return -ENOMEM;
	info->secstrings = strings;
	memcpy(strings + names, section_name, sizeof(section_name));
	late.r_offset = rktest_live_late_end - 4;
	late.r_info = ((u64)symbol << 32) | R_X86_64_PC32;
	late.r_addend = -4;
	memset(headers + count, 0, 2 * sizeof(*headers));
	headers[count].sh_addr = (unsigned long)rktest_live_late;
	headers[count + 1].sh_type = SHT_RELA;
	headers[count + 1].sh_flags = SHF_RELA_LIVEPATCH;
	headers[count + 1].sh_name = names;
	headers[count + 1].sh_addr = (unsigned long)&late;
	headers[count + 1].sh_size = sizeof(late);
	headers[count + 1].sh_info = count;
	info->hdr.e_shnum = count + 2;
	return 0;
}

static int rktest_run(int argc, char **argv)
{
	char name[KSYM_SYMBOL_LEN];

	if (rktest_is(argc, argv, "offset", 0)) {
		rktest_print("%lu\n", rktest_live_late_insn);
		return 0;
	}
	if (!rktest_is(argc, argv, "late", 0))
		return -EINVAL;
	sprint_symbol(name, rktest_live_late());
	rktest_print("%s\n", strstarts(name, "rktest_live_inner+0x0/") ? "yes" : "no");
	return 0;
}

static int __init live_patch_init(void)
{
	return add_relocation() ?: klp_enable_patch(&patch);
}

static void __exit live_patch_exit(void)
{
}

module_init(live_patch_init);
module_exit(live_patch_exit);
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("A livepatch with a late relocation, for the rkprobes tests");
MODULE_LICENSE("GPL");
