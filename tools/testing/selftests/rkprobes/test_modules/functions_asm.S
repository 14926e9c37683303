/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions to be probed at each instruction. Together they have every class of
 * instruction that a probe must execute elsewhere or emulate.
 *
 * On entry rsi points to 256 bytes of memory and rdi to their middle. The caller
 * chooses the other registers and the status flags. The function may change all
 * registers except rsp. It may leave no stack address in a register, because the
 * results of calls are compared.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/nospec-branch.h>
#include "functions.h"

/* One instruction that can be probed. Its offset is recorded. */
#define I(...)								\
	771: .pushsection .rodata.rktest_boundaries, "a";		\
	.long 771b - 770b;						\
	.popsection;							\
	__VA_ARGS__

.macro LOAD_STATE
	pushq	STATE_FLAGS(%rdi)
	movq	0(%rdi), %rax
	movq	8(%rdi), %rcx
	movq	16(%rdi), %rdx
	movq	24(%rdi), %rbx
	movq	32(%rdi), %rbp
	movq	40(%rdi), %rsi
	movq	56(%rdi), %r8
	movq	64(%rdi), %r9
	movq	72(%rdi), %r10
	movq	80(%rdi), %r11
	movq	88(%rdi), %r12
	movq	96(%rdi), %r13
	movq	104(%rdi), %r14
	movq	112(%rdi), %r15
	movq	48(%rdi), %rdi
	popfq
.endm

/* Takes the address of the state from the top of the stack. */
.macro STORE_STATE
	pushfq
	pushq	%rdi
	movq	16(%rsp), %rdi
	movq	%rax, 0(%rdi)
	movq	%rcx, 8(%rdi)
	movq	%rdx, 16(%rdi)
	movq	%rbx, 24(%rdi)
	movq	%rbp, 32(%rdi)
	movq	%rsi, 40(%rdi)
	movq	%r8, 56(%rdi)
	movq	%r9, 64(%rdi)
	movq	%r10, 72(%rdi)
	movq	%r11, 80(%rdi)
	movq	%r12, 88(%rdi)
	movq	%r13, 96(%rdi)
	movq	%r14, 104(%rdi)
	movq	%r15, 112(%rdi)
	popq	%rax
	movq	%rax, 48(%rdi)
	popq	%rax
	movq	%rax, STATE_FLAGS(%rdi)
	cld
	popq	%rdi
.endm

.macro FUNCTION name:req
	.pushsection .rodata.rktest_boundaries, "a"
.Lboundaries_\name:
	.popsection
	SYM_FUNC_START_LOCAL(rktest_run_\name)
	ENDBR
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushq	%rdi
	LOAD_STATE
	call	rktest_\name
	STORE_STATE
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	RET
	SYM_FUNC_END(rktest_run_\name)
	STACK_FRAME_NON_STANDARD rktest_run_\name

	/* The function is called directly only, so it needs no ENDBR. */
	SYM_START(rktest_\name, SYM_L_LOCAL, SYM_A_ALIGN)
770:
.endm

.macro FUNCTION_END name:req
.Lend_\name:
	int3
	SYM_FUNC_END(rktest_\name)
	STACK_FRAME_NON_STANDARD rktest_\name
	.pushsection .rodata.rktest_strings, "a"
.Lname_\name:
	.asciz	"\name"
	.popsection
	.pushsection .rodata.rktest_boundaries, "a"
.Lboundaries_end_\name:
	.popsection
	.pushsection .rodata.rktest_table, "a"
	.quad	.Lname_\name
	.quad	rktest_run_\name
	.quad	.Lboundaries_\name
	.long	rktest_\name - rktest_run_\name
	.long	.Lend_\name - rktest_\name
	.long	(.Lboundaries_end_\name - .Lboundaries_\name) / 4
	.long	0
	.popsection
.endm

	.pushsection .rodata.rktest_table, "a"
	.balign	8
	.globl	rktest_table
rktest_table:
	.popsection

	.pushsection .data
	.balign	16
SYM_DATA_START_LOCAL(rktest_data)
	.quad	0x1122334455667788, 0x99aabbccddeeff00
	.quad	0x0f1e2d3c4b5a6978, 0x8796a5b4c3d2e1f0
SYM_DATA_END(rktest_data)
SYM_DATA_START_LOCAL(rktest_scratch)
	.quad	0
SYM_DATA_END(rktest_scratch)
	/* For XLAT. */
SYM_DATA_START_LOCAL(rktest_translation)
	.set	value, 0
	.rept	256
	.byte	(value * 7 + 3) & 0xff
	.set	value, value + 1
	.endr
SYM_DATA_END(rktest_translation)
	.popsection

	.text

/* The functions below call this one. It changes rax in a known way and keeps the flags. */
SYM_FUNC_START_LOCAL(rktest_leaf)
	leaq	0x1234(%rax), %rax
	RET
SYM_FUNC_END(rktest_leaf)

/* A copy of it that is called through a register. */
SYM_FUNC_START_LOCAL(rktest_indirect_leaf)
	ENDBR
	leaq	0x4321(%rax), %rax
	RET
SYM_FUNC_END(rktest_indirect_leaf)

FUNCTION alu
	I(addb	$0x11, %al)
	I(addl	$0x12345678, %eax)
	I(adcq	%rbx, %rax)
	I(subw	$0x1234, %cx)
	I(sbbq	$-5, %rdx)
	I(andq	$0x7fffffff, %r8)
	I(orl	%r9d, %r10d)
	I(xorb	%ah, %bl)
	I(cmpq	%r11, %r12)
	I(adcb	$0, %r13b)
	I(testl	$0x10, %eax)
	I(incq	%r14)
	I(decl	%r15d)
	I(negq	%rbp)
	I(notb	%dl)
	I(addq	%rax, 8(%rsi))
	I(subl	$0x01020304, 16(%rsi))
	I(xorw	$0x0102, 24(%rsi))
	I(andb	$0xf0, 0x40(%rsi))
	I(cmpb	$0x10, (%rdi))
	I(sbbq	0x20(%rdi), %rcx)
	I(orq	%rcx, -0x30(%rdi))
	I(RET)
FUNCTION_END alu

FUNCTION mov
	I(movq	%rbx, %rax)
	I(movb	%ah, %dh)
	I(movl	$0x89abcdef, %ecx)
	I(movq	$-0x12345678, %rdx)
	I(movabsq $0x123456789abcdef0, %r8)
	I(movabsq rktest_data, %rax)
	I(movq	%rax, %r9)
	I(movw	%r9w, 2(%rsi))
	I(movl	$0x0a0b0c0d, 32(%rdi))
	I(movl	$17, %ebx)
	I(movb	$0x5a, 5(%rsi,%rbx,4))
	I(movq	(%rdi,%rbx), %r10)
	I(movzbl %r10b, %r11d)
	I(movzwl 3(%rsi), %r12d)
	I(movsbq %r9b, %r13)
	I(movswl %r9w, %r14d)
	I(movslq %r10d, %r15)
	I(movl	%ds, %ebp)
	I(movw	%cs, 6(%rsi))
	I(bswapq %r13)
	I(RET)
FUNCTION_END mov

FUNCTION rip
	I(movq	rktest_data(%rip), %rax)
	I(leaq	rktest_data(%rip), %rbx)
	I(movl	%ecx, rktest_scratch(%rip))
	I(addl	rktest_scratch(%rip), %edx)
	I(cmpl	$0x55667788, rktest_data(%rip))
	I(sete	%r8b)
	I(movq	$0x11223344, rktest_scratch(%rip))
	I(incl	rktest_scratch(%rip))
	I(movb	$0x77, rktest_scratch+5(%rip))
	I(testb	$0x08, rktest_data(%rip))
	I(movswq rktest_data+2(%rip), %r9)
	I(pushq	rktest_data+8(%rip))
	I(popq	%r10)
	I(imull	$0x101, rktest_data+4(%rip), %r11d)
	I(xchgq	%r12, rktest_scratch(%rip))
	I(bswap	%r12)
	I(btl	$3, rktest_data+8(%rip))
	I(adcq	rktest_data+16(%rip), %r13)
	I(cmovcq rktest_data+24(%rip), %r14)
	I(leal	rktest_data(%rip), %r15d)
	I(RET)
FUNCTION_END rip

FUNCTION stack
	I(pushq	%rax)
	I(pushq	%r12)
	I(pushq	$0x12)
	I(pushq	$0x12345678)
	I(pushq	8(%rsi))
	I(popq	%rbx)
	I(popq	16(%rsi))
	I(popq	%r13)
	I(popq	%rcx)
	I(popq	%r8)
	I(pushw	%dx)
	I(pushw	$0x1234)
	I(popw	%r9w)
	I(popw	%r10w)
	I(pushq	%rbp)
	I(movq	%rsp, %rbp)
	I(subq	$32, %rsp)
	I(movq	%rdx, 8(%rsp))
	I(movq	-24(%rbp), %r11)
	I(leave)
	I(pushq	%rbp)
	I(enter	$16, $0)
	I(movq	%r11, (%rsp))
	I(addq	(%rsp), %r14)
	I(leave)
	I(popq	%r15)
	I(pushq	%rsp)
	I(popq	%rax)
	I(subq	%rsp, %rax)
	I(RET)
FUNCTION_END stack

FUNCTION flags
	I(pushfq)
	I(popq	%rax)
	I(stc)
	I(pushfq)
	I(popq	%rbx)
	I(cmc)
	I(lahf)
	I(movb	%ah, %cl)
	I(pushq	$0xad7)
	I(andq	$0x8d5, (%rsp))
	I(orq	$0x202, (%rsp))
	I(popfq)
	I(pushfq)
	I(popq	%rdx)
	I(std)
	I(pushfq)
	I(popq	%r8)
	I(cld)
	I(movb	$0xd5, %ah)
	I(sahf)
	I(clc)
	I(setp	%r9b)
	I(RET)
FUNCTION_END flags

FUNCTION irq
	I(cli)
	I(pushfq)
	I(popq	%rax)
	I(addl	%ecx, %edx)
	I(sti)
	I(nop)
	I(pushfq)
	I(popq	%rbx)
	I(pushq	%rbx)
	I(cli)
	I(leaq	1(%rdx), %rdx)
	I(popfq)
	I(pushfq)
	I(popq	%rcx)
	I(RET)
FUNCTION_END irq

FUNCTION jcc_short
	I(movl	$0, %eax)
	I(jo	1f)
	I(leal	0x1(%rax), %eax)
1:
	I(jno	1f)
	I(leal	0x2(%rax), %eax)
1:
	I(jb	1f)
	I(leal	0x4(%rax), %eax)
1:
	I(jae	1f)
	I(leal	0x8(%rax), %eax)
1:
	I(je	1f)
	I(leal	0x10(%rax), %eax)
1:
	I(jne	1f)
	I(leal	0x20(%rax), %eax)
1:
	I(jbe	1f)
	I(leal	0x40(%rax), %eax)
1:
	I(ja	1f)
	I(leal	0x80(%rax), %eax)
1:
	I(js	1f)
	I(leal	0x100(%rax), %eax)
1:
	I(jns	1f)
	I(leal	0x200(%rax), %eax)
1:
	I(jp	1f)
	I(leal	0x400(%rax), %eax)
1:
	I(jnp	1f)
	I(leal	0x800(%rax), %eax)
1:
	I(jl	1f)
	I(leal	0x1000(%rax), %eax)
1:
	I(jge	1f)
	I(leal	0x2000(%rax), %eax)
1:
	I(jle	1f)
	I(leal	0x4000(%rax), %eax)
1:
	I(jg	1f)
	I(leal	0x8000(%rax), %eax)
1:
	I(RET)
FUNCTION_END jcc_short

FUNCTION jcc_near
	I(movl	$0, %eax)
	I({disp32} jo	1f)
	I(leal	0x1(%rax), %eax)
1:
	I({disp32} jno	1f)
	I(leal	0x2(%rax), %eax)
1:
	I({disp32} jb	1f)
	I(leal	0x4(%rax), %eax)
1:
	I({disp32} jae	1f)
	I(leal	0x8(%rax), %eax)
1:
	I({disp32} je	1f)
	I(leal	0x10(%rax), %eax)
1:
	I({disp32} jne	1f)
	I(leal	0x20(%rax), %eax)
1:
	I({disp32} jbe	1f)
	I(leal	0x40(%rax), %eax)
1:
	I({disp32} ja	1f)
	I(leal	0x80(%rax), %eax)
1:
	I({disp32} js	1f)
	I(leal	0x100(%rax), %eax)
1:
	I({disp32} jns	1f)
	I(leal	0x200(%rax), %eax)
1:
	I({disp32} jp	1f)
	I(leal	0x400(%rax), %eax)
1:
	I({disp32} jnp	1f)
	I(leal	0x800(%rax), %eax)
1:
	I({disp32} jl	1f)
	I(leal	0x1000(%rax), %eax)
1:
	I({disp32} jge	1f)
	I(leal	0x2000(%rax), %eax)
1:
	I({disp32} jle	1f)
	I(leal	0x4000(%rax), %eax)
1:
	I({disp32} jg	1f)
	I(leal	0x8000(%rax), %eax)
1:
	I(RET)
FUNCTION_END jcc_near

FUNCTION jmp
	I(movl	$1, %eax)
	I(jmp	1f)
	I(movl	$0xbad, %eax)
2:
	I(leal	4(%rax), %eax)
	I({disp32} jmp 3f)
	I(movl	$0xbad, %eax)
1:
	I(leal	2(%rax), %eax)
	I(jmp	2b)
	I(movl	$0xbad, %eax)
4:
	I(leal	16(%rax), %eax)
	I(RET)
3:
	I(leal	8(%rax), %eax)
	I({disp32} jmp 4b)
FUNCTION_END jmp

FUNCTION call
	I(call	rktest_leaf)
	I(movq	%rax, %rbx)
	I(call	rktest_leaf)
	I(call	1f)
	I(addq	$0x1111, %rax)
	I(pushq	%rax)
	I(pushq	%rbx)
	I(call	2f)
	I(movq	%rsp, %rdx)
	I(subq	%rsp, %rdx)
	I(jmp	3f)
1:
	I(movq	(%rsp), %rcx)
	I(leaq	0x77(%rax), %rax)
	ANNOTATE_RETPOLINE_SAFE
	I(ret)
	int3
2:
	I(movq	8(%rsp), %r8)
	I(movq	16(%rsp), %r9)
	ANNOTATE_RETPOLINE_SAFE
	I(ret	$16)
	int3
3:
	I(call	4f)
4:
	I(popq	%r10)
	I(leaq	4b(%rip), %r11)
	I(subq	%r10, %r11)
	ANNOTATE_RETPOLINE_SAFE
	I(ret)
FUNCTION_END call

FUNCTION loop
	I(movl	$3, %ecx)
	I(xorl	%eax, %eax)
1:
	I(leal	1(%rax), %eax)
	I(loop	1b)
	I(movl	$5, %ecx)
2:
	I(leal	0x100(%rax), %eax)
	I(cmpl	$0x303, %eax)
	I(loopne 2b)
	I(movq	%rcx, %rdx)
	I(movl	$4, %ecx)
3:
	I(leal	0x10000(%rax), %eax)
	I(testl	%eax, %eax)
	I(loope	3b)
	I(movq	%rcx, %rbx)
	I(movabsq $0x500000002, %rcx)
4:
	I(leal	0x100000(%rax), %eax)
	I(addr32 loop 4b)
	I(movq	%rcx, %r8)
	I(xorl	%ecx, %ecx)
	I(jrcxz	5f)
	I(movl	$0xbad, %eax)
5:
	I(leal	0x1000000(%rax), %eax)
	I(movabsq $0x100000000, %rcx)
	I(jrcxz	6f)
	I(jecxz	7f)
6:
	I(movl	$0xbad, %eax)
7:
	I(leal	0x2000000(%rax), %eax)
	I(RET)
FUNCTION_END loop

FUNCTION indirect
	I(leaq	rktest_indirect_leaf(%rip), %r9)
	ANNOTATE_RETPOLINE_SAFE
	I(call	*%r9)
	I(leaq	0x100(%rax), %rax)
	I(movq	%r9, %rbx)
	ANNOTATE_RETPOLINE_SAFE
	I(call	*%rbx)
	I(CALL_NOSPEC r9)
	I(leaq	1f(%rip), %rcx)
	ANNOTATE_RETPOLINE_SAFE
	I(jmp	*%rcx)
	int3
1:
	I(ENDBR)
	I(leaq	0x200(%rax), %rax)
	I(leaq	2f(%rip), %r11)
	I(JMP_NOSPEC r11)
	int3
2:
	I(ENDBR)
	I(leaq	0x400(%rax), %rax)
	I(RET)
FUNCTION_END indirect

FUNCTION string
	I(pushq	%rsi)
	I(pushq	%rdi)
	I(movl	$5, %ecx)
	I(rep movsb)
	I(movl	$2, %ecx)
	I(rep movsq)
	I(movl	$3, %ecx)
	I(rep stosq)
	I(movsl)
	I(lodsw)
	I(stosb)
	I(movl	$20, %ecx)
	I(repne scasb)
	I(movq	%rcx, %rdx)
	I(popq	%rdi)
	I(popq	%rsi)
	I(pushq	%rsi)
	I(pushq	%rdi)
	I(movl	$20, %ecx)
	I(repe cmpsb)
	I(movq	%rcx, %rbx)
	I(std)
	I(movl	$3, %ecx)
	I(rep movsw)
	I(cld)
	I(popq	%rdi)
	I(popq	%rsi)
	I(RET)
FUNCTION_END string

FUNCTION atomic
	I(lock addl $0x1234, (%rsi))
	I(lock incq 8(%rsi))
	I(movq	16(%rsi), %rax)
	I(lock cmpxchgq %rbx, 16(%rsi))
	I(lock cmpxchgl %ecx, 24(%rsi))
	I(xchgq	%rdx, 32(%rsi))
	I(xchgl	%r8d, %r9d)
	I(lock xaddq %r10, 40(%rsi))
	I(xaddw	%r11w, %r12w)
	I(lock btsl $7, 48(%rsi))
	I(lock cmpxchg16b (%rdi))
	I(cmpxchgb %r13b, 17(%rdi))
	I(lock negl 20(%rdi))
	I(RET)
FUNCTION_END atomic

FUNCTION bits
	I(btl	$5, %eax)
	I(adcl	$0, %ebx)
	I(btsq	%rcx, %rbx)
	I(btrw	$3, 8(%rsi))
	I(btcl	$9, %edx)
	I(bsfl	%eax, %r8d)
	I(bsrq	%rbx, %r9)
	I(shlq	$3, %rax)
	I(shrl	%ebx)
	I(sarw	%cl, %dx)
	I(rolb	$5, 3(%rsi))
	I(rorq	%cl, %r10)
	I(rcll	%r11d)
	I(rcrq	%r12)
	I(shldq	$7, %rax, %r13)
	I(shrdl	%cl, %ebx, %r14d)
	I(sall	$2, 12(%rdi))
	I(shlq	%cl, 16(%rdi))
	I(RET)
FUNCTION_END bits

FUNCTION muldiv
	I(mull	%ebx)
	I(imulq	%rcx)
	I(imull	%r8d, %r9d)
	I(imulq	$0x1234567, %r10, %r11)
	I(imulw	$-3, 8(%rsi), %r12w)
	I(mulb	%bl)
	I(xorl	%edx, %edx)
	I(orl	$1, %ebx)
	I(divl	%ebx)
	I(movl	$0x12345678, %eax)
	I(cltd)
	I(orl	$16, %ecx)
	I(andl	$0x7fff, %ecx)
	I(idivl	%ecx)
	I(cltq)
	I(cqto)
	I(cwtl)
	I(movq	%rdx, %r13)
	I(RET)
FUNCTION_END muldiv

FUNCTION setcc
	I(seto	0(%rsi))
	I(setno	1(%rsi))
	I(setb	2(%rsi))
	I(setae	3(%rsi))
	I(sete	4(%rsi))
	I(setne	5(%rsi))
	I(setbe	6(%rsi))
	I(seta	7(%rsi))
	I(sets	8(%rsi))
	I(setns	9(%rsi))
	I(setp	10(%rsi))
	I(setnp	11(%rsi))
	I(setl	12(%rsi))
	I(setge	13(%rsi))
	I(setle	14(%rsi))
	I(setg	15(%rsi))
	I(RET)
FUNCTION_END setcc

FUNCTION cmov
	I(movl	$0, %eax)
	I(cmovo	0(%rsi), %ebx)
	I(leal	0(%rax,%rbx), %eax)
	I(cmovno	4(%rsi), %ebx)
	I(leal	1(%rax,%rbx), %eax)
	I(cmovb	8(%rsi), %ebx)
	I(leal	2(%rax,%rbx), %eax)
	I(cmovae	12(%rsi), %ebx)
	I(leal	3(%rax,%rbx), %eax)
	I(cmove	16(%rsi), %ebx)
	I(leal	4(%rax,%rbx), %eax)
	I(cmovne	20(%rsi), %ebx)
	I(leal	5(%rax,%rbx), %eax)
	I(cmovbe	24(%rsi), %ebx)
	I(leal	6(%rax,%rbx), %eax)
	I(cmova	28(%rsi), %ebx)
	I(leal	7(%rax,%rbx), %eax)
	I(cmovs	32(%rsi), %ebx)
	I(leal	8(%rax,%rbx), %eax)
	I(cmovns	36(%rsi), %ebx)
	I(leal	9(%rax,%rbx), %eax)
	I(cmovp	40(%rsi), %ebx)
	I(leal	10(%rax,%rbx), %eax)
	I(cmovnp	44(%rsi), %ebx)
	I(leal	11(%rax,%rbx), %eax)
	I(cmovl	48(%rsi), %ebx)
	I(leal	12(%rax,%rbx), %eax)
	I(cmovge	52(%rsi), %ebx)
	I(leal	13(%rax,%rbx), %eax)
	I(cmovle	56(%rsi), %ebx)
	I(leal	14(%rax,%rbx), %eax)
	I(cmovg	60(%rsi), %ebx)
	I(leal	15(%rax,%rbx), %eax)
	I(RET)
FUNCTION_END cmov

FUNCTION lea
	I(leaq	(%rax,%rbx,8), %rcx)
	I(leaq	0x12345678(,%rbx,4), %rdx)
	I(leal	-7(%r8,%r9,2), %r10d)
	I(leaq	(%r12), %r11)
	I(leaq	0(%r13), %r14)
	I(leaw	1(%rax), %ax)
	I(addr32 leaq 0x10(%ebx,%ecx), %r15)
	I(RET)
FUNCTION_END lea

FUNCTION nop
	I(nop)
	I(xchgw	%ax, %ax)
	I(nopl	(%rax))
	I(nopl	0(%rax))
	I(nopl	0(%rax,%rax))
	I(nopw	0(%rax,%rax))
	I(nopl	0x12345678(%rax))
	I(nopl	0x12345678(%rax,%rax))
	I(nopw	0x12345678(%rax,%rax))
	I(cs nopw 0x12345678(%rax,%rax))
	I(ds nop)
	I(pause)
	I(lfence)
	I(mfence)
	I(sfence)
	I(prefetcht0 (%rsi))
	I(RET)
FUNCTION_END nop

/* Prefixes, and instructions longer than a jump and an int3. */
FUNCTION long
	I(movabsq $0x1122334455667788, %r15)
	I(lock addq $0x12345678, 0x10(%rsi))
	I(movl	$0x12345678, %ss:0x20(%rsi))
	I(movl	$8, %ebx)
	I(cs lock addl $0x12345678, 0x10(%rsi,%rbx))
	I(movq	$0x12345678, %ds:0x20(%rsi,%rbx,4))
	I(.byte 0x66, 0x66, 0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0)
	I(RET)
FUNCTION_END long

FUNCTION misc
	I(leaq	rktest_translation(%rip), %rbx)
	I(movzbl %cl, %eax)
	I(xlatb)
	I(movb	%al, (%rsi))
	I(movl	$0x4567, %edx)
	I(xchgb	%dh, %dl)
	I(xchgq	%rax, %r8)
	I(movntiq %r10, 16(%rsi))
	I(movnti %r9d, 24(%rsi))
	I(smsw	%ax)
	I(movl	$0, %eax)
	I(RET)
FUNCTION_END misc

/* An ENDBR is not overwritten: the probe at +0 is placed after it. */
FUNCTION endbr
	I(ENDBR)
	I(leaq	(%rbx,%rcx), %rax)
	I(RET)
FUNCTION_END endbr

/* Jumps that land inside the region of other instructions. */
FUNCTION inside
	I(movl	$3, %ecx)
	I(incl	%eax)
1:
	I(incl	%ebx)
	I(incl	%edx)
2:
	I(decl	%ecx)
	I(jg	1b)
	I(je	3f)
	I(addl	$0x10, %eax)
3:
	I(incl	%r8d)
	I(subl	$1, %ecx)
	I(cmpl	$-3, %ecx)
	I(jne	2b)
	I(RET)
FUNCTION_END inside

/* No instruction here changes a register, a flag or memory. */
FUNCTION nothing
	I(nopl	0(%rax,%rax))
	I(nop)
	I(nop)
	I(nop)
	I(nop)
	I(nop)
	I(nop)
	I(RET)
FUNCTION_END nothing

	.pushsection .rodata.rktest_table, "a"
	.globl	rktest_table_end
rktest_table_end:
	.popsection
