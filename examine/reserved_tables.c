// SPDX-License-Identifier: GPL-2.0
/*
 * Reads the kernel's and its modules' tables of text that the kernel patches,
 * traps on or jumps to. Each entry is given to a sink; nothing is decided here.
 */
#include <linux/bug.h>
#include <linux/jump_label.h>
#include <linux/kprobes.h>
#include <linux/static_call.h>
#include <asm/extable.h>
#include <asm/text-patching.h>
#include "sys/helpers.h"
#include "sys/static_calls.h"

/* A jump label is a 2 or a 5 byte jump, or the nop of that size. */
static unsigned long rk_jump_size(unsigned long code)
{
	u8 first = *(u8 *)code;

	if (first == JMP8_INSN_OPCODE || first == 0x66)
		return JMP8_INSN_SIZE;
	return JMP32_INSN_SIZE;
}

static bool rk_reserve_jumps(const struct jump_entry *entry,
			     const struct jump_entry *end, bool init, void *sink)
{
	for (; entry < end; entry++) {
		unsigned long code = jump_entry_code(entry);
		unsigned long target = jump_entry_target(entry);

		/* Init text may have been freed. */
		if (!init && jump_entry_is_init(entry))
			continue;
		if (!rk_reserved_sink(sink, code, code + rk_jump_size(code), RK_JUMP_LABEL) ||
		    !rk_reserved_sink(sink, target, target + 1, RK_JUMP_TARGET))
			return false;
	}
	return true;
}

static bool rk_reserve_calls(const struct static_call_site *site,
			     const struct static_call_site *end, void *sink)
{
	for (; site < end; site++) {
		unsigned long addr = (unsigned long)&site->addr + site->addr;

		if (!rk_reserved_sink(sink, addr, addr + CALL_INSN_SIZE, RK_STATIC_CALL))
			return false;
	}
	return true;
}

static bool rk_reserve_bugs(const struct bug_entry *bug,
			    const struct bug_entry *end, void *sink)
{
	for (; bug < end; bug++) {
		unsigned long addr = (unsigned long)&bug->bug_addr_disp +
				     bug->bug_addr_disp;

		if (!rk_reserved_sink(sink, addr, addr + LEN_UD2, RK_BUG_SITE))
			return false;
	}
	return true;
}

static bool rk_reserve_faults(const struct exception_table_entry *entry,
			      const struct exception_table_entry *end,
			      void *sink)
{
	for (; entry < end; entry++) {
		unsigned long insn = (unsigned long)&entry->insn + entry->insn;
		unsigned long fixup = (unsigned long)&entry->fixup +
				      entry->fixup;

		if (!rk_reserved_sink(sink, insn, insn + 1, RK_EXTABLE_INSN) ||
		    !rk_reserved_sink(sink, fixup, fixup + 1, RK_EXTABLE_FIXUP))
			return false;
	}
	return true;
}

/* The entries of the kprobes blacklist that begin in @text. kprobe_mutex is held. */
static bool rk_reserve_blacklist(unsigned long blacklist, struct rk_range text,
				 void *sink)
{
	struct kprobe_blacklist_entry *entry;

	list_for_each_entry(entry, (struct list_head *)blacklist, list) {
		if (entry->start_addr >= text.start &&
		    entry->start_addr < text.end &&
		    !rk_reserved_sink(sink, entry->start_addr, entry->end_addr,
				      RK_BLACKLIST))
			return false;
	}
	return true;
}

/* Gives all reserved text of the kernel to @sink. kprobe_mutex is held. */
bool rk_reserved_kernel(const struct rk_tables *tables, void *sink)
{
	const struct rk_range all = { 0, ULONG_MAX };

	if (!rk_reserve_jumps((void *)tables->jump_start,
			      (void *)tables->jump_end, false, sink) ||
	    !rk_reserve_calls((void *)tables->call_start,
			      (void *)tables->call_end, sink) ||
	    !rk_reserve_bugs((void *)tables->bug_start,
			     (void *)tables->bug_end, sink) ||
	    !rk_reserve_faults((void *)tables->extable_start,
			       (void *)tables->extable_end, sink))
		return false;
	return rk_reserve_blacklist(tables->blacklist, all, sink);
}

static bool rk_reserve_module(struct module *module, unsigned long blacklist,
			      void *sink)
{
	if (!rk_reserve_jumps(module->jump_entries,
			      module->jump_entries + module->num_jump_entries,
			      module->state == MODULE_STATE_COMING, sink) ||
	    !rk_reserve_calls(module->static_call_sites,
			      module->static_call_sites +
			      module->num_static_call_sites, sink) ||
	    !rk_reserve_bugs(module->bug_table,
			     module->bug_table + module->num_bugs, sink) ||
	    !rk_reserve_faults(module->extable,
			       module->extable + module->num_exentries, sink))
		return false;
	/* The blacklist has the module's functions with their ends. */
	if (!rk_reserve_blacklist(blacklist, rk_module_core_text(module), sink) ||
	    !rk_reserve_blacklist(blacklist, rk_module_init_text(module), sink))
		return false;
	if (module->kprobes_text_size &&
	    !rk_reserved_sink(sink, (unsigned long)module->kprobes_text_start,
			      (unsigned long)module->kprobes_text_start +
			      module->kprobes_text_size, RK_BLACKLIST))
		return false;
	return !module->noinstr_text_size ||
	       rk_reserved_sink(sink, (unsigned long)module->noinstr_text_start,
				(unsigned long)module->noinstr_text_start +
				module->noinstr_text_size, RK_BLACKLIST);
}

/*
 * Gives the reserved text of the module at @addr to @sink, and stores where its
 * text is. @init is empty if the init text is freed already, or if no notifier
 * will tell when it is freed; the tables may have entries of it all the same.
 *
 * Returns -ENOENT if @addr is in no module, in a module that is being unloaded
 * or in such init text; -ENOMEM if @sink refuses an entry.
 *
 * kprobe_mutex is held. The engine's lock is held too, so text is not freed
 * before the module notifier has got that lock.
 */
int rk_reserved_module(unsigned long addr, unsigned long blacklist, void *sink,
		       struct rk_range *core, struct rk_range *init)
{
	struct module *module;
	bool ok;

	rcu_read_lock();
	module = rk_module_address(addr);
	if (module && !try_module_get(module))
		module = NULL;
	rcu_read_unlock();
	if (!module)
		return -ENOENT;
	*core = rk_module_core_text(module);
	*init = rk_module_init_text(module);
	if (READ_ONCE(module->state) != MODULE_STATE_COMING)
		init->end = init->start;
	if (addr - core->start >= core->end - core->start &&
	    addr - init->start >= init->end - init->start) {
		module_put(module);
		return -ENOENT;
	}
	ok = rk_reserve_module(module, blacklist, sink);
	module_put(module);
	return ok ? 0 : -ENOMEM;
}
