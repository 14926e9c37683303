/* SPDX-License-Identifier: GPL-2.0 */
/* A function of a livepatch with an operand that is relocated when the patched module is loaded. */
#include <linux/linkage.h>

	.text

/* Returns the address of rktest_live_inner(), or its own address + 7 while that is not loaded. */
SYM_FUNC_START(rktest_live_late)
	ENDBR
.Linsn:
	leaq	0(%rip), %rax
.Lend:
	nop
	RET
SYM_FUNC_END(rktest_live_late)

	.section .rodata
	.balign 8
/* Where the instruction begins in the function, and where it ends. */
SYM_DATA(rktest_live_late_insn, .quad .Linsn - rktest_live_late)
SYM_DATA(rktest_live_late_end, .quad .Lend - rktest_live_late)
/* The name of the label is that of a symbol as tools for livepatches write it: the module and the symbol in it. */
".klp.sym.rktest_live.rktest_live_inner,0":
	.byte	0
