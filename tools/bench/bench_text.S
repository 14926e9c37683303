/* SPDX-License-Identifier: GPL-2.0 */
/* The functions that the measurements of hits probe. */
#include <linux/linkage.h>
#include <asm/asm.h>

	.text

/* long bench_jump(long x): a probe on its first instruction can become a jump. */
SYM_FUNC_START(bench_jump)
	ENDBR
	movq	%rdi, %rax
	addq	$1, %rax
	nop
	nop
	RET
SYM_FUNC_END(bench_jump)

/*
 * long bench_int3(long x): the instructions of bench_jump(), and a branch that is
 * never taken. It goes to the second instruction, so a probe on the first
 * instruction cannot become a jump.
 */
SYM_FUNC_START(bench_int3)
	ENDBR
	movq	%rdi, %rax
1:	addq	$1, %rax
	jo	1b
	nop
	RET
SYM_FUNC_END(bench_int3)
