/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions in which native kprobes do not see everything while one of ours is
 * there. T is where a branch goes, K a native kprobe whose jump would have T
 * inside. They are called directly only, so there need not be an ENDBR.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/nospec-branch.h>

	.text

/* unsigned long rktest_none(unsigned long n): 3, and nothing goes to its inside */
SYM_FUNC_START(rktest_none)
	xorl	%eax, %eax		/* +0 */
	addl	$1, %eax		/* +2 */
	addl	$2, %eax		/* +5 */
	RET				/* +8 */
SYM_FUNC_END(rktest_none)
STACK_FRAME_NON_STANDARD rktest_none

/* unsigned long rktest_region(unsigned long n): 3 for 0, else 7; the branch is in the region +2 to +6 */
SYM_FUNC_START(rktest_region)
	xorl	%eax, %eax		/* +0 */
	testq	%rdi, %rdi		/* +2 */
	jz	1f			/* +5 */
	addl	$4, %eax		/* +7: K */
1:	addl	$1, %eax		/* +10: T */
	addl	$2, %eax		/* +13 */
	RET				/* +16 */
SYM_FUNC_END(rktest_region)
STACK_FRAME_NON_STANDARD rktest_region

/* unsigned long rktest_branch(unsigned long n): 1 + 2 * n for n > 0; the branch is at +11, one byte behind it is clc */
SYM_FUNC_START(rktest_branch)
	xorl	%eax, %eax		/* +0 */
	addl	$1, %eax		/* +2: K */
1:	addl	$2, %eax		/* +5: T */
	decq	%rdi			/* +8 */
	jnz	1b			/* +11 */
	RET				/* +13 */
SYM_FUNC_END(rktest_branch)
STACK_FRAME_NON_STANDARD rktest_branch

/*
 * The same. Behind an int3 at +11 the operand of MOV is an ADD with a
 * displacement of four bytes, which has the branch.
 */
SYM_FUNC_START(rktest_swallowed)
	xorl	%eax, %eax		/* +0 */
	addl	$1, %eax		/* +2: K */
1:	addl	$2, %eax		/* +5: T */
	decq	%rdi			/* +8 */
	movl	$0x3d000000, %ecx	/* +11 */
	jnz	1b			/* +16 */
	nop				/* +18 */
	nop				/* +19 */
	RET				/* +20 */
SYM_FUNC_END(rktest_swallowed)
STACK_FRAME_NON_STANDARD rktest_swallowed

/*
 * unsigned long rktest_boundary(unsigned long n): 0x90900000. Behind a jump at +0
 * the operand of the first MOV is an ADD up to +10, and that of the other
 * two NOPs at +11 and +12, which is behind the region.
 */
SYM_FUNC_START(rktest_boundary)
	nop				/* +0 */
	nop				/* +1 */
	nop				/* +2 */
	movl	$0x00c18100, %ecx	/* +3 */
	movl	$0x90900000, %eax	/* +8 */
	RET				/* +13 */
SYM_FUNC_END(rktest_boundary)
STACK_FRAME_NON_STANDARD rktest_boundary
