// SPDX-License-Identifier: GPL-2.0
/*
 * Where a module has its tables of reserved text, and the blacklist of native
 * kprobes. Both are private structures of the kernel. Rust reads the tables
 * (eligibility/tables.rs).
 */
#include <linux/bug.h>
#include <linux/kernfs.h>
#include <linux/sysfs.h>
#include <linux/jump_label.h>
#include <linux/kprobes.h>
#include <linux/static_call_types.h>
#include <asm/extable.h>
#include "sys/helpers.h"
#include "sys/static_calls.h"

/* The sizes of entries in eligibility/tables.rs. */
static_assert(sizeof(struct jump_entry) == 16);
static_assert(offsetof(struct jump_entry, target) == 4);
static_assert(offsetof(struct jump_entry, key) == 8);
static_assert(sizeof(struct static_call_site) == 8);
static_assert(sizeof(struct exception_table_entry) == 12);
static_assert(offsetof(struct exception_table_entry, fixup) == 4);
static_assert(offsetof(struct bug_entry, bug_addr_disp) == 0);

const unsigned long rk_bug_entry_size = sizeof(struct bug_entry);

static struct rk_range rk_table(const void *start, const void *end)
{
	return (struct rk_range){ (unsigned long)start, (unsigned long)end };
}

/*
 * Gives the entries of the blacklist of native kprobes that begin in @text to
 * @sink, until @sink refuses one. Returns whether it has refused none.
 * kprobe_mutex is held.
 */
bool rk_blacklist(unsigned long blacklist, struct rk_range text, void *sink)
{
	struct kprobe_blacklist_entry *entry;

	list_for_each_entry(entry, (struct list_head *)blacklist, list) {
		if (entry->start_addr >= text.start &&
		    entry->start_addr < text.end &&
		    !rk_blacklist_sink(sink, entry->start_addr, entry->end_addr))
			return false;
	}
	return true;
}

/* The address of a section of a module, as sysfs has it; 0 if there is none. */
static unsigned long rk_section_start(struct module *module, const char *name)
{
	struct kernfs_node *sections, *section;
	unsigned long start = 0;

	sections = kernfs_find_and_get(module->mkobj.kobj.sd, "sections");
	if (!sections)
		return 0;
	section = kernfs_find_and_get(sections, name);
	if (section) {
		const struct bin_attribute *attribute = section->priv;

		start = (unsigned long)attribute->private;
	}
	kernfs_put(section);
	kernfs_put(sections);
	return start;
}

/*
 * The end of the section of a module's text that begins at @start, by its symbols.
 * The first symbol from @start on tells the number of the section. If the symbols
 * do not tell the end, it is the end of the module's text.
 */
static unsigned long rk_section_end(struct module *module, unsigned long start)
{
	const unsigned long text_end = rk_module_core_text(module).end;
	const Elf_Sym *symbol, *symbols_end, *first = NULL, *last = NULL;
	struct mod_kallsyms *symbols;
	unsigned long end;

	rcu_read_lock();
	symbols = rcu_dereference(module->kallsyms);
	symbols_end = symbols->symtab + symbols->num_symtab;
	for (symbol = symbols->symtab; symbol < symbols_end; symbol++) {
		if (symbol->st_shndx != SHN_UNDEF && symbol->st_value >= start &&
		    symbol->st_value < text_end &&
		    (!first || symbol->st_value < first->st_value))
			first = symbol;
	}
	for (symbol = symbols->symtab; first && symbol < symbols_end; symbol++) {
		if (symbol->st_shndx == first->st_shndx &&
		    symbol->st_value >= start && symbol->st_value < text_end &&
		    (!last || symbol->st_value + symbol->st_size >
			      last->st_value + last->st_size))
			last = symbol;
	}
	end = last && last->st_size ? last->st_value + last->st_size : text_end;
	rcu_read_unlock();
	return min(end, text_end);
}

/*
 * The code of a module that idle CPUs execute where RCU does not watch them
 * (__cpuidle). The kernel keeps no pointer to it, but sysfs has the section's
 * address. @module is live, and a reference or a notification for it keeps it so.
 */
struct rk_range rk_module_idle_text(struct module *module)
{
	struct rk_range text = {};

	text.start = rk_section_start(module, ".cpuidle.text");
	if (text.start)
		text.end = rk_section_end(module, text.start);
	return text;
}

/*
 * Stores where the module at @addr has its text and its tables, and takes a
 * reference to the module. @tables->init is empty if the init text is freed
 * already, or if no notifier will tell when it is freed; the tables may have
 * entries of it all the same.
 *
 * Returns the module, or NULL if @addr is in no module, in a module that is being
 * unloaded or in such init text.
 *
 * The engine's lock is held, so text is not freed before the module notifier has
 * got that lock.
 */
struct module *rk_module_tables(unsigned long addr, struct rk_module_tables *tables)
{
	struct module *module;

	rcu_read_lock();
	module = rk_module_address(addr);
	if (module && !try_module_get(module))
		module = NULL;
	rcu_read_unlock();
	if (!module)
		return NULL;
	tables->core = rk_module_core_text(module);
	tables->init = rk_module_init_text(module);
	tables->is_livepatch = is_livepatch_module(module);
	tables->is_coming = READ_ONCE(module->state) == MODULE_STATE_COMING;
	if (!tables->is_coming)
		tables->init.end = tables->init.start;
	if (addr - tables->core.start >= tables->core.end - tables->core.start &&
	    addr - tables->init.start >= tables->init.end - tables->init.start) {
		module_put(module);
		return NULL;
	}
	tables->jumps = rk_table(module->jump_entries,
				 module->jump_entries + module->num_jump_entries);
	tables->calls = rk_table(module->static_call_sites,
				 module->static_call_sites +
				 module->num_static_call_sites);
	tables->bugs = rk_table(module->bug_table, module->bug_table + module->num_bugs);
	tables->faults = rk_table(module->extable, module->extable + module->num_exentries);
	tables->kprobes_text = rk_table(module->kprobes_text_start,
					module->kprobes_text_start +
					module->kprobes_text_size);
	tables->noinstr_text = rk_table(module->noinstr_text_start,
					module->noinstr_text_start +
					module->noinstr_text_size);
	/* Of a module that is being loaded, sysfs has no sections yet. */
	if (READ_ONCE(module->state) == MODULE_STATE_LIVE)
		tables->idle_text = rk_module_idle_text(module);
	return module;
}

void rk_module_put(struct module *module)
{
	module_put(module);
}
