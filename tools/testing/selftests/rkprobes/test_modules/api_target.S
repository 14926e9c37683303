/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the C API is tested on: functions without an ftrace entry, whose
 * instructions are at known offsets.
 */
#include <linux/linkage.h>

	.text

/* long rktest_api_target(long x): x + 1, all in one jump's reach */
SYM_FUNC_START(rktest_api_target)
	ENDBR
	movq	%rdi, %rax		/* at RKTEST_FIRST behind the ENDBR */
	addq	$1, %rax
	nop
	nop
	RET
SYM_FUNC_END(rktest_api_target)

/* The same, called by a handler. */
SYM_FUNC_START(rktest_api_inner)
	ENDBR
	movq	%rdi, %rax
	addq	$1, %rax
	nop
	nop
	RET
SYM_FUNC_END(rktest_api_inner)
