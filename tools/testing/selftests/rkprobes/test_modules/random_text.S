/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Function N returns (3 * (x + 1) + N + 1000) ^ x. Its first instructions are 3, 4
 * and 8 bytes long. A jump at the first instruction covers two of them.
 */
#include <linux/linkage.h>
#include "random.h"

	.altmacro
	.macro FUNCTION n
	.p2align 4
	.globl	rktest_random_\n
	.type	rktest_random_\n, @function
rktest_random_\n:
	ENDBR
	movq	%rdi, %rax
	addq	$1, %rax
	leaq	1000 + \n(%rax,%rax,2), %rax
	xorq	%rdi, %rax
	RET
	.size	rktest_random_\n, . - rktest_random_\n
	.pushsection .rodata
	.quad	rktest_random_\n
	.popsection
	.endm

	.pushsection .rodata
	.p2align 3
	.globl	rktest_random_table
rktest_random_table:
	.popsection

	.text
	.p2align 4
	.globl	rktest_random_text
rktest_random_text:
	.set	number, 0
	.rept	FUNCTIONS
	FUNCTION %number
	.set	number, number + 1
	.endr
	.globl	rktest_random_text_end
rktest_random_text_end:
