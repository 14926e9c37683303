// SPDX-License-Identifier: GPL-2.0
/*
 * A module that is loaded and unloaded with probes in it. It has an instruction of
 * each kind that the kernel reserves. Commands:
 *
 *   call N         N calls of rktest_victim_work(), prints the sum of their results
 *   trace N        N calls of rktest_victim_traced(), which has an ftrace entry
 *   push N         N calls of rktest_victim_pushed(), whose first instruction is a push
 *   loop N         one call of rktest_victim_loop(N), prints its result
 *   address KIND   prints the address of the jump label, static call, BUG entry,
 *                  exception-table entry or data of the module
 *
 * With hold=1 the module's init function waits until "release" is written, so
 * that its own text, which is freed afterwards, can be probed. With fail=1 the init
 * function returns an error at its end.
 */
#include <linux/bug.h>
#include <linux/delay.h>
#include <linux/extable.h>
#include <linux/jump_label.h>
#include <linux/static_call.h>
#include <asm/asm.h>
#include <asm/extable.h>
#include "rktest.h"

unsigned long rktest_victim_work(unsigned long x);
unsigned long rktest_victim_pushed(unsigned long x);
unsigned long rktest_victim_loop(unsigned long n);
unsigned long rktest_victim_start(unsigned long x);

static int hold;
module_param(hold, int, 0400);
MODULE_PARM_DESC(hold, "wait in the init function for \"release\"");

static int release;
module_param(release, int, 0600);
MODULE_PARM_DESC(release, "write 1: let the init function go on");

static int fail;
module_param(fail, int, 0400);
MODULE_PARM_DESC(fail, "return an error from the init function");

static unsigned long init_result;
module_param(init_result, ulong, 0400);
MODULE_PARM_DESC(init_result, "what rktest_victim_start() returned");

static DEFINE_STATIC_KEY_FALSE(key);
static noinline long called_statically(void)
{
	return 1;
}
DEFINE_STATIC_CALL(rktest_victim_call, called_statically);

static noinline long rktest_victim_traced(long x)
{
	OPTIMIZER_HIDE_VAR(x);
	if (static_branch_unlikely(&key))
		x++;
	if (WARN_ON_ONCE(x < 0))
		return x;
	asm volatile("1:	movq	%1, %0\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "=r" (x) : "m" (init_result));
	return x + static_call(rktest_victim_call)();
}

static void *address_of(const char *kind)
{
	if (!strcmp(kind, "jump_label") && THIS_MODULE->num_jump_entries)
		return (void *)jump_entry_code(&THIS_MODULE->jump_entries[0]);
	if (!strcmp(kind, "static_call") && THIS_MODULE->num_static_call_sites) {
		struct static_call_site *site = THIS_MODULE->static_call_sites;

		return (void *)&site->addr + site->addr;
	}
	if (!strcmp(kind, "bug") && THIS_MODULE->num_bugs) {
		struct bug_entry *bug = THIS_MODULE->bug_table;

		return (void *)&bug->bug_addr_disp + bug->bug_addr_disp;
	}
	if (!strcmp(kind, "extable") && THIS_MODULE->num_exentries) {
		struct exception_table_entry *entry = THIS_MODULE->extable;

		return (void *)&entry->insn + entry->insn;
	}
	if (!strcmp(kind, "data"))
		return &init_result;
	return NULL;
}

static int rktest_run(int argc, char **argv)
{
	unsigned long count, i, sum = 0;
	bool calls, pushes;
	void *address;

	if (rktest_is(argc, argv, "address", 1)) {
		address = address_of(argv[1]);
		rktest_print("0x%lx\n", (unsigned long)address);
		return address ? 0 : -ENOENT;
	}
	if (argc != 2 || kstrtoul(argv[1], 0, &count))
		return -EINVAL;
	if (!strcmp(argv[0], "loop")) {
		rktest_print("%lu\n", rktest_victim_loop(count));
		return 0;
	}
	calls = !strcmp(argv[0], "call");
	pushes = !strcmp(argv[0], "push");
	if (!calls && !pushes && strcmp(argv[0], "trace"))
		return -EINVAL;
	for (i = 0; i < count; i++)
		sum += calls ? rktest_victim_work(i) :
		       pushes ? rktest_victim_pushed(i) : rktest_victim_traced(i);
	rktest_print("%lu\n", sum);
	return 0;
}

static int __init victim_init(void)
{
	while (hold && !READ_ONCE(release)) {
		if (msleep_interruptible(10))
			return -EINTR;
	}
	init_result = rktest_victim_start(1);
	if (!fail)
		return 0;
	pr_info("rktest_victim: the init function fails\n");
	return -ENODEV;
}

static void __exit victim_exit(void)
{
}

module_init(victim_init);
module_exit(victim_exit);
MODULE_DESCRIPTION("A module to be unloaded with probes in it, for the rkprobes tests");
MODULE_LICENSE("GPL");
