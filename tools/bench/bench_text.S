/* SPDX-License-Identifier: GPL-2.0 */
/* What is probed by the measurements of hits. */
#include <linux/linkage.h>
#include <asm/asm.h>

	.text

/* long bench_jump(long x): a probe on its first instruction can be a jump. */
SYM_FUNC_START(bench_jump)
	ENDBR
	movq	%rdi, %rax
	addq	$1, %rax
	nop
	nop
	RET
SYM_FUNC_END(bench_jump)

/*
 * long bench_int3(long x): the same instructions, and a branch that is never
 * taken to behind the first keeps a probe there from becoming a jump.
 */
SYM_FUNC_START(bench_int3)
	ENDBR
	movq	%rdi, %rax
1:	addq	$1, %rax
	jo	1b
	nop
	RET
SYM_FUNC_END(bench_int3)
