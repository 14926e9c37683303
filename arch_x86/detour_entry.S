/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every detour calls: builds the pt_regs of the probed place, runs the
 * handlers and restores the registers.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/nospec-branch.h>
#include <asm/smap.h>
#include <asm/unwind_hints.h>
#include "arch_x86/detour.h"

/*
 * The detour (detour.rs) has pushed ss, sp, flags, cs and ip of the probed
 * place; the return address of its call stands where orig_ax is. In front of
 * that return address the detour holds the pointer to its trap.
 *
 * Interrupts are off while handlers run, as behind an int3: a handler always
 * sees the same context, one CPU is in one handler at most (but for NMIs), and
 * synchronize_rcu() waits for it. The flags were saved before; the detour
 * restores them.
 *
 * Nearly every site has one probe: that is called (or only counted, where the
 * slot has no room for counting inline) from here, several through rk_any_probe.
 */
	.section .kprobes.text, "ax"
SYM_CODE_START(rk_detour_entry)
	UNWIND_HINT_UNDEFINED
	ANNOTATE_NOENDBR
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%rax
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	cli
	cld
	ASM_CLAC
	/* push %rsp stored the value behind the push of ss. */
	addq	$8, 19*8(%rsp)
	UNWIND_HINT_REGS
	movq	15*8(%rsp), %rax
	movq	-RK_DETOUR_TRAP(%rax), %rax
	/* Every lane's number has this bit, and this lane's no other. */
	btsl	$RK_LANE_BIT, %gs:rk_busy(%rip)
	jc	.Lmissed
	/* What a trap begins with: its one probe, or rk_any_probe. */
	movq	(%rax), %rdi
	movq	RK_PROBE_HITS(%rdi), %rax
	incq	%gs:(%rax)
	movq	RK_PROBE_PRE(%rdi), %rax
	testq	%rax, %rax
	jz	.Lcounted
	movq	%rsp, %rsi
	CALL_NOSPEC rax
.Lcounted:
	movl	$0, %gs:rk_busy(%rip)
.Lrestore:
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rax
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
	UNWIND_HINT_FUNC
	RET
.Lmissed:
	UNWIND_HINT_REGS
	movq	%rax, %rdi
	call	rk_detour_missed
	jmp	.Lrestore
SYM_CODE_END(rk_detour_entry)
