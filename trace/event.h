/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Events of the kernel's tracing for probes. The C side knows trace_event_call
 * and the consumers; the Rust side (trace/event.rs) knows the arguments and the
 * probe.
 */
#ifndef _RKPROBES_TRACE_EVENT_H
#define _RKPROBES_TRACE_EVENT_H

#include "include/rkprobes.h"

struct rk_event;

/* A probe with the event that its hits are records of; NULL for none. */
struct rk_event_probe {
	struct rkprobe probe;
	struct rk_event *event;
};

/* The head of each record, as that of a kprobe event: common fields, address. */
#define RK_EVENT_HEAD	16
/* The longest record, in bytes: the head, and the values of the largest event. */
#define RK_EVENT_MAX	(RK_EVENT_HEAD + 3072)

/*
 * All records of one CPU are made in one buffer. @bpf_active is the address of
 * bpf_prog_active, or 0.
 */
int rk_events_start(unsigned long bpf_active);
void rk_events_stop(void);

/*
 * rk_event_new() - make an event that is not known to the tracing yet
 * @name: GROUP/NAME, or NAME in the group of rkprobes. It is copied
 * @print_fmt: the format of a record for tools; lives as long as the event
 * @owner: what the functions of trace/event.rs get
 *
 * Return: the event, or NULL without memory.
 */
struct rk_event *rk_event_new(const char *name, char *print_fmt, const void *owner);
/*
 * rk_event_add() - make the event known. May sleep.
 * @event_mutex: the kernel's
 * @events: the kernel's list of events
 *
 * Return: 0, -ENODEV if there are too many events, -EEXIST if the kernel has
 * another event of the name, -ENOMEM.
 */
int rk_event_add(struct mutex *event_mutex, const struct list_head *events,
		 struct rk_event *event);
/*
 * Locks the events for removals. May sleep. Unlocking empties the traces that may
 * have records of the removed events, and waits for a grace period if there are any.
 */
void rk_events_lock(struct mutex *event_mutex);
void rk_events_unlock(struct mutex *event_mutex);
/*
 * Whether the event is enabled, or perf, BPF or another event uses it. The events are
 * locked.
 */
bool rk_event_is_used(struct rk_event *event);
/*
 * rk_event_remove() - take the event back, unless it has consumers. The events are
 * locked. Waits for hits that began while the event had a consumer. May sleep.
 *
 * Return: 0, or -EBUSY if the event is enabled, or perf, BPF or another event
 * uses it.
 */
int rk_event_remove(struct rk_event *event);
/*
 * rk_event_abandon() - leave an event that is in use to the tracing, without this
 * module's code. It has no consumer that is on, keeps its number, and is never freed.
 * The events are locked.
 */
void rk_event_abandon(struct rk_event *event);
/* Frees an event that is not known to the tracing and whose probe is not registered. */
void rk_event_free(struct rk_event *event);

/* Adds a field to an event that is being added. Both strings live as long as the event. */
int rk_event_field(void *call, const char *type, const char *name, int offset,
		   int size, bool is_signed);
/* Appends text to what is printed of a record. @seq is a trace_seq. */
void rk_event_write(void *seq, const u8 *bytes, size_t len);
void rk_event_write_symbol(void *seq, u64 addr);

/* What the compiler of arguments asks of the kernel. */
struct rk_event_facts {
	u64 stack_size;
	int dentry_name, file_dentry;
};

void rk_event_facts(struct rk_event_facts *facts);

/*
 * Memory at a hit. An address that is not mapped is a fault: false, or -EFAULT.
 * A string is cut to @len bytes with its final zero, and its length has the zero.
 */
bool rk_event_read(bool user, u64 addr, u8 *to, size_t len);
long rk_event_read_string(bool user, u64 addr, u8 *to, size_t len);
size_t rk_event_symbol(u64 addr, u8 *to, size_t len);
u64 rk_event_comm(void);
u64 rk_event_current(void);
u64 rk_event_this_cpu(u64 variable);

/* The pre_handler of a probe with an event. */
int rk_event_hit(struct rkprobe *probe, struct pt_regs *regs);

/* Functions of trace/event.rs. */
int rk_event_fields(const void *owner, void *call);
int rk_event_consumer(const void *owner, bool add);
void rk_event_print(const void *owner, const u8 *record, size_t size, void *seq);
size_t rk_event_fill(const void *owner, const struct pt_regs *regs, u8 *record);

#endif /* _RKPROBES_TRACE_EVENT_H */
