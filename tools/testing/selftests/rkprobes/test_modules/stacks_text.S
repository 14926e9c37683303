/* SPDX-License-Identifier: GPL-2.0 */
/* A function with instructions of one byte that change the stack pointer, where probes are put. */
#include <linux/linkage.h>

	.text

/* Returns x + 1. */
SYM_FUNC_START(rktest_stacks_target)
	ENDBR
.Lpush:	pushq	%rbx
	movq	%rdi, %rbx
	leaq	1(%rbx), %rax
.Lpop:	popq	%rbx
	movq	%rax, %rdi
	movq	%rdi, %rax
.Lret:	RET
	.nops	8
SYM_FUNC_END(rktest_stacks_target)

	.section .rodata
SYM_DATA_START(rktest_stacks_places)
	.quad	.Lpush - rktest_stacks_target
	.quad	.Lpop - rktest_stacks_target
	.quad	.Lret - rktest_stacks_target
SYM_DATA_END(rktest_stacks_places)
