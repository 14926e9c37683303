/* SPDX-License-Identifier: GPL-2.0 */
/* The call of a pre_handler at an int3, with a stack that unwinders read right. */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/nospec-branch.h>
#include <asm/unwind_hints.h>

/*
 * int rk_call_pre_handler(probe, regs, handler)
 *
 * At an int3 regs->ip is the probed address + 1. The unwinder takes the ip of an
 * exception for the next instruction. If the probed instruction is a push, a pop
 * or a return of one byte, the unwinder then expects another stack. So this frame
 * says that it is followed by the registers of the int3, and that their ip is the
 * end of what was executed.
 */
	.section .kprobes.text, "ax"
SYM_CODE_START(rk_call_pre_handler)
	UNWIND_HINT_FUNC
	ANNOTATE_NOENDBR
	pushq	%rbp
	movq	%rsi, %rbp
	UNWIND_HINT_REGS base=%rbp signal=0
	CALL_NOSPEC rdx
	popq	%rbp
	UNWIND_HINT_FUNC
	RET
SYM_CODE_END(rk_call_pre_handler)
