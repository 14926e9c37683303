/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions without an ftrace entry that are hit in every context. Each takes long x
 * and returns x + 1.
 */
#include <linux/linkage.h>

	.text

.macro PLUS_ONE name
SYM_FUNC_START(\name)
	ENDBR
	movq	%rdi, %rax
	addq	$1, %rax
	nop
	RET
SYM_FUNC_END(\name)
.endm

/* Returns x + 1. User memory may be accessed in it: the flag AC is set. */
SYM_FUNC_START(rktest_context_user)
	ENDBR
	stac
	movq	%rdi, %rax		/* +3, after the ENDBR */
	addq	$1, %rax
	clac
	RET
SYM_FUNC_END(rktest_context_user)

PLUS_ONE rktest_context_target
PLUS_ONE rktest_context_outer
PLUS_ONE rktest_context_inner
