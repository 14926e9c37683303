// SPDX-License-Identifier: GPL-2.0
/*
 * One random operation on one probe or on a batch, while the functions are called on
 * all CPUs. Before each operation its probe is checked: since the last operation
 * either each call was a hit, or none.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include "torture.h"

#define FIRST	(IS_ENABLED(CONFIG_X86_KERNEL_IBT) ? 4 : 0)
#define BATCH	24

struct torture_function torture_functions[TORTURE_FUNCTIONS];
struct torture_probe torture_probes[TORTURE_PROBES];
atomic64_t torture_errors;
atomic64_t torture_refusals;
atomic64_t torture_operations;

u64 torture_random(u64 *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed >> 11;
}

/* The first few errors are printed. All are counted. */
void torture_error(const struct torture_probe *t, const char *what, long got, long expected)
{
	if (atomic64_inc_return(&torture_errors) <= 20)
		pr_err("rktorture: %pS: %s: got %ld instead of %ld\n",
		       t ? t->probe.addr : NULL, what, got, expected);
}

void torture_call(unsigned int function, unsigned long x)
{
	long (*called)(unsigned long) =
		(void *)(rktorture_functions + function * TORTURE_DISTANCE);
	long expected = (((x + 4) * 3) + (x ? 2 : 0)) ^ 0x55;
	struct torture_function *f = &torture_functions[function];
	long got;

	atomic_inc(&f->inside);
	smp_mb__after_atomic();
	if (!atomic_read(&f->pausers)) {
		got = called(x);
		atomic64_inc(&f->calls);
		if (got != expected)
			torture_error(NULL, "result", got, expected);
	}
	smp_mb__before_atomic();
	atomic_dec(&f->inside);
}

/* When this returns, no call of the function is under way, and none begins until resume(). */
static void pause(struct torture_function *f)
{
	atomic_inc(&f->pausers);
	smp_mb__after_atomic();
	while (atomic_read(&f->inside))
		schedule_timeout_uninterruptible(1);
}

static void resume(struct torture_function *f)
{
	atomic_dec(&f->pausers);
}

static int pre_handler(struct rkprobe *p, struct pt_regs *regs)
{
	struct torture_probe *t = container_of(p, struct torture_probe, probe);

	atomic64_inc(&t->hits);
	if (regs->ip != (unsigned long)p->addr + 1)
		atomic64_inc(&torture_errors);
	lockdep_assert_irqs_disabled();
	return 0;
}

/* Pauses a function, so that its calls and hits can be compared. Returns its calls. */
s64 torture_hold(unsigned int function)
{
	pause(&torture_functions[function]);
	return atomic64_read(&torture_functions[function].calls);
}

void torture_release(unsigned int function)
{
	resume(&torture_functions[function]);
}

/* The function must be paused. */
static s64 hits_of(struct torture_probe *t)
{
	return t->counts ? rkprobe_hits(&t->probe) : atomic64_read(&t->hits);
}

/*
 * Checks that each call since begin_state() was a hit, or none. The state has not
 * changed since then.
 */
static void end_state(struct torture_probe *t)
{
	s64 calls, hits;

	pause(t->function);
	calls = atomic64_read(&t->function->calls) - t->calls_then;
	hits = hits_of(t) - t->hits_then;
	resume(t->function);
	if (t->counts)
		atomic64_add(hits, &t->hits);
	if (t->state != ENABLED)
		calls = 0;
	if (hits != calls)
		torture_error(t, t->state == ENABLED ? "hits while enabled" : "hits while not",
			      hits, calls);
	if (t->probe.nmissed)
		torture_error(t, "missed", t->probe.nmissed, 0);
}

static void begin_state(struct torture_probe *t, enum torture_state state)
{
	pause(t->function);
	t->state = state;
	t->calls_then = atomic64_read(&t->function->calls);
	t->hits_then = hits_of(t);
	resume(t->function);
}

/* A failed allocation, or a native kprobe that was there first, is no error of rkprobes. */
static bool may_be_refused(int ret)
{
	return ret == -ENOMEM || ret == -EEXIST || ret == -EBUSY || ret == -EILSEQ;
}

static bool refused(struct torture_probe *t, const char *what, int ret)
{
	if (!ret)
		return false;
	if (may_be_refused(ret))
		atomic64_inc(&torture_refusals);
	else
		torture_error(t, what, ret, 0);
	return true;
}

/* Clears a probe before it is registered again. */
static void prepare(struct torture_probe *t, bool enabled, bool counts)
{
	void *addr = t->probe.addr;

	memset(&t->probe, 0, sizeof(t->probe));
	t->probe.addr = addr;
	t->probe.pre_handler = counts ? NULL : pre_handler;
	t->counts = counts;
	t->probe.flags = enabled ? 0 : RKPROBE_FLAG_DISABLED;
}

static void operate_on_one(struct torture_probe *t, u64 random)
{
	enum torture_state to = random % 3;
	const char *what = "register";
	int ret = 0;

	end_state(t);
	if (t->state == UNREGISTERED && to != UNREGISTERED) {
		prepare(t, to == ENABLED, random >> 8 & 1);
		ret = register_rkprobe(&t->probe);
	} else if (to == UNREGISTERED && t->state != UNREGISTERED) {
		unregister_rkprobe(&t->probe);
	} else if (to == ENABLED) {
		what = "enable";
		ret = enable_rkprobe(&t->probe);
	} else if (to == DISABLED) {
		what = "disable";
		ret = disable_rkprobe(&t->probe);
	}
	begin_state(t, refused(t, what, ret) ? t->state : to);
	atomic64_inc(&torture_operations);
}

/* Locks up to BATCH probes that are registered, or that are not registered. */
static int take(struct rkprobe **batch, u64 random, bool registered)
{
	unsigned int i, first = random % TORTURE_PROBES, step = 1 + random / 7 % 5;
	int n = 0;

	for (i = 0; i < TORTURE_PROBES / 5 && n < BATCH; i++) {
		struct torture_probe *t = &torture_probes[(first + i * step) % TORTURE_PROBES];

		if (!mutex_trylock(&t->lock))
			continue;
		if ((t->state != UNREGISTERED) == registered)
			batch[n++] = &t->probe;
		else
			mutex_unlock(&t->lock);
	}
	return n;
}

static struct torture_probe *of(struct rkprobe *p)
{
	return container_of(p, struct torture_probe, probe);
}

static void operate_on_many(u64 random)
{
	bool add = random & 1, enabled = random & 2;
	struct rkprobe *batch[BATCH];
	int i, n = take(batch, random >> 2, !add), ret = 0;

	for (i = 0; i < n; i++) {
		end_state(of(batch[i]));
		if (add)
			prepare(of(batch[i]), enabled, random >> (16 + i) & 1);
	}
	if (n && add)
		ret = register_rkprobes(batch, n);
	else if (n)
		unregister_rkprobes(batch, n);
	if (n && refused(of(batch[0]), "register many", ret))
		add = false;
	for (i = 0; i < n; i++) {
		begin_state(of(batch[i]), !add ? UNREGISTERED : enabled ? ENABLED : DISABLED);
		mutex_unlock(&of(batch[i])->lock);
	}
	atomic64_add(n, &torture_operations);
}

void torture_random_operation(u64 *seed)
{
	u64 random = torture_random(seed);
	struct torture_probe *t;

	switch (random % 16) {
	case 0:
		/* The sleep ends early when the thread is to stop. */
		flush_rkprobes();
		atomic64_inc(&torture_operations);
		return;
	case 1 ... 6:
		operate_on_many(random >> 4);
		return;
	}
	t = &torture_probes[(random >> 4) % TORTURE_PROBES];
	if (!mutex_trylock(&t->lock))
		return;
	operate_on_one(t, random >> 20);
	mutex_unlock(&t->lock);
}

void torture_make_probes(void)
{
	static const unsigned int offsets[TORTURE_OFFSETS] = { 0, 3, 7, 18, 24 };
	const u8 *functions = rktorture_functions;
	unsigned int i;

	/* Without this objtool sees an address inside a function. */
	OPTIMIZER_HIDE_VAR(functions);
	for (i = 0; i < TORTURE_PROBES; i++) {
		struct torture_probe *t = &torture_probes[i];
		unsigned int site = i / 2;

		mutex_init(&t->lock);
		t->function = &torture_functions[site / TORTURE_OFFSETS];
		t->probe.addr = (void *)(functions + site / TORTURE_OFFSETS * TORTURE_DISTANCE + FIRST +
					 offsets[site % TORTURE_OFFSETS]);
	}
}

void torture_unregister_all(void)
{
	unsigned int i;

	for (i = 0; i < TORTURE_PROBES; i++) {
		struct torture_probe *t = &torture_probes[i];

		end_state(t);
		if (t->state != UNREGISTERED)
			unregister_rkprobe(&t->probe);
		begin_state(t, UNREGISTERED);
	}
}

s64 torture_hits(void)
{
	s64 hits = 0;
	unsigned int i;

	for (i = 0; i < TORTURE_PROBES; i++)
		hits += atomic64_read(&torture_probes[i].hits);
	return hits;
}
