/* SPDX-License-Identifier: GPL-2.0 */
/* Functions of the victim with instructions at known offsets. */
#include <linux/init.h>
#include <linux/linkage.h>
#include <linux/objtool.h>

	.text

/* unsigned long rktest_victim_work(unsigned long x): (x * 3 + 0x123456) ^ 0x55 */
SYM_FUNC_START(rktest_victim_work)
	ANNOTATE_NOENDBR
	leaq	(%rdi,%rdi,2), %rax	/* +0 */
	addq	$0x123456, %rax		/* +4 */
	xorq	$0x55, %rax		/* +10 */
	RET				/* +14 */
SYM_FUNC_END(rktest_victim_work)

/* unsigned long rktest_victim_pushed(unsigned long x): x * 3 + 0x123456 */
SYM_FUNC_START(rktest_victim_pushed)
	ANNOTATE_NOENDBR
	pushq	%rbx			/* +0 */
	leaq	(%rdi,%rdi,2), %rbx	/* +1: the stack is not that of the instruction before */
	leaq	0x123456(%rbx), %rax	/* +5 */
	popq	%rbx
	RET
SYM_FUNC_END(rktest_victim_pushed)

/* Many instructions: what is done for each of them takes long. It is never called. */
SYM_FUNC_START(rktest_victim_long)
	ANNOTATE_NOENDBR
	.fill	100000, 1, 0x90
	RET
SYM_FUNC_END(rktest_victim_long)

	__INIT

/* unsigned long rktest_victim_start(unsigned long x): x * 5 + 0x654321 */
SYM_FUNC_START(rktest_victim_start)
	ANNOTATE_NOENDBR
	leaq	(%rdi,%rdi,4), %rax	/* +0 */
	addq	$0x654321, %rax		/* +4 */
	RET
SYM_FUNC_END(rktest_victim_start)
