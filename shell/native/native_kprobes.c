// SPDX-License-Identifier: GPL-2.0
/* Native kprobes: where they are, what they replaced, and what they are refused. */
#include <linux/kprobes.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include "sys/helpers.h"
#include "sys/static_calls.h"

/* The members of an entry that the kernel reads if it does not free the entry. */
static_assert(offsetof(struct rk_refused, next) ==
	      offsetof(struct kprobe_blacklist_entry, list.next));
static_assert(offsetof(struct rk_refused, prev) ==
	      offsetof(struct kprobe_blacklist_entry, list.prev));
static_assert(offsetof(struct rk_refused, start) ==
	      offsetof(struct kprobe_blacklist_entry, start_addr));
static_assert(offsetof(struct rk_refused, end) ==
	      offsetof(struct kprobe_blacklist_entry, end_addr));
/* The sizes in struct rk_native. */
static_assert(sizeof_field(struct optimized_kprobe, optinsn.copied_insn) ==
	      sizeof_field(struct rk_native, saved));

/*
 * Adds @at to the blacklist, unless it is linked. kprobe_mutex is held. The
 * entry is added at the head, because a reader may still be at it after it was
 * removed a moment ago: the reader then continues with all other entries, and
 * not at the end of the list.
 */
void rk_refused_link(unsigned long blacklist, struct rk_refused *at)
{
	if (!at->prev)
		list_add_rcu((struct list_head *)at,
			     (struct list_head *)blacklist);
}

/*
 * Removes @at from the blacklist, if it is linked. Readers may see it until an
 * RCU grace period is over. They follow next only, so prev can tell that the
 * entry is not linked. kprobe_mutex is held.
 */
void rk_refused_unlink(struct rk_refused *at)
{
	if (!at->prev)
		return;
	list_del_rcu((struct list_head *)at);
	at->prev = NULL;
}

/* Makes an entry for rk_refuse_for_ever(). Returns NULL without memory. */
void *rk_refused_for_ever(unsigned long start, unsigned long end)
{
	struct kprobe_blacklist_entry *entry = kzalloc(sizeof(*entry), GFP_KERNEL);

	if (entry) {
		entry->start_addr = start;
		entry->end_addr = end;
	}
	return entry;
}

/*
 * Adds @entry to the blacklist. It belongs to the kernel then: the kernel frees it
 * when it removes blacklisted text of a module in which the entry begins.
 * kprobe_mutex is held.
 */
void rk_refuse_for_ever(unsigned long blacklist, void *entry)
{
	struct kprobe_blacklist_entry *added = entry;

	list_add_rcu(&added->list, (struct list_head *)blacklist);
}

/* Frees an entry that was not added. */
void rk_refused_free(void *entry)
{
	kfree(entry);
}

/*
 * Whether a task waits for @mutex, which is held. A task that sleeps sets bit 0
 * of the owner. A task that spins is in the queue of spinners.
 */
bool rk_mutex_has_waiters(struct mutex *mutex)
{
#ifdef CONFIG_PREEMPT_RT
	return (unsigned long)data_race(READ_ONCE(mutex->rtmutex.owner)) & 1;
#else
	if (atomic_long_read(&mutex->owner) & 1)
		return true;
#ifdef CONFIG_MUTEX_SPIN_ON_OWNER
	return osq_is_locked(&mutex->osq);
#else
	return false;
#endif
#endif
}

/*
 * Whether no task holds @mutex or waits for it. A task that spins for it leaves
 * the queue of spinners after it has become the owner, so the queue is read first.
 */
bool rk_mutex_is_idle(struct mutex *mutex)
{
#ifdef CONFIG_PREEMPT_RT
	return !data_race(READ_ONCE(mutex->rtmutex.owner));
#else
#ifdef CONFIG_MUTEX_SPIN_ON_OWNER
	if (osq_is_locked(&mutex->osq))
		return false;
	smp_rmb();
#endif
	return !atomic_long_read(&mutex->owner);
#endif
}

bool rk_mutex_is_locked(struct mutex *mutex)
{
	return mutex_is_locked(mutex);
}

/* Whether a native kprobe is registered at exactly this address. */
bool rk_kprobe_at(unsigned long addr)
{
	bool found;

	preempt_disable();
	found = rk_get_kprobe(addr);
	preempt_enable();
	return found;
}

/*
 * Whether any native kprobe is registered. @heads is the kernel's hash table of
 * kprobes; other data may follow it up to @end. kprobe_mutex is held.
 */
bool rk_any_kprobe(unsigned long heads, unsigned long end)
{
	for (; heads + sizeof(struct hlist_head) <= end; heads += sizeof(struct hlist_head))
		/* With KASAN a red zone may follow the table. */
		if (READ_ONCE_NOCHECK(*(unsigned long *)heads))
			return true;
	return false;
}

/*
 * The address of a handler of the native kprobe at @addr; 0 if there is none. Of
 * several kprobes it is a handler of the first one. kprobe_mutex is held.
 */
unsigned long rk_kprobe_handler(unsigned long addr)
{
	struct kprobe *kp;
	unsigned long handler = 0;

	preempt_disable();
	kp = rk_get_kprobe(addr);
	/* Several kprobes are on the list of one that stands for all of them. */
	if (kp && !list_empty(&kp->list))
		kp = list_first_entry(&kp->list, struct kprobe, list);
	if (kp)
		handler = kp->pre_handler ? (unsigned long)kp->pre_handler :
					    (unsigned long)kp->post_handler;
	preempt_enable();
	return handler;
}

/*
 * Stores what tells the bytes that the native kprobe at @addr has replaced. Returns
 * false if there is none, or if it uses ftrace and has replaced no byte. The flags of
 * the kprobe do not count, because other versions of the kernel set them at other
 * times. @group is the address of the pre_handler of kprobes that stand for a group:
 * only those can become jumps, and only those are allocated with what a jump needs.
 * kprobe_mutex and text_mutex are held.
 */
bool rk_native_at(unsigned long addr, unsigned long group, struct rk_native *native)
{
	struct optimized_kprobe *op;
	struct kprobe *kp;
	bool found;

	memset(native, 0, sizeof(*native));
	preempt_disable();
	kp = rk_get_kprobe(addr);
	found = kp && !kprobe_ftrace(kp);
	if (found) {
		native->opcode = kp->opcode;
		native->text[0] = *(u8 *)addr;
	}
	if (found && (unsigned long)kp->pre_handler == group) {
		op = container_of(kp, struct optimized_kprobe, kp);
		native->detour = (unsigned long)op->optinsn.insn;
		memcpy(native->saved, op->optinsn.copied_insn, sizeof(native->saved));
		/* The kernel makes a detour only where the jump fits the function. */
		if (native->detour)
			memcpy(native->text, (void *)addr, sizeof(native->text));
	}
	preempt_enable();
	return found;
}
