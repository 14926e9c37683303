/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions of C for Rust: macros and inline functions of the kernel, and
 * functions that are not exported. This is the only header that bindgen reads.
 */
#ifndef _RKPROBES_HELPERS_H
#define _RKPROBES_HELPERS_H

#include <linux/kdebug.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/percpu.h>
#include <linux/ptrace.h>
#include <linux/types.h>
#include "arch_x86/detour.h"
#include "include/rkprobes.h"
#include "trace/event.h"

/*
 * Functions that are not exported. Static calls call them directly, after
 * rk_symbol_set() (symbols.rs). A call before that does nothing.
 */
enum rk_symbol {
	RK_TEXT_POKE,
	RK_TEXT_POKE_SYNC,
	RK_BATCH_ADD,
	RK_BATCH_FINISH,
	RK_EXECMEM_ALLOC,
	RK_EXECMEM_FREE,
	RK_GET_KPROBE,
	RK_FTRACE_LOCATION_RANGE,
	RK_PERF_TEXT_POKE,
	RK_PERF_KSYMBOL,
	RK_KALLSYMS_LOOKUP_NAME,
	RK_KALLSYMS_LOOKUP,
	RK_KALLSYMS_BOUNDS,
	RK_KALLSYMS_ON_EACH_MATCH,
	RK_KALLSYMS_ON_EACH,
	RK_MODULE_KALLSYMS_ON_EACH,
	RK_MODULE_ADDRESS,
	RK_KALLSYMS_SHOW_VALUE,
	RK_TASK_CALL,
	RK_RESET_TRACES,
	RK_TRACEFS_REMOVE,
	/* A kernel without type information lacks these. */
	RK_OPTIONAL_SYMBOLS,
	RK_BTF_FIND = RK_OPTIONAL_SYMBOLS,
	RK_BTF_TYPE,
	RK_BTF_NAME,
	RK_BTF_PUT,
	RK_BTF_MODULE,
	RK_BTF_OF_MODULE,
	RK_SYMBOLS,
};

const char *rk_symbol_name(unsigned int symbol);
void rk_symbol_set(unsigned int symbol, unsigned long addr);

unsigned long rk_find_kallsyms(void);

/*
 * The kernel's type information, BTF.
 *
 * rk_btf_find() - find a named type of the kernel, or of a module
 * @btf: gets the set of types that has it, until rk_btf_put()
 *
 * Return: the number of the type, or a negative error number. May sleep.
 */
struct btf;
int rk_btf_find(const char *name, u32 kind, struct btf **btf);
/* The bytes of a type; 0 if there is none. */
size_t rk_btf_bytes(const struct btf *btf, u32 number, const u8 **bytes);
/* NULL if there is none. */
const char *rk_btf_name(const struct btf *btf, u32 offset);
void rk_btf_put(struct btf *btf);
/* Whether the set has the types of the module that has @addr, or of the kernel. */
bool rk_btf_has_text(const struct btf *btf, unsigned long addr);

void rk_text_poke(unsigned long addr, const void *bytes, size_t len);
void rk_text_poke_sync(void);
void rk_batch_add(unsigned long addr, const void *bytes, size_t len,
		  const void *emulate);
void rk_batch_finish(void);
void rk_perf_text_poke(unsigned long addr, const void *from, size_t from_len,
		       const void *to, size_t to_len);
void rk_perf_slots(unsigned long addr, size_t len, bool gone);
void *rk_execmem_alloc(size_t size);
void rk_execmem_free(void *memory);
unsigned long rk_ftrace_location_range(unsigned long start, unsigned long end);
unsigned long rk_kallsyms_lookup_name(const char *name);
const char *rk_kallsyms_lookup(unsigned long addr, unsigned long *size,
			       unsigned long *offset, char **modname,
			       char *namebuf);
bool rk_kallsyms_bounds(unsigned long addr, unsigned long *size,
			unsigned long *offset);
int rk_kallsyms_matches(const char *module, const char *name, bool everywhere,
			unsigned long *addrs, unsigned int max);
bool rk_glob_match(const char *pattern, const char *name);
int rk_kallsyms_search(const char *module, const char *pattern,
		       int (*found)(void *data, unsigned long addr), void *data);

/* An entry of a site in the blacklist of native kprobes; prev is NULL while it is not linked. */
struct rk_refused {
	void *next, *prev;
	unsigned long start, end;
};

void rk_refused_link(unsigned long blacklist, struct rk_refused *at);
void rk_refused_unlink(struct rk_refused *at);
void *rk_refused_for_ever(unsigned long start, unsigned long end);
void rk_refuse_for_ever(unsigned long blacklist, void *entry);
void rk_refused_free(void *entry);
bool rk_mutex_has_waiters(struct mutex *mutex);
bool rk_mutex_is_idle(struct mutex *mutex);
bool rk_mutex_is_locked(struct mutex *mutex);

/* How many functions register native kprobes. */
#define RK_REGISTERING 4

void rk_registering_set(unsigned int at, unsigned long start, unsigned long end);
bool rk_task_registers(void);

bool rk_kprobe_at(unsigned long addr);
bool rk_any_kprobe(unsigned long heads, unsigned long end);
unsigned long rk_kprobe_handler(unsigned long addr);

/* What is known of the bytes at a native kprobe (eligibility/native.rs decides). */
struct rk_native {
	u8 text[5], opcode, saved[4];
	unsigned long detour;
};

bool rk_native_at(unsigned long addr, unsigned long group, struct rk_native *native);

/* Kinds of text. */
enum rk_text {
	RK_TEXT_NONE,
	RK_TEXT_NO_MODULE,
	RK_TEXT_MODULE,
	RK_TEXT_MODULE_INIT,
	RK_TEXT_MODULE_GOING,
	RK_TEXT_OURS,
};

unsigned int rk_module_text(unsigned long addr, unsigned long *coming);

struct rk_range {
	unsigned long start, end;
};

/* The text and the tables of a module. */
struct rk_module_tables {
	struct rk_range core, init;
	struct rk_range jumps, calls, bugs, faults;
	struct rk_range kprobes_text, noinstr_text, idle_text;
	bool is_coming, is_livepatch;
};

extern const unsigned long rk_bug_entry_size;
bool rk_blacklist(unsigned long blacklist, struct rk_range text, void *sink);
/* Takes an entry of the blacklist (examine/index.rs). */
bool rk_blacklist_sink(void *sink, unsigned long start, unsigned long end);
struct module *rk_module_tables(unsigned long addr, struct rk_module_tables *tables);
void rk_module_put(struct module *module);
/* The name of a module, which lives as long as the module. */
const char *rk_module_name(const struct module *module);
struct rk_range rk_module_idle_text(struct module *module);
struct rk_range rk_module_core_text(struct module *module);
struct rk_range rk_module_init_text(struct module *module);
bool rk_module_holds(struct module *module, unsigned long addr, bool init);

/* The lane of the handlers that this CPU runs; 0 if it runs none. */
DECLARE_PER_CPU(u32, rk_busy);
bool rk_in_handler(void);
bool rk_handler_died(void);

bool rk_kick_optimizer(unsigned int ticks, bool sooner);
void rk_kick_from_handler(void);
int rk_start_optimizer(void);
void rk_stop_optimizer(void);
/* Runs one pass (engine). */
void rk_optimizer_pass(void);

void rk_watch_limits(unsigned int ms);
u64 rk_now_ms(void);
/*
 * Disables probes with too many hits (engine). Returns after how many milliseconds
 * it is to be called again; 0 for never.
 */
unsigned int rk_check_limits(void);

/*
 * The offset in a task of the flag that RCU-tasks waits for the task; 0 if the
 * kernel has none.
 */
unsigned int rk_tasks_holdout(void);

void rk_warn(const char *file, size_t len, unsigned int line);
extern const char rk_known_kernels[];
const char *rk_release(void);
bool rk_is_xen_pv(void);
bool rk_has_fred(void);

unsigned long __percpu *rk_alloc_hits(void);
unsigned long rk_sum_hits(const unsigned long __percpu *hits);

/* Open files; @file is a struct file, the entry a struct dentry, and @seq a seq_file. */
void *rk_file_dentry(void *file);
bool rk_shows_addresses(void *seq);
bool rk_is_last_descriptor(void *file);
bool rk_is_dying(void);
bool rk_killed_by_signal(void *task);
bool rk_path_exists(const char *path);
void *rk_tracefs_create(const char *name, unsigned short mode, void *data,
			const void *operations);
void rk_tracefs_remove(void *file);
int rk_tracefs_locked_down(void);

unsigned int rk_notifiers_before(unsigned long chain, unsigned long *calls,
				 unsigned int max);

int rk_ftrace_filter(unsigned long *ips, unsigned int count, bool remove);
int rk_ftrace_claim(unsigned long ip, bool remove);
void rk_ftrace_stop(void);
/*
 * Runs the handlers of a function's entry (arch_x86/ftrace_entry.rs). Returns whether
 * one of them has changed ip.
 */
bool rk_ftrace_hit(unsigned long ip, struct pt_regs *regs);

/* Every detour calls this (arch_x86/detour_entry.S). */
void rk_detour_entry(void);
/* The handlers of a jump's site, and a hit inside a handler (arch_x86/handlers.rs). */
int rk_detour_hit(struct rkprobe *any, struct pt_regs *regs);
void rk_detour_missed(const void *trap);
/* Calls a pre_handler at an int3 (arch_x86/handler_call.S). */
int rk_call_pre_handler(struct rkprobe *probe, struct pt_regs *regs,
			rkprobe_pre_handler_t handler);
/* Stands for all probes of a site, when detour_entry.S calls Rust for them. */
extern struct rkprobe rk_any_probe;

#endif /* _RKPROBES_HELPERS_H */
