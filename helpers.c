// SPDX-License-Identifier: GPL-2.0
/*
 * What Rust cannot say itself: static calls to functions that are not
 * exported, walks over kernel tables whose types are macros' work, and inline
 * functions. No decisions are made here.
 */
#include <linux/bug.h>
#include <linux/cpu.h>
#include <linux/execmem.h>
#include <linux/export.h>
#include <linux/ftrace.h>
#include <linux/jump_label.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/perf_event.h>
#include <linux/static_call.h>
#include <linux/workqueue.h>
#include <asm/extable.h>
#include <asm/text-patching.h>
#include "helpers.h"

DEFINE_PER_CPU(u32, rk_busy);

/*
 * Whether the caller is in a handler: those run with interrupts off, so of a
 * handler that has died on this CPU only the flag is left.
 */
bool rk_in_handler(void)
{
	return irqs_disabled() && this_cpu_read(rk_busy);
}

static DEFINE_PER_CPU(unsigned long, rk_any_hits);
struct rkprobe rk_any_probe = {
	.pre_handler = rk_detour_hit,
	.hits = &rk_any_hits,
};

static_assert(offsetof(struct rkprobe, pre_handler) == RK_PROBE_PRE);
static_assert(offsetof(struct rkprobe, hits) == RK_PROBE_HITS);

DEFINE_STATIC_CALL_NULL(rk_sc_text_poke, text_poke);
DEFINE_STATIC_CALL_NULL(rk_sc_text_poke_sync, smp_text_poke_sync_each_cpu);
DEFINE_STATIC_CALL_NULL(rk_sc_batch_add, smp_text_poke_batch_add);
DEFINE_STATIC_CALL_NULL(rk_sc_batch_finish, smp_text_poke_batch_finish);
DEFINE_STATIC_CALL_NULL(rk_sc_execmem_alloc, execmem_alloc);
DEFINE_STATIC_CALL_NULL(rk_sc_execmem_free, execmem_free);
DEFINE_STATIC_CALL_NULL(rk_sc_get_kprobe, get_kprobe);
DEFINE_STATIC_CALL_NULL(rk_sc_ftrace_location_range, ftrace_location_range);
DEFINE_STATIC_CALL_NULL(rk_sc_perf_text_poke, perf_event_text_poke);
DEFINE_STATIC_CALL_NULL(rk_sc_kallsyms_lookup_name, kallsyms_lookup_name);
DEFINE_STATIC_CALL_NULL(rk_sc_kallsyms_lookup, kallsyms_lookup);
DEFINE_STATIC_CALL_NULL(rk_sc_kallsyms_bounds, kallsyms_lookup_size_offset);
DEFINE_STATIC_CALL_NULL(rk_sc_kallsyms_on_each_match,
			kallsyms_on_each_match_symbol);
DEFINE_STATIC_CALL_NULL(rk_sc_module_kallsyms_on_each,
			module_kallsyms_on_each_symbol);
DEFINE_STATIC_CALL_NULL(rk_sc_module_address, __module_address);

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
	X(RK_KALLSYMS_LOOKUP_NAME, kallsyms_lookup_name, kallsyms_lookup_name) \
	X(RK_KALLSYMS_LOOKUP, kallsyms_lookup, kallsyms_lookup)		\
	X(RK_KALLSYMS_BOUNDS, kallsyms_bounds, kallsyms_lookup_size_offset) \
	X(RK_KALLSYMS_ON_EACH_MATCH, kallsyms_on_each_match, kallsyms_on_each_match_symbol) \
	X(RK_MODULE_KALLSYMS_ON_EACH, module_kallsyms_on_each, module_kallsyms_on_each_symbol) \
	X(RK_MODULE_ADDRESS, module_address, __module_address)

/* The kernel's name of a symbol, NULL for a number that is none. */
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
 * The address of kallsyms_lookup_name, by a short-lived native kprobe on it; 0
 * if there is none. The kprobe stands behind the ENDBR, where the address that
 * is called begins for a direct jump.
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
 * How many symbols have the name, in the module or (NULL) in the kernel, and
 * if there are none in the kernel and @everywhere is set in all modules (which
 * are searched name by name); the first @max addresses go to @addrs.
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

static_assert(sizeof_field(struct rk_blacklisted, entry) ==
	      sizeof(struct kprobe_blacklist_entry));

/*
 * Refuses native kprobes the bytes from @start to before @end. kprobe_mutex is
 * held.
 */
void rk_blacklist_add(unsigned long blacklist, struct rk_blacklisted *at,
		      unsigned long start, unsigned long end)
{
	struct kprobe_blacklist_entry *entry = (void *)at->entry;

	entry->start_addr = start;
	entry->end_addr = end;
	/*
	 * At the head: who was reading it when it was taken out, a moment ago,
	 * goes on from here with all others, and not from the end.
	 */
	list_add_rcu(&entry->list, (struct list_head *)blacklist);
	at->linked = true;
}

void rk_blacklist_end(struct rk_blacklisted *at, unsigned long end)
{
	WRITE_ONCE(((struct kprobe_blacklist_entry *)at->entry)->end_addr, end);
}

/*
 * Takes it out, if it is there; who reads the list may see it until an RCU
 * grace period is over. kprobe_mutex is held.
 */
void rk_blacklist_del(struct rk_blacklisted *at)
{
	if (at->linked)
		list_del_rcu(&((struct kprobe_blacklist_entry *)at->entry)->list);
	at->linked = false;
}

/* Whether somebody sleeps until @mutex, which is held, is his: the owner's bit 0 says so. */
bool rk_mutex_has_waiters(struct mutex *mutex)
{
#ifdef CONFIG_PREEMPT_RT
	return (unsigned long)data_race(READ_ONCE(mutex->rtmutex.owner)) & 1;
#else
	return atomic_long_read(&mutex->owner) & 1;
#endif
}

/* Whether a native kprobe is registered at exactly this address. */
bool rk_kprobe_at(unsigned long addr)
{
	bool found;

	preempt_disable();
	found = static_call(rk_sc_get_kprobe)((void *)addr);
	preempt_enable();
	return found;
}

/*
 * The bytes that a native kprobe's int3 or jump at @addr replaced: stores 1
 * or 5 of them and says how many, 0 if there is no kprobe. kprobe_mutex and
 * text_mutex are held.
 */
size_t rk_kprobe_original(unsigned long addr, u8 *bytes)
{
	struct kprobe *kp;
	size_t len = 0;

	preempt_disable();
	kp = static_call(rk_sc_get_kprobe)((void *)addr);
	/* One that uses ftrace has replaced nothing. */
	if (kp && !kprobe_ftrace(kp)) {
		bytes[0] = kp->opcode;
		len = 1;
		if (*(u8 *)addr == JMP32_INSN_OPCODE &&
		    (kp->flags & KPROBE_FLAG_OPTIMIZED)) {
			struct optimized_kprobe *op;

			op = container_of(kp, struct optimized_kprobe, kp);
			memcpy(bytes + 1, op->optinsn.copied_insn,
			       sizeof(op->optinsn.copied_insn));
			len += sizeof(op->optinsn.copied_insn);
		}
	}
	preempt_enable();
	return len;
}

/* What kind of text; @coming is the module that it is of, if that is not live yet, or 0. */
unsigned int rk_module_text(unsigned long addr, unsigned long *coming)
{
	unsigned int text = RK_TEXT_NONE;
	enum module_state state;
	struct module *module;

	*coming = 0;
	rcu_read_lock();
	module = static_call(rk_sc_module_address)(addr);
	if (!module)
		goto out;
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

		/* Init text that may be freed by now. */
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

/* What of native kprobes' blacklist begins in @text. kprobe_mutex is held. */
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

/* Hands all reserved text of the kernel to @sink. kprobe_mutex is held. */
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
	/* The kernel has found the ends of the module's blacklisted functions. */
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
 * The functions of an atomic notifier chain that a notifier of the highest
 * priority, added now, would come behind.
 */
unsigned int rk_notifiers_before(unsigned long chain, unsigned long *calls,
				 unsigned int max)
{
	struct atomic_notifier_head *head = (void *)chain;
	struct notifier_block *block;
	unsigned int count = 0;

	rcu_read_lock();
	for (block = rcu_dereference(head->head); block && count < max;
	     block = rcu_dereference(block->next)) {
		if (block->priority == INT_MAX)
			calls[count++] = (unsigned long)block->notifier_call;
	}
	rcu_read_unlock();
	return count;
}

/* Whether @addr is in the module's memory, of any kind; with @init in what is freed when it is live. */
bool rk_module_holds(struct module *module, unsigned long addr, bool init)
{
	return within_module_init(addr, module) ||
	       (!init && within_module_core(addr, module));
}

/*
 * Hands the reserved text of the module at @addr to @sink, and says where its
 * text is. -ENOENT if there is none, or it is going; -ENOMEM if @sink is full.
 * kprobe_mutex is held.
 */
int rk_reserved_module(unsigned long addr, unsigned long blacklist, void *sink,
		       struct rk_range *core, struct rk_range *init)
{
	struct module *module;
	bool ok;

	rcu_read_lock();
	module = static_call(rk_sc_module_address)(addr);
	if (module && !try_module_get(module))
		module = NULL;
	rcu_read_unlock();
	if (!module)
		return -ENOENT;
	*core = rk_module_core_text(module);
	*init = rk_module_init_text(module);
	ok = rk_reserve_module(module, blacklist, sink);
	module_put(module);
	return ok ? 0 : -ENOMEM;
}

static struct workqueue_struct *rk_queue;

static void rk_work_fn(struct work_struct *work)
{
	rk_optimizer_pass();
}

static DECLARE_DELAYED_WORK(rk_work, rk_work_fn);

/*
 * Starts the optimizer after @ticks jiffies, unless it is already pending;
 * with @sooner also if it is, which then waits for no longer than @ticks.
 * Says whether it was not pending.
 */
bool rk_kick_optimizer(unsigned int ticks, bool sooner)
{
	if (sooner)
		return !mod_delayed_work(rk_queue, &rk_work, ticks);
	return queue_delayed_work(rk_queue, &rk_work, ticks);
}

int rk_start_optimizer(void)
{
	rk_queue = alloc_workqueue("rkprobes", WQ_UNBOUND, 0);
	return rk_queue ? 0 : -ENOMEM;
}

static void rk_limits_fn(struct work_struct *work)
{
	unsigned int ms = rk_check_limits();

	if (ms)
		rk_watch_limits(ms);
}

static DECLARE_DELAYED_WORK(rk_limits, rk_limits_fn);

/* Looks at the limits in @ms milliseconds, unless that is pending. */
void rk_watch_limits(unsigned int ms)
{
	queue_delayed_work(rk_queue, &rk_limits, msecs_to_jiffies(ms));
}

u64 rk_now_ms(void)
{
	return ktime_to_ms(ktime_get());
}

/* After this nothing of it runs and nothing is pending; nobody may kick any more. */
void rk_stop_optimizer(void)
{
	cancel_delayed_work_sync(&rk_limits);
	cancel_delayed_work_sync(&rk_work);
	destroy_workqueue(rk_queue);
}

unsigned long __percpu *rk_alloc_hits(void)
{
	return alloc_percpu(unsigned long);
}

unsigned long rk_sum_hits(const unsigned long __percpu *hits)
{
	unsigned long sum = 0;
	int cpu;

	if (!hits)
		return 0;
	for_each_possible_cpu(cpu)
		sum += *per_cpu_ptr(hits, cpu);
	return sum;
}

/*
 * The filter of ftrace_ops is never empty, for then it would mean all
 * functions: it always has this one, which nobody calls.
 */
static noinline void rk_ftrace_anchor(void)
{
	barrier();
}

static void rk_ftrace_fn(unsigned long ip, unsigned long parent_ip,
			 struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);
	unsigned long flags, resume;

	if (!regs)
		return;
	/* The handlers' context is that of the other lanes. */
	raw_local_irq_save(flags);
	resume = regs->ip;
	/* As behind an int3. */
	regs->ip = ip + INT3_INSN_SIZE;
	rk_ftrace_hit(ip, regs);
	regs->ip = resume;
	raw_local_irq_restore(flags);
}

/*
 * Permanent: a kernel that lets kernel.ftrace_enabled=0 silence tracers must
 * refuse that while probes rest on it, and the probes while it is 0.
 */
static struct ftrace_ops rk_ftrace_ops = {
	.func = rk_ftrace_fn,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_PERMANENT,
};

static bool rk_ftrace_started;

static int rk_ftrace_start(void)
{
	unsigned long anchor = (unsigned long)rk_ftrace_anchor;
	int ret;

	/* Else objtool sees an address inside a function. */
	OPTIMIZER_HIDE_VAR(anchor);
	anchor = rk_ftrace_location_range(anchor, anchor + 16);
	ret = ftrace_set_filter_ip(&rk_ftrace_ops, anchor, 0, 1);
	if (!ret)
		ret = register_ftrace_function(&rk_ftrace_ops);
	rk_ftrace_started = !ret;
	return ret;
}

/*
 * Adds function entries to those that are traced, or removes them, with one
 * update of the text. Calls are serialized by the engine's lock.
 */
int rk_ftrace_filter(unsigned long *ips, unsigned int count, bool remove)
{
	int ret = 0;

	if (!rk_ftrace_started)
		ret = rk_ftrace_start();
	return ret ?: ftrace_set_filter_ips(&rk_ftrace_ops, ips, count, remove, 0);
}

/* Waits until no CPU is in a callback. */
void rk_ftrace_stop(void)
{
	if (!rk_ftrace_started)
		return;
	unregister_ftrace_function(&rk_ftrace_ops);
	ftrace_free_filter(&rk_ftrace_ops);
	rk_ftrace_started = false;
}

/* The C interface is in api.rs; Rust cannot export for C by itself. */
EXPORT_SYMBOL_GPL(register_rkprobe);
EXPORT_SYMBOL_GPL(unregister_rkprobe);
EXPORT_SYMBOL_GPL(register_rkprobes);
EXPORT_SYMBOL_GPL(unregister_rkprobes);
EXPORT_SYMBOL_GPL(enable_rkprobe);
EXPORT_SYMBOL_GPL(disable_rkprobe);
EXPORT_SYMBOL_GPL(limit_rkprobe);
EXPORT_SYMBOL_GPL(flush_rkprobes);
EXPORT_SYMBOL_GPL(rkprobe_hits);
