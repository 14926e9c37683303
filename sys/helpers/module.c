// SPDX-License-Identifier: GPL-2.0
/* Modules: which module an address belongs to, and where the text of a module is. */
#include <linux/module.h>
#include "sys/helpers.h"
#include "sys/static_calls.h"

/*
 * The kind of text at @addr, RK_TEXT_NO_MODULE if it is in the area of modules
 * and no module has it. Stores in @coming the module of the text if that module
 * is not live yet, else 0.
 */
unsigned int rk_module_text(unsigned long addr, unsigned long *coming)
{
	unsigned int text = RK_TEXT_NONE;
	enum module_state state;
	struct module *module;

	*coming = 0;
	rcu_read_lock();
	module = rk_module_address(addr);
	if (!module) {
		if (addr >= MODULES_VADDR && addr < MODULES_END)
			text = RK_TEXT_NO_MODULE;
		goto out;
	}
	if (module == THIS_MODULE)
		text = RK_TEXT_OURS;
	else if (within_module_mem_type(addr, module, MOD_TEXT))
		text = RK_TEXT_MODULE;
	else if (within_module_mem_type(addr, module, MOD_INIT_TEXT))
		text = RK_TEXT_MODULE_INIT;
	else
		goto out;
	state = READ_ONCE(module->state);
	if (state == MODULE_STATE_COMING)
		*coming = (unsigned long)module;
	if (state == MODULE_STATE_GOING ||
	    (text == RK_TEXT_MODULE_INIT && state == MODULE_STATE_LIVE))
		text = RK_TEXT_MODULE_GOING;
out:
	rcu_read_unlock();
	return text;
}

const char *rk_module_name(const struct module *module)
{
	return module->name;
}

static struct rk_range rk_module_range(struct module *module,
				       enum mod_mem_type type)
{
	unsigned long start = (unsigned long)module->mem[type].base;

	return (struct rk_range){ start, start + module->mem[type].size };
}

struct rk_range rk_module_core_text(struct module *module)
{
	return rk_module_range(module, MOD_TEXT);
}

struct rk_range rk_module_init_text(struct module *module)
{
	return rk_module_range(module, MOD_INIT_TEXT);
}

/*
 * Whether @addr is in the module's memory; with @init only in the memory that is
 * freed when the module becomes live.
 */
bool rk_module_holds(struct module *module, unsigned long addr, bool init)
{
	return within_module_init(addr, module) ||
	       (!init && within_module_core(addr, module));
}
