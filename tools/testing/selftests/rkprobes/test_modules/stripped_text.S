/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two functions with entries of the function tracer under one symbol, as they
 * are in a module whose local symbols were stripped.
 */
#include <linux/linkage.h>

	.text
SYM_FUNC_START(rktest_stripped_first)
.Lfirst_traced:
	call	__fentry__
	testq	%rdi, %rdi		/* what calls it never has less than 0 */
	js	.Lsecond
	leaq	1(%rdi), %rax
	RET
	.balign	16, 0x90
.Lsecond:
	ENDBR
.Lsecond_traced:
	call	__fentry__
	leaq	2(%rdi), %rax
	RET
SYM_FUNC_END(rktest_stripped_first)

	.section __mcount_loc, "a"
	.balign	8
	.quad	rktest_stripped_first + (.Lfirst_traced - rktest_stripped_first)
	.quad	.Lsecond_traced

	.section .rodata
SYM_DATA_START(rktest_stripped_second)
	.quad	.Lsecond
SYM_DATA_END(rktest_stripped_second)
SYM_DATA_START(rktest_stripped_entry)
	.quad	.Lsecond_traced - rktest_stripped_first
SYM_DATA_END(rktest_stripped_entry)
