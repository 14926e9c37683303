// SPDX-License-Identifier: GPL-2.0
/*
 * Functions of the kernel that are not exported. Static calls call them;
 * symbols.rs sets the static calls.
 */
#include <linux/btf.h>
#include <linux/execmem.h>
#include <linux/ftrace.h>
#include <linux/glob.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/perf_event.h>
#include <linux/seq_file.h>
#include <linux/static_call.h>
#include <linux/string.h>
#include <linux/tracefs.h>
#include <linux/wait.h>
#include <asm/text-patching.h>
#include "sys/helpers.h"
#include "sys/static_calls.h"

DEFINE_STATIC_CALL_NULL(rk_sc_text_poke, text_poke);
DEFINE_STATIC_CALL_NULL(rk_sc_text_poke_sync, smp_text_poke_sync_each_cpu);
DEFINE_STATIC_CALL_NULL(rk_sc_batch_add, smp_text_poke_batch_add);
DEFINE_STATIC_CALL_NULL(rk_sc_batch_finish, smp_text_poke_batch_finish);
DEFINE_STATIC_CALL_NULL(rk_sc_execmem_alloc, execmem_alloc);
DEFINE_STATIC_CALL_NULL(rk_sc_execmem_free, execmem_free);
DEFINE_STATIC_CALL_NULL(rk_sc_get_kprobe, get_kprobe);
DEFINE_STATIC_CALL_NULL(rk_sc_ftrace_location_range, ftrace_location_range);
DEFINE_STATIC_CALL_NULL(rk_sc_perf_text_poke, perf_event_text_poke);
DEFINE_STATIC_CALL_NULL(rk_sc_perf_ksymbol, perf_event_ksymbol);
DEFINE_STATIC_CALL_NULL(rk_sc_kallsyms_lookup_name, kallsyms_lookup_name);
DEFINE_STATIC_CALL_NULL(rk_sc_kallsyms_lookup, kallsyms_lookup);
DEFINE_STATIC_CALL_NULL(rk_sc_kallsyms_bounds, kallsyms_lookup_size_offset);
DEFINE_STATIC_CALL_NULL(rk_sc_kallsyms_on_each_match,
			kallsyms_on_each_match_symbol);
DEFINE_STATIC_CALL_NULL(rk_sc_kallsyms_on_each, kallsyms_on_each_symbol);
DEFINE_STATIC_CALL_NULL(rk_sc_module_kallsyms_on_each,
			module_kallsyms_on_each_symbol);
DEFINE_STATIC_CALL_NULL(rk_sc_module_address, __module_address);
DEFINE_STATIC_CALL_NULL(rk_sc_kallsyms_show_value, kallsyms_show_value);
DEFINE_STATIC_CALL_NULL(rk_sc_task_call, task_call_func);
/* kernel/trace/trace.h */
void tracing_reset_all_online_cpus(void);
DEFINE_STATIC_CALL_NULL(rk_sc_reset_traces, tracing_reset_all_online_cpus);
DEFINE_STATIC_CALL_NULL(rk_sc_tracefs_remove, tracefs_remove);

DEFINE_STATIC_CALL_NULL(rk_sc_btf_find, bpf_find_btf_id);
DEFINE_STATIC_CALL_NULL(rk_sc_btf_type, btf_type_by_id);
DEFINE_STATIC_CALL_NULL(rk_sc_btf_name, btf_name_by_offset);
DEFINE_STATIC_CALL_NULL(rk_sc_btf_put, btf_put);
DEFINE_STATIC_CALL_NULL(rk_sc_btf_module, btf_try_get_module);
/* Linux 7.2 has this in one file only, and may have no symbol of it. */
struct btf *btf_get_module_btf(const struct module *module);
DEFINE_STATIC_CALL_NULL(rk_sc_btf_of_module, btf_get_module_btf);

/* Each symbol once: its number, its static call and its name. */
#define RK_EACH_SYMBOL(X)						\
	X(RK_TEXT_POKE, text_poke, text_poke)				\
	X(RK_TEXT_POKE_SYNC, text_poke_sync, smp_text_poke_sync_each_cpu) \
	X(RK_BATCH_ADD, batch_add, smp_text_poke_batch_add)		\
	X(RK_BATCH_FINISH, batch_finish, smp_text_poke_batch_finish)	\
	X(RK_EXECMEM_ALLOC, execmem_alloc, execmem_alloc)		\
	X(RK_EXECMEM_FREE, execmem_free, execmem_free)			\
	X(RK_GET_KPROBE, get_kprobe, get_kprobe)			\
	X(RK_FTRACE_LOCATION_RANGE, ftrace_location_range, ftrace_location_range) \
	X(RK_PERF_TEXT_POKE, perf_text_poke, perf_event_text_poke)	\
	X(RK_PERF_KSYMBOL, perf_ksymbol, perf_event_ksymbol)		\
	X(RK_KALLSYMS_LOOKUP_NAME, kallsyms_lookup_name, kallsyms_lookup_name) \
	X(RK_KALLSYMS_LOOKUP, kallsyms_lookup, kallsyms_lookup)		\
	X(RK_KALLSYMS_BOUNDS, kallsyms_bounds, kallsyms_lookup_size_offset) \
	X(RK_KALLSYMS_ON_EACH_MATCH, kallsyms_on_each_match, kallsyms_on_each_match_symbol) \
	X(RK_KALLSYMS_ON_EACH, kallsyms_on_each, kallsyms_on_each_symbol) \
	X(RK_MODULE_KALLSYMS_ON_EACH, module_kallsyms_on_each, module_kallsyms_on_each_symbol) \
	X(RK_MODULE_ADDRESS, module_address, __module_address)		\
	X(RK_KALLSYMS_SHOW_VALUE, kallsyms_show_value, kallsyms_show_value) \
	X(RK_TASK_CALL, task_call, task_call_func) \
	X(RK_RESET_TRACES, reset_traces, tracing_reset_all_online_cpus)	\
	X(RK_TRACEFS_REMOVE, tracefs_remove, tracefs_remove) \
	X(RK_BTF_FIND, btf_find, bpf_find_btf_id) \
	X(RK_BTF_TYPE, btf_type, btf_type_by_id) \
	X(RK_BTF_NAME, btf_name, btf_name_by_offset) \
	X(RK_BTF_PUT, btf_put, btf_put) \
	X(RK_BTF_MODULE, btf_module, btf_try_get_module) \
	X(RK_BTF_OF_MODULE, btf_of_module, btf_get_module_btf)

/* The kernel's name of a symbol; NULL for an unknown number. */
const char *rk_symbol_name(unsigned int symbol)
{
	switch (symbol) {
#define X(number, call, name) case number: return #name;
	RK_EACH_SYMBOL(X)
#undef X
	}
	return NULL;
}

void rk_symbol_set(unsigned int symbol, unsigned long addr)
{
	switch (symbol) {
#define X(number, call, name)						\
	case number:							\
		static_call_update(rk_sc_##call, (typeof(&name))addr);	\
		break;
	RK_EACH_SYMBOL(X)
#undef X
	}
}

/*
 * Returns the address of kallsyms_lookup_name, which a short-lived native kprobe
 * finds; 0 if there is none. The kprobe is after the ENDBR. A direct call may go
 * there.
 */
unsigned long rk_find_kallsyms(void)
{
	struct kprobe kp = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long addr;

	if (register_kprobe(&kp))
		return 0;
	addr = (unsigned long)kp.addr;
	unregister_kprobe(&kp);
	return addr;
}

struct kprobe *rk_get_kprobe(unsigned long addr)
{
	return static_call(rk_sc_get_kprobe)((void *)addr);
}

struct module *rk_module_address(unsigned long addr)
{
	return static_call(rk_sc_module_address)(addr);
}

int rk_task_call(struct task_struct *task,
		 int (*look)(struct task_struct *task, void *data), void *data)
{
	return static_call(rk_sc_task_call)(task, look, data);
}

void rk_reset_traces(void)
{
	static_call_cond(rk_sc_reset_traces)();
}

int rk_btf_find(const char *name, u32 kind, struct btf **btf)
{
	/* The others are called with what this one finds. */
	if (!static_call_query(rk_sc_btf_find) || !static_call_query(rk_sc_btf_type) ||
	    !static_call_query(rk_sc_btf_name) || !static_call_query(rk_sc_btf_put) ||
	    !static_call_query(rk_sc_btf_module))
		return -ENOENT;
	return static_call(rk_sc_btf_find)(name, kind, btf);
}

size_t rk_btf_bytes(const struct btf *btf, u32 number, const u8 **bytes)
{
	const struct btf_type *type = static_call(rk_sc_btf_type)(btf, number);

	if (!type)
		return 0;
	*bytes = (const u8 *)type;
	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
		return sizeof(*type) + sizeof(u32);
	case BTF_KIND_ARRAY:
		return sizeof(*type) + sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return sizeof(*type) + btf_type_vlen(type) * sizeof(struct btf_member);
	case BTF_KIND_FUNC_PROTO:
		return sizeof(*type) + btf_type_vlen(type) * sizeof(struct btf_param);
	default:
		return sizeof(*type);
	}
}

const char *rk_btf_name(const struct btf *btf, u32 offset)
{
	return static_call(rk_sc_btf_name)(btf, offset);
}

void rk_btf_put(struct btf *btf)
{
	static_call_cond(rk_sc_btf_put)(btf);
}

/* Without btf_get_module_btf(): no set is that of a module which is being loaded. */
static bool rk_btf_has_live_text(const struct btf *btf, unsigned long addr)
{
	struct module *module = static_call(rk_sc_btf_module)(btf);
	bool has_text;

	scoped_guard(rcu)
		has_text = rk_module_address(addr) == module;
	module_put(module);
	return has_text;
}

bool rk_btf_has_text(const struct btf *btf, unsigned long addr)
{
	struct module *module;
	struct btf *own;

	if (!static_call_query(rk_sc_btf_of_module))
		return rk_btf_has_live_text(btf, addr);
	scoped_guard(rcu) {
		module = rk_module_address(addr);
		if (module && !try_module_get(module))
			return false;
	}
	own = static_call(rk_sc_btf_of_module)(module);
	if (!IS_ERR_OR_NULL(own))
		rk_btf_put(own);
	module_put(module);
	return own == btf;
}

void rk_remove_tracefs_file(struct dentry *file)
{
	static_call_cond(rk_sc_tracefs_remove)(file);
}

void rk_text_poke(unsigned long addr, const void *bytes, size_t len)
{
	static_call_cond(rk_sc_text_poke)((void *)addr, bytes, len);
}

void rk_text_poke_sync(void)
{
	static_call_cond(rk_sc_text_poke_sync)();
}

void rk_batch_add(unsigned long addr, const void *bytes, size_t len,
		  const void *emulate)
{
	static_call_cond(rk_sc_batch_add)((void *)addr, bytes, len, emulate);
}

void rk_batch_finish(void)
{
	static_call_cond(rk_sc_batch_finish)();
}

void rk_perf_text_poke(unsigned long addr, const void *from, size_t from_len,
		       const void *to, size_t to_len)
{
	static_call_cond(rk_sc_perf_text_poke)((void *)addr, from, from_len, to,
					       to_len);
}

/* Tells perf that memory has slots from now on, or has none any more. */
void rk_perf_slots(unsigned long addr, size_t len, bool gone)
{
	static_call_cond(rk_sc_perf_ksymbol)(PERF_RECORD_KSYMBOL_TYPE_OOL, addr,
					     len, gone, "rkprobes_slots");
}

/* Executable, read-only memory within reach of kernel text. */
void *rk_execmem_alloc(size_t size)
{
	return static_call(rk_sc_execmem_alloc)(EXECMEM_KPROBES, size);
}

void rk_execmem_free(void *memory)
{
	static_call_cond(rk_sc_execmem_free)(memory);
}

unsigned long rk_ftrace_location_range(unsigned long start, unsigned long end)
{
	return static_call(rk_sc_ftrace_location_range)(start, end);
}

unsigned long rk_kallsyms_lookup_name(const char *name)
{
	return static_call(rk_sc_kallsyms_lookup_name)(name);
}

const char *rk_kallsyms_lookup(unsigned long addr, unsigned long *size,
			       unsigned long *offset, char **modname,
			       char *namebuf)
{
	return static_call(rk_sc_kallsyms_lookup)(addr, size, offset, modname,
						  namebuf);
}

bool rk_kallsyms_bounds(unsigned long addr, unsigned long *size,
			unsigned long *offset)
{
	return static_call(rk_sc_kallsyms_bounds)(addr, size, offset);
}

/* Whether the opener of a seq_file may see addresses, as for /proc/kallsyms. */
bool rk_shows_addresses(void *seq)
{
	const struct file *file = ((struct seq_file *)seq)->file;

	return static_call(rk_sc_kallsyms_show_value)(file->f_cred);
}

struct rk_matches {
	const char *name;
	unsigned long *addrs;
	unsigned int max;
	unsigned int found;
};

static int rk_match(void *data, unsigned long addr)
{
	struct rk_matches *matches = data;

	if (matches->found < matches->max)
		matches->addrs[matches->found] = addr;
	matches->found++;
	return 0;
}

static int rk_match_in_module(void *data, const char *name, unsigned long addr)
{
	struct rk_matches *matches = data;

	return strcmp(name, matches->name) ? 0 : rk_match(data, addr);
}

/*
 * Returns how many symbols have the name, and stores the addresses of the first
 * @max in @addrs. Searches the module, or the kernel if @module is NULL. If the
 * kernel has none and @everywhere is set, searches all modules name by name.
 */
int rk_kallsyms_matches(const char *module, const char *name, bool everywhere,
			unsigned long *addrs, unsigned int max)
{
	struct rk_matches matches = {
		.name = name, .addrs = addrs, .max = max,
	};

	if (!module)
		static_call(rk_sc_kallsyms_on_each_match)(rk_match, name,
							  &matches);
	if (!matches.found && (module || everywhere))
		static_call(rk_sc_module_kallsyms_on_each)(module,
							   rk_match_in_module,
							   &matches);
	return matches.found;
}

bool rk_glob_match(const char *pattern, const char *name)
{
	return glob_match(pattern, name);
}

struct rk_search {
	const char *pattern;
	int (*found)(void *data, unsigned long addr);
	void *data;
};

/* Names that begin with __pfx_ or __cfi_ are those of padding before functions. */
static int rk_search_one(void *data, const char *name, unsigned long addr)
{
	const struct rk_search *search = data;

	if (str_has_prefix(name, "__pfx_") || str_has_prefix(name, "__cfi_") ||
	    !glob_match(search->pattern, name))
		return 0;
	return search->found(search->data, addr);
}

/*
 * Calls @found for each symbol that matches the pattern, until it does not
 * return 0. Searches the module, or the kernel and all modules if @module is
 * NULL.
 *
 * Return: what @found returned last, or 0.
 */
int rk_kallsyms_search(const char *module, const char *pattern,
		       int (*found)(void *data, unsigned long addr), void *data)
{
	struct rk_search search = {
		.pattern = pattern, .found = found, .data = data,
	};
	int ret = 0;

	if (!module)
		ret = static_call(rk_sc_kallsyms_on_each)(rk_search_one, &search);
	if (!ret)
		ret = static_call(rk_sc_module_kallsyms_on_each)(module,
								 rk_search_one,
								 &search);
	return ret;
}
