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

/* unsigned long rktest_victim_loop(unsigned long n): n * 3 + 0x123456. Three blocks. */
SYM_FUNC_START(rktest_victim_loop)
	ANNOTATE_NOENDBR
	xorl	%eax, %eax		/* +0 */
	testq	%rdi, %rdi		/* +2 */
	je	2f			/* +5 */
1:	addq	$3, %rax		/* +7: once for each of n */
	decq	%rdi			/* +11 */
	jne	1b			/* +14 */
2:	addq	$0x123456, %rax		/* +16 */
	RET				/* +22 */
SYM_FUNC_END(rktest_victim_loop)

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
