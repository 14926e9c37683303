// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps the kernel alive on an emulator that executes bytes which the memory no
 * longer has. When a byte is written, QEMU with a host thread for each CPU drops its
 * translation before it stores the byte. Another CPU that translates in between keeps
 * the old translation. It then executes an int3 that is no longer in memory, and no
 * handler claims it.
 *
 * An int3 that its owner removed too early behaves otherwise: the return from the
 * exception serializes, so a processor executes the byte in memory. Only an old
 * translation hits again at once. The byte is written once more, which drops the
 * translation.
 *
 * Parameters, read only: strays is the number of such int3s, repeated is the number
 * of int3s that hit again at once.
 */
#include <linux/irq_work.h>
#include <linux/kdebug.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/static_call.h>
#include <linux/workqueue.h>
#include <asm/text-patching.h>

DEFINE_STATIC_CALL_NULL(stray_poke, text_poke);
DEFINE_STATIC_CALL_NULL(stray_lookup, kallsyms_lookup_name);

static struct mutex *text_lock;
static DEFINE_PER_CPU(unsigned long, last);
static unsigned long where;
static ulong strays, repeated;
module_param(strays, ulong, 0400);
module_param(repeated, ulong, 0400);

static void rewrite(struct work_struct *work)
{
	u8 *at = (u8 *)READ_ONCE(where);
	u8 byte;

	mutex_lock(text_lock);
	byte = *at;
	static_call_cond(stray_poke)(at, &byte, 1);
	mutex_unlock(text_lock);
}
static DECLARE_WORK(rewriting, rewrite);

static void queue(struct irq_work *work)
{
	queue_work(system_unbound_wq, &rewriting);
}
static DEFINE_IRQ_WORK(queueing, queue);

static int stray(struct notifier_block *block, unsigned long event, void *data)
{
	struct pt_regs *regs = ((struct die_args *)data)->regs;
	unsigned long at = regs->ip - INT3_INSN_SIZE;

	if (event != DIE_INT3 || user_mode(regs) || *(u8 *)at == INT3_INSN_OPCODE)
		return NOTIFY_DONE;
	strays++;
	if (__this_cpu_read(last) == at)
		repeated++;
	__this_cpu_write(last, at);
	WRITE_ONCE(where, at);
	irq_work_queue(&queueing);
	regs->ip = at;
	return NOTIFY_STOP;
}
NOKPROBE_SYMBOL(stray);

/* Runs after all other notifiers. */
static struct notifier_block block = { .notifier_call = stray, .priority = INT_MIN };

static int __init stray_init(void)
{
	struct kprobe kp = { .symbol_name = "kallsyms_lookup_name" };
	int ret = register_kprobe(&kp);
	unsigned long poke;

	if (ret)
		return ret;
	static_call_update(stray_lookup, (typeof(&kallsyms_lookup_name))kp.addr);
	unregister_kprobe(&kp);
	text_lock = (void *)static_call(stray_lookup)("text_mutex");
	poke = static_call(stray_lookup)("text_poke");
	if (!text_lock || !poke)
		return -ENOENT;
	static_call_update(stray_poke, (typeof(&text_poke))poke);
	return register_die_notifier(&block);
}

static void __exit stray_exit(void)
{
	unregister_die_notifier(&block);
	irq_work_sync(&queueing);
	cancel_work_sync(&rewriting);
}

module_init(stray_init);
module_exit(stray_exit);
MODULE_DESCRIPTION("Survives an emulator's stale breakpoints");
MODULE_LICENSE("GPL");
