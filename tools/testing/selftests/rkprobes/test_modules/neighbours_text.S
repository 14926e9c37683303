/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Instructions that native kprobes emulate, at known offsets, and a caller that
 * survives a wrong emulation.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/nospec-branch.h>

	.text

/* unsigned long rktest_loop(unsigned long n): n, counted by the LOOP at +8. */
SYM_FUNC_START(rktest_loop)
	xorl	%eax, %eax		/* +0 */
	movq	%rdi, %rcx		/* +2 */
1:	incq	%rax			/* +5 */
	loop	1b			/* +8 */
	RET				/* +10 */
SYM_FUNC_END(rktest_loop)

/* Takes 16 bytes of arguments off the stack, by the RET $16 at +1. */
SYM_FUNC_START(rktest_ret_imm)
	nop				/* +0 */
	ANNOTATE_UNRET_SAFE
	ret	$16			/* +1 */
SYM_FUNC_END(rktest_ret_imm)

/*
 * long rktest_call_ret_imm(void): the difference between the stack pointer after that
 * call and the right one.
 */
SYM_FUNC_START(rktest_call_ret_imm)
	pushq	%rbp
	movq	%rsp, %rbp
	subq	$16, %rsp
	call	rktest_ret_imm
	movq	%rsp, %rax
	subq	%rbp, %rax
	movq	%rbp, %rsp
	popq	%rbp
	RET
SYM_FUNC_END(rktest_call_ret_imm)
STACK_FRAME_NON_STANDARD rktest_ret_imm
STACK_FRAME_NON_STANDARD rktest_call_ret_imm
