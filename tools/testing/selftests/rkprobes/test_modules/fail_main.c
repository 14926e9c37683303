// SPDX-License-Identifier: GPL-2.0
/*
 * Operations of the C API in which one allocation fails. Command:
 *
 *   fail OPERATION   repeats the operation; in the nth repetition its nth allocation fails. Ends
 *                    when the operation has fewer allocations. Each time it must either fail with
 *                    ENOMEM and leave nothing, or succeed, and be undone. Prints how many
 *                    repetitions failed, how many succeeded although an allocation failed, and
 *                    how many things were wrong
 *
 * The operations are in the table below. A batch has several sites, a mixed one entries as well.
 */
#include <linux/sched.h>
#include <rkprobes.h>
#include "rktest.h"

#define SITES	4
#define ENTRIES	2
#define MANY	1000
/* A jump, and the call of the function tracer, have so many bytes. */
#define LENGTH	5
/* After an ENDBR, if the kernel has them. */
#define FIRST	(IS_ENABLED(CONFIG_X86_KERNEL_IBT) ? 4 : 0)

static int nothing(struct rkprobe *p, struct pt_regs *regs)
{
	return 0;
}

static noinline __used long rktest_fail_one(long x)
{
	OPTIMIZER_HIDE_VAR(x);
	return x + 1;
}

static noinline __used long rktest_fail_two(long x)
{
	OPTIMIZER_HIDE_VAR(x);
	return x + 2;
}

static const char * const functions[] = {
	"rktest_fail:rktest_context_target", "rktest_fail:rktest_context_outer",
};
static const char * const entries[ENTRIES] = { "rktest_fail_one", "rktest_fail_two" };
/* The offsets of two instructions in each of the functions. */
static const unsigned int offsets[] = { FIRST, FIRST + 7 };

static struct rkprobe probes[SITES + ENTRIES];
static struct rkprobe *all[SITES + ENTRIES];
static unsigned long addrs[SITES + ENTRIES];
static u8 before[SITES + ENTRIES][LENGTH];
/* The first byte with a probe, after a flush. */
static u8 probed[SITES + ENTRIES];

/* New probes: sites first, then entries. */
static void make_probes(u32 flags)
{
	unsigned int i;

	memset(probes, 0, sizeof(probes));
	for (i = 0; i < SITES + ENTRIES; i++) {
		struct rkprobe *p = &probes[i];

		all[i] = p;
		p->pre_handler = nothing;
		p->flags = flags;
		p->symbol_name = i < SITES ? functions[i / 2] : entries[i - SITES];
		p->offset = i < SITES ? offsets[i % 2] : 0;
	}
}

enum kind { REGISTER, UNREGISTER, ENABLE, DISABLE };

struct operation {
	const char *name;
	enum kind kind;
	/* The probes of the operation: so many, from that one. */
	unsigned int from, count;
};

static const struct operation operations[] = {
	{ "single", REGISTER, 0, 1 },
	{ "entry", REGISTER, SITES, 1 },
	{ "batch", REGISTER, 0, SITES },
	{ "mixed", REGISTER, 0, SITES + ENTRIES },
	{ "enable", ENABLE, 0, 1 },
	{ "enable_entry", ENABLE, SITES, 1 },
	{ "disable", DISABLE, 0, 1 },
	{ "disable_entry", DISABLE, SITES, 1 },
	{ "unregister", UNREGISTER, 0, SITES },
	{ "unregister_entry", UNREGISTER, SITES, 1 },
	{ "unregister_mixed", UNREGISTER, 0, SITES + ENTRIES },
};

#ifdef CONFIG_FAULT_INJECTION
static void arm(unsigned int nth)
{
	current->fail_nth = nth;
}

/* Whether the allocation has failed. */
static bool disarm(void)
{
	bool failed = !current->fail_nth;

	current->fail_nth = 0;
	return failed;
}
#else
static void arm(unsigned int nth)
{
}

static bool disarm(void)
{
	return false;
}
#endif

static int operate(const struct operation *operation)
{
	struct rkprobe **some = all + operation->from;

	switch (operation->kind) {
	case REGISTER:
		return operation->count == 1 ? register_rkprobe(some[0]) :
					       register_rkprobes(some, operation->count);
	case UNREGISTER:
		unregister_rkprobes(some, operation->count);
		return 0;
	case ENABLE:
		return enable_rkprobe(some[0]);
	case DISABLE:
		return disable_rkprobe(some[0]);
	}
	return -EINVAL;
}

/* Whether the text of the sites of the operation has the bytes that it had without probes. */
static bool is_as_before(const struct operation *operation)
{
	unsigned int i;

	for (i = operation->from; i < operation->from + operation->count; i++) {
		if (memcmp((void *)addrs[i], before[i], LENGTH))
			return false;
	}
	return true;
}

/* Whether each site is what it becomes with enough memory: a jump or not. */
static bool is_whole(const struct operation *operation)
{
	unsigned int i;

	for (i = operation->from; i < operation->from + operation->count; i++) {
		if (*(u8 *)addrs[i] != probed[i])
			return false;
	}
	return true;
}

/* Notes where the sites are, their bytes, and what they become. */
static int learn(void)
{
	unsigned int i;
	int ret;

	make_probes(RKPROBE_FLAG_DISABLED);
	ret = register_rkprobes(all, SITES + ENTRIES);
	if (ret)
		return ret;
	for (i = 0; i < SITES + ENTRIES; i++) {
		addrs[i] = (unsigned long)probes[i].addr;
		memcpy(before[i], (void *)addrs[i], LENGTH);
	}
	unregister_rkprobes(all, SITES + ENTRIES);
	make_probes(0);
	ret = register_rkprobes(all, SITES + ENTRIES) ?: flush_rkprobes();
	if (ret)
		return ret;
	for (i = 0; i < SITES + ENTRIES; i++)
		probed[i] = *(u8 *)addrs[i];
	unregister_rkprobes(all, SITES + ENTRIES);
	return flush_rkprobes();
}

/* Returns 1, and says in the log what was wrong, unless @good. */
static unsigned int is_wrong(bool good, const struct operation *operation, unsigned int nth,
			     const char *what)
{
	if (!good)
		pr_info("%s, allocation %u: %s\n", operation->name, nth, what);
	return !good;
}

static int fail(const struct operation *operation)
{
	struct rkprobe **some = all + operation->from;
	unsigned int nth, failed = 0, survived = 0, wrong = 0;
	enum kind kind = operation->kind;
	bool was_failed = true, good;
	int ret;

	ret = learn();
	if (ret)
		return ret;
	for (nth = 1; was_failed && nth < MANY; nth++) {
		make_probes(kind == ENABLE ? RKPROBE_FLAG_DISABLED : 0);
		if (kind != REGISTER) {
			ret = register_rkprobes(some, operation->count) ?: flush_rkprobes();
			if (ret)
				return ret;
		}
		arm(nth);
		ret = operate(operation);
		was_failed = disarm();
		good = !ret || (ret == -ENOMEM && was_failed);
		wrong += is_wrong(good, operation, nth, "another errno than ENOMEM");
		if (was_failed && ret)
			failed++;
		else if (was_failed)
			survived++;
		/* After a failure all is as before, so without one the operation succeeds. */
		if (ret) {
			good = kind == DISABLE || is_as_before(operation);
			wrong += is_wrong(good, operation, nth, "it failed and left something");
			good = !operate(operation);
			wrong += is_wrong(good, operation, nth, "it fails with memory too");
		}
		/* What could not be taken out of the text is taken out by a later pass. */
		wrong += is_wrong(!flush_rkprobes(), operation, nth, "no flush");
		good = kind == DISABLE || kind == UNREGISTER ? is_as_before(operation) :
							       is_whole(operation);
		wrong += is_wrong(good, operation, nth, "other text than with memory");
		if (kind != UNREGISTER)
			unregister_rkprobes(some, operation->count);
		/* Slots and memory of the sites are freed, so the next repetition allocates them again. */
		wrong += is_wrong(!flush_rkprobes(), operation, nth, "no flush at the end");
		wrong += is_wrong(is_as_before(operation), operation, nth, "something is left");
	}
	wrong += is_wrong(!was_failed, operation, nth, "its allocations have no end");
	rktest_print("%u %u %u\n", failed, survived, wrong);
	return 0;
}

static int rktest_run(int argc, char **argv)
{
	unsigned int i;

	if (argc != 2 || strcmp(argv[0], "fail"))
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(operations); i++) {
		if (!strcmp(argv[1], operations[i].name))
			return fail(&operations[i]);
	}
	return -EINVAL;
}

static int __init fail_init(void)
{
	return 0;
}

static void __exit fail_exit(void)
{
}

module_init(fail_init);
module_exit(fail_exit);
MODULE_DESCRIPTION("Allocations that fail, for the rkprobes tests");
MODULE_LICENSE("GPL");
