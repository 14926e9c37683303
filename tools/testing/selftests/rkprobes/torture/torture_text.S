/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions that are called and probed. They are alike and at equal distances.
 * Each has its own name, so that native kprobes can be registered on it, too.
 */
#include <linux/linkage.h>
#include "torture.h"

#if CONFIG_FUNCTION_ALIGNMENT > TORTURE_DISTANCE
#error the functions are not at equal distances
#endif

.macro TORTURE_FUNCTION number:req
	.balign	TORTURE_DISTANCE, 0xcc
	SYM_START(rktorture_\number, SYM_L_GLOBAL)
	ENDBR
	movq	%rdi, %rax		/* TORTURE_FIRST */
	addq	$1, %rax		/* + 3 */
	leaq	3(%rax), %rax		/* + 7 */
	imulq	$3, %rax, %rax		/* + 11 */
	testq	%rdi, %rdi		/* + 15 */
	je	1f			/* + 18 */
	addq	$2, %rax		/* + 20 */
1:	xorq	$0x55, %rax		/* + 24 */
	RET
	SYM_FUNC_END(rktorture_\number)
.endm

	.text
	.balign	TORTURE_DISTANCE, 0xcc
	.globl	rktorture_functions
rktorture_functions:
	.set	number, 0
	.rept	TORTURE_FUNCTIONS
	.altmacro
	TORTURE_FUNCTION %number
	.noaltmacro
	.set	number, number + 1
	.endr
