/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions that the tests of the C API probe. They have no ftrace entry, and
 * their instructions are at known offsets.
 */
#include <linux/linkage.h>

	.text

/* long rktest_api_target(long x): x + 1. A jump at MOV covers all of it. */
SYM_FUNC_START(rktest_api_target)
	ENDBR
	movq	%rdi, %rax		/* at FIRST, after the ENDBR */
	addq	$1, %rax
	nop
	nop
	RET
SYM_FUNC_END(rktest_api_target)

/* A copy of rktest_api_target(), which a handler calls. */
SYM_FUNC_START(rktest_api_inner)
	ENDBR
	movq	%rdi, %rax
	addq	$1, %rax
	nop
	nop
	RET
SYM_FUNC_END(rktest_api_inner)
