/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions in which the kernel does not see everything for a native kprobe while a
 * probe of ours is there. T is the target of a branch. K is a native kprobe whose
 * jump would have T inside. The functions are called directly only, so they need no
 * ENDBR.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/nospec-branch.h>

	.text

/* unsigned long rktest_none(unsigned long n): 3. No branch goes into it. */
SYM_FUNC_START(rktest_none)
	xorl	%eax, %eax		/* +0 */
	addl	$1, %eax		/* +2 */
	addl	$2, %eax		/* +5 */
	RET				/* +8 */
SYM_FUNC_END(rktest_none)
STACK_FRAME_NON_STANDARD rktest_none

/*
 * unsigned long rktest_region(unsigned long n): 3 for 0, else 7. The branch is in the
 * region +2 to +6.
 */
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

/*
 * unsigned long rktest_branch(unsigned long n): 1 + 2 * n for n > 0. The branch is at
 * +11. Its second byte is a CLC.
 */
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
 * unsigned long rktest_swallowed(unsigned long n): 1 + 2 * n for n > 0. After an
 * int3 at +11 the operand of MOV looks like an instruction with a displacement of
 * four bytes, which hides the branch.
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
 * unsigned long rktest_boundary(unsigned long n): 0x90900000. After a jump at +0 the
 * operand of the first MOV looks like an ADD up to +10, and the operand of the
 * second MOV like two NOPs at +11 and +12, which are after the region.
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
