// SPDX-License-Identifier: GPL-2.0
/*
 * Events of the kernel's tracing: their life, and the records of a hit.
 *
 * An event has a tracepoint that no code calls, as synthetic and user events
 * have one (kernel/trace/trace_events_synth.c). Its list of functions is the
 * list of consumers: one entry for each trace instance, and one for perf.
 *
 * Locks: a caller's lock -> event_mutex -> the engine's lock. rk_event_reg() is
 * called with event_mutex held.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/perf_event.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/trace_events.h>
#include <linux/trace_seq.h>
#include <linux/tracepoint.h>
#include "sys/helpers.h"
#include "sys/static_calls.h"
#include "trace/event.h"
#include "trace/hit.h"

/* The group of events whose names have no group (command.rs). */
#define RK_EVENT_GROUP	"rkprobes"

struct rk_event {
	struct trace_event_call call;
	struct trace_event_class class;
	struct tracepoint tracepoint;
	/* The printer. Those for other formats are the kernel's. */
	struct trace_event_functions functions;
	const void *owner;
	/* Why its fields are not all defined. */
	int error;
	/* Whether it had a consumer, and what ends the hits with the last one. */
	bool was_used;
	unsigned long grace_period;
	/* Its number while the tracing knows it. Hits read it at any time. */
	int cookie;
	/*
	 * Texts that the tracing does not copy. They are here because the event may
	 * stay after the module.
	 */
	char ip_type[sizeof("unsigned long")];
	char ip_name[sizeof("__probe_ip")];
	const char *name;
	/* The group, and then the name, each with its zero. */
	char system[];
};

/* A record, as kprobe_trace_entry_head and the arguments after it. */
struct rk_record {
	struct trace_entry entry;
	unsigned long ip;
	u8 arguments[RK_EVENT_MAX - RK_EVENT_HEAD];
};

static_assert(offsetof(struct rk_record, arguments) == RK_EVENT_HEAD);

/* A record for all consumers of an event. */
struct rk_event_hit {
	struct pt_regs *regs;
	const struct rk_record *record;
	size_t size;
	unsigned int context;
};

/* The handlers of a CPU run one at a time, so one buffer is enough for each CPU. */
struct rk_event_buffer {
	struct rk_record record;
	struct pt_regs regs;
};

static struct rk_event_buffer __percpu *rk_buffers;
/* The kernel's count of programs that a CPU runs; NULL if it is unknown. */
static int __percpu *rk_bpf_active;

int rk_events_start(unsigned long bpf_active)
{
	rk_bpf_active = (int __percpu __force *)bpf_active;
	if (IS_ENABLED(CONFIG_BPF_EVENTS) && !bpf_active)
		pr_info("rkprobes: rk_hit has no hits, because this kernel has no symbol bpf_prog_active\n");
	rk_buffers = alloc_percpu(struct rk_event_buffer);
	return rk_buffers ? 0 : -ENOMEM;
}

void rk_events_stop(void)
{
	free_percpu(rk_buffers);
}

static struct rk_event *to_event(struct trace_event_call *call)
{
	return container_of(call, struct rk_event, call);
}

/* ---- Records */

/*
 * The context of the probed code, as tracing_gen_ctx_irq_test() notes one. @own is
 * the part of the count that the breakpoint has added.
 */
static unsigned int notrace __kprobes rk_event_context(const struct pt_regs *regs, int own)
{
	int count = preempt_count() - own;
	unsigned int flags = 0;

	if (!(regs->flags & X86_EFLAGS_IF))
		flags |= TRACE_FLAG_IRQS_OFF;
	if (count & NMI_MASK)
		flags |= TRACE_FLAG_NMI;
	if (count & HARDIRQ_MASK)
		flags |= TRACE_FLAG_HARDIRQ;
	/* With PREEMPT_RT this part is not in the count. The breakpoint does not change it. */
	if (in_serving_softirq())
		flags |= TRACE_FLAG_SOFTIRQ;
	if (softirq_count() >> (SOFTIRQ_SHIFT + 1))
		flags |= TRACE_FLAG_BH_OFF;
	if (tif_need_resched())
		flags |= TRACE_FLAG_NEED_RESCHED;
	if (test_preempt_need_resched())
		flags |= TRACE_FLAG_PREEMPT_RESCHED;
	if (IS_ENABLED(CONFIG_ARCH_HAS_PREEMPT_LAZY) &&
	    test_thread_flag(TIF_NEED_RESCHED_LAZY))
		flags |= TRACE_FLAG_NEED_RESCHED_LAZY;
	return (flags << 16) | min(count & 0xff, 0xf) |
	       min((unsigned int)current->migration_disabled, 0xfu) << 4;
}

/* The head of tracing's own is the consumer's. */
static __always_inline void rk_event_copy(void *record, const struct rk_event_hit *hit)
{
	const size_t start = offsetof(struct rk_record, ip);

	memcpy(record + start, (const void *)hit->record + start, hit->size - start);
}

/* A trace instance takes a record. @data is its trace_event_file. */
static void notrace __kprobes rk_event_trace(void *data, const struct rk_event_hit *hit)
{
	struct trace_event_file *file = data;
	struct trace_event_buffer buffer = {
		.trace_file = file,
		.trace_ctx = hit->context,
		.regs = hit->regs,
	};
	struct rk_record *record;

	if (trace_trigger_soft_disabled(file))
		return;
	if ((file->flags & EVENT_FILE_FL_PID_FILTER) &&
	    trace_event_ignore_this_pid(file))
		return;
	buffer.event = trace_event_buffer_lock_reserve(&buffer.buffer, file,
						       file->event_call->event.type,
						       hit->size, hit->context);
	if (!buffer.event)
		return;
	buffer.entry = record = ring_buffer_event_data(buffer.event);
	rk_event_copy(record, hit);
	trace_event_buffer_commit(&buffer);
}

/* perf and BPF take a record. @data is the trace_event_call. */
static void notrace __kprobes rk_event_perf(void *data, const struct rk_event_hit *hit)
{
	struct trace_event_call *call = data;
	struct hlist_head *head = this_cpu_ptr(call->perf_events);
	struct rk_record *record;
	int size, context;

	if (!bpf_prog_array_valid(call) && hlist_empty(head))
		return;
	/* perf adds a u32, and wants the sum to be a multiple of a u64. */
	size = ALIGN(hit->size + sizeof(u32), sizeof(u64)) - sizeof(u32);
	record = perf_trace_buf_alloc(size, NULL, &context);
	if (!record)
		return;
	rk_event_copy(record, hit);
	perf_trace_run_bpf_submit(record, size, context, call, 1, hit->regs, head,
				  NULL);
}

/*
 * The registers of a hit for the consumers, with the probed address as ip, because
 * unwinders that start here look it up.
 *
 * Unwinders that come from the consumers pass the frame of the hit. They look up
 * its ip - 1 (detour_entry.S, handler_call.S), so the frame keeps the address + 1,
 * and the consumers have a copy.
 */
static notrace __kprobes struct pt_regs *rk_event_regs(const struct pt_regs *regs,
						       unsigned long addr)
{
	struct pt_regs *copy = &this_cpu_ptr(rk_buffers)->regs;

	*copy = *regs;
	copy->ip = addr;
	return copy;
}

/*
 * Runs the programs at rk_hit. Some locks of BPF's maps are held only while the CPU is
 * noted to run programs, so that no program takes them again. Raw tracepoints do not
 * look at that note, because the kernel has none inside of these locks. A probe may be
 * there.
 */
static notrace __kprobes void rk_event_tell(const struct rk_event *event,
					    unsigned long addr, struct pt_regs *regs)
{
	if (!rk_bpf_active)
		return;
	if (__this_cpu_inc_return(*rk_bpf_active) == 1)
		trace_call__rk_hit(READ_ONCE(event->cookie), event->name, addr, regs);
	__this_cpu_dec(*rk_bpf_active);
}

/* The hardirq and NMI parts are counters, so a hit in an NMI carries into no other part. */
static_assert(NMI_BITS > 1 && HARDIRQ_BITS > 1);

/*
 * The consumers run kernel functions. A probe in these functions is hit while
 * this CPU is noted to run handlers, so the hit is missed and counted.
 *
 * The consumers believe that they run in an NMI: they take no lock that the
 * probed code may hold, and leave wakeups to an irq_work.
 */
static noinline void notrace __kprobes rk_event_record(struct rkprobe *probe,
						       struct rk_event *event,
						       struct pt_regs *regs)
{
	const int nmi = NMI_OFFSET + HARDIRQ_OFFSET;
	const bool is_int3 = this_cpu_read(rk_busy) == RK_LANE_INT3;
	const struct tracepoint_func *consumer;
	struct rk_record *record;
	struct rk_event_hit hit;

	if (!rcu_is_watching())
		return;
	hit.context = rk_event_context(regs, is_int3 ? nmi : 0);
	if (!is_int3)
		__preempt_count_add(nmi);
	scoped_guard(srcu_fast_notrace, &tracepoint_srcu) {
		record = &this_cpu_ptr(rk_buffers)->record;
		record->ip = (unsigned long)probe->addr;
		hit.regs = rk_event_regs(regs, record->ip);
		if (tracepoint_enabled(rk_hit))
			rk_event_tell(event, record->ip, hit.regs);
		consumer = rcu_dereference_raw(event->tracepoint.funcs);
		if (!consumer)
			break;
		hit.record = record;
		hit.size = rk_event_fill(event->owner, regs, (u8 *)record);
		for (; hit.size && consumer->func; consumer++) {
			void (*take)(void *data, const struct rk_event_hit *hit) =
				consumer->func;

			take(consumer->data, &hit);
		}
	}
	if (!is_int3)
		__preempt_count_sub(nmi);
}

/* Most hits have no consumer. They take few instructions, and no frame on the stack. */
int notrace __kprobes rk_event_hit(struct rkprobe *probe, struct pt_regs *regs)
{
	struct rk_event *event =
		container_of(probe, struct rk_event_probe, probe)->event;

	if (tracepoint_enabled(rk_hit) ||
	    unlikely(rcu_access_pointer(event->tracepoint.funcs)))
		rk_event_record(probe, event, regs);
	return 0;
}

/* ---- Life */

static enum print_line_t rk_event_show(struct trace_iterator *iterator, int flags,
				       struct trace_event *trace_event)
{
	struct rk_event *event =
		to_event(container_of(trace_event, struct trace_event_call, event));
	const struct rk_record *record = (const void *)iterator->ent;
	struct trace_seq *seq = &iterator->seq;

	trace_seq_printf(seq, "%s:", event->name);
	/* The size is unknown, 0, where the record is printed while it is made. */
	if (!iterator->ent_size || iterator->ent_size >= RK_EVENT_HEAD)
		trace_seq_printf(seq, " (%pS)", (void *)record->ip);
	if (iterator->ent_size > RK_EVENT_HEAD)
		rk_event_print(event->owner, (const u8 *)record,
			       iterator->ent_size, seq);
	trace_seq_putc(seq, '\n');
	return trace_handle_return(seq);
}

/* The tracing does not look at the result, so rk_event_add() does. */
static int rk_event_define(struct trace_event_call *call)
{
	struct rk_event *event = to_event(call);

	event->error = trace_define_field(call, event->ip_type, event->ip_name,
					  offsetof(struct rk_record, ip),
					  sizeof(unsigned long), 0, FILTER_OTHER) ?:
		       rk_event_fields(event->owner, call);
	return event->error;
}

int rk_event_field(void *call, const char *type, const char *name, int offset,
		   int size, bool is_signed)
{
	return trace_define_field(call, type, name, offset, size, is_signed,
				  FILTER_OTHER);
}

void rk_event_write(void *seq, const u8 *bytes, size_t len)
{
	trace_seq_putmem(seq, bytes, len);
}

void rk_event_write_symbol(void *seq, u64 addr)
{
	trace_seq_printf(seq, "%pS", (void *)addr);
}

static struct trace_event_fields rk_event_fields_array[] = {
	{ .type = TRACE_FUNCTION_TYPE, .define_fields = rk_event_define },
	{}
};

/* Arms the probe for a new consumer. A consumer keeps the module loaded. */
static int rk_event_reg(struct trace_event_call *call, enum trace_reg type,
			void *data)
{
	const void *owner = to_event(call)->owner;
	int error;

	switch (type) {
	case TRACE_REG_REGISTER:
	case TRACE_REG_PERF_REGISTER:
		if (!try_module_get(THIS_MODULE))
			return -EBUSY;
		/*
		 * Arming may fail after earlier hits have read the list of consumers,
		 * and perf frees its lists without a grace period if this fails. So
		 * the consumer is on the list only when nothing can fail any more.
		 */
		error = rk_event_consumer(owner, true);
		if (error)
			goto put;
		error = trace_event_reg(call, type, data);
		if (!error)
			return 0;
		rk_event_consumer(owner, false);
put:
		module_put(THIS_MODULE);
		return error;
	case TRACE_REG_UNREGISTER:
	case TRACE_REG_PERF_UNREGISTER:
		rk_event_consumer(owner, false);
		trace_event_reg(call, type, data);
		to_event(call)->was_used = true;
		to_event(call)->grace_period =
			start_poll_synchronize_srcu(&tracepoint_srcu);
		/* The caller holds event_mutex, which the removal of this event takes. */
		module_put(THIS_MODULE);
		return 0;
	default:
		return 0;
	}
}

struct rk_event *rk_event_new(const char *name, char *print_fmt, const void *owner)
{
	const char *slash = strchr(name, '/');
	const char *system = slash ? name : RK_EVENT_GROUP;
	const char *own = slash ? slash + 1 : name;
	size_t system_len = slash ? slash - name : strlen(RK_EVENT_GROUP);
	size_t len = strlen(own) + 1;
	struct rk_event *event =
		kzalloc(struct_size(event, system, system_len + 1 + len),
			GFP_KERNEL_ACCOUNT);

	if (!event)
		return NULL;
	memcpy(event->system, system, system_len);
	memcpy(event->system + system_len + 1, own, len);
	event->name = event->system + system_len + 1;
	strscpy(event->ip_type, "unsigned long");
	strscpy(event->ip_name, "__probe_ip");
	event->owner = owner;
	event->tracepoint.name = event->name;
	event->class.system = event->system;
	event->class.fields_array = rk_event_fields_array;
	event->class.reg = rk_event_reg;
	event->class.probe = rk_event_trace;
	event->class.perf_probe = rk_event_perf;
	INIT_LIST_HEAD(&event->class.fields);
	event->call.class = &event->class;
	event->call.tp = &event->tracepoint;
	event->functions.trace = rk_event_show;
	event->call.event.funcs = &event->functions;
	event->call.print_fmt = print_fmt;
	event->call.flags = TRACE_EVENT_FL_TRACEPOINT | TRACE_EVENT_FL_DYNAMIC;
	return event;
}

/*
 * An event of the group of rkprobes. When it was added, no event from it on to the end
 * of the kernel's list was another one of this group. Under event_mutex.
 */
static struct rk_event *rk_searched;

/*
 * Whether a call is another event of a group: one of kprobe_events or of the kernel, or
 * one that stayed.
 */
static bool rk_is_other(const struct trace_event_call *call, const char *system)
{
	return call->class && call->class->system && call->class->reg != rk_event_reg &&
	       !strcmp(call->class->system, system);
}

static bool rk_is_in_own_group(const struct rk_event *event)
{
	return !strcmp(event->system, RK_EVENT_GROUP);
}

/*
 * Whether there is another event of the name. New events are first in the list, so
 * this looks at each event once, as long as there is no other event of the group of
 * rkprobes. In other groups it looks at all events.
 */
static bool rk_event_exists(const struct list_head *events, struct rk_event *event,
			    bool *others)
{
	const struct rk_event *end = rk_is_in_own_group(event) ? rk_searched : NULL;
	struct trace_event_call *call;
	const char *name;

	list_for_each_entry(call, events, list) {
		if (end && call == &end->call)
			break;
		if (!rk_is_other(call, event->system))
			continue;
		*others = true;
		name = trace_event_name(call);
		if (name && !strcmp(name, event->name))
			return true;
	}
	return false;
}

static int rk_event_register(const struct list_head *events, struct rk_event *event)
{
	bool others = false;
	int error;

	if (rk_event_exists(events, event, &others))
		return -EEXIST;
	if (!register_trace_event(&event->call.event))
		return -ENODEV;
	error = trace_add_event_call(&event->call);
	if (error) {
		unregister_trace_event(&event->call.event);
		return error;
	}
	/* No other task has had event_mutex meanwhile, so the event has no consumer. */
	if (event->error)
		return trace_remove_event_call(&event->call) ?: event->error;
	if (!others && rk_is_in_own_group(event))
		rk_searched = event;
	WRITE_ONCE(event->cookie, event->call.event.type);
	return 0;
}

/* Whether the event has its directory in the main trace, where the newest event is found first. */
static bool rk_event_has_files(struct rk_event *event)
{
	struct trace_event_file *file =
		trace_get_event_file(NULL, event->system, event->name);
	bool has_files;

	if (IS_ERR(file))
		return false;
	has_files = file->event_call == &event->call && file->ei;
	trace_put_event_file(file);
	return has_files;
}

/* The tracing says nothing if it lacks memory for the files of an event. */
int rk_event_add(struct mutex *event_mutex, const struct list_head *events,
		 struct rk_event *event)
{
	int error;

	scoped_guard(mutex, event_mutex)
		error = rk_event_register(events, event);
	if (error || rk_event_has_files(event))
		return error;
	rk_events_lock(event_mutex);
	error = rk_event_remove(event);
	rk_events_unlock(event_mutex);
	/* A task that has switched all events on keeps the event without its files. */
	return error ? 0 : -ENOMEM;
}

void rk_events_lock(struct mutex *event_mutex)
{
	mutex_lock(event_mutex);
}

/*
 * The numbers of removed events are used again. Old records must not be printed as
 * records of the next event, and a new event needs event_mutex.
 */
void rk_events_unlock(struct mutex *event_mutex)
{
	rk_reset_traces();
	mutex_unlock(event_mutex);
}

bool rk_event_is_used(struct rk_event *event)
{
	return atomic_read(&event->call.refcnt) ||
	       rcu_access_pointer(event->tracepoint.funcs);
}

/*
 * Consumers are asked first, because an attempt that fails makes the tracing forget
 * which traces have records of the events that were removed before.
 */
int rk_event_remove(struct rk_event *event)
{
	int error;

	if (rk_event_is_used(event))
		return -EBUSY;
	/*
	 * A hit may still use a consumer that is off: the tracing frees the files and
	 * filters of the event at once. One wait serves all later events, and there
	 * is none if the consumers were off for some time.
	 */
	if (event->was_used &&
	    !poll_state_synchronize_srcu(&tracepoint_srcu, event->grace_period))
		synchronize_srcu(&tracepoint_srcu);
	if (rk_searched == event)
		rk_searched = NULL;
	/* Its probes are hit a little longer, and another event may get its number. */
	WRITE_ONCE(event->cookie, 0);
	error = trace_remove_event_call(&event->call);
	if (error)
		WRITE_ONCE(event->cookie, event->call.event.type);
	return error;
}

/*
 * The tracing has the event in its lists, and calls ->reg() when the other event is
 * switched on. The functions of the class are those of the kernel then. A record
 * cannot be made any more. An event has fields, so the tracing does not read the array
 * of the class again.
 *
 * Traces may have records of the event, so it keeps its number: another event would
 * print them as its own. The kernel's printer of unknown formats prints them.
 */
void rk_event_abandon(struct rk_event *event)
{
	/* The kernel's first format. It is there, so it is neither added nor allocated. */
	struct trace_event known = { .funcs = &event->functions, .type = 1 };

	event->class.reg = trace_event_reg;
	event->class.perf_probe = NULL;
	event->class.fields_array = NULL;
	event->functions.trace = event->functions.raw;
	/* Waits for tasks that print a record: they hold trace_event_sem. */
	if (register_trace_event(&known))
		unregister_trace_event(&known);
}

void rk_event_free(struct rk_event *event)
{
	kfree(event);
}
