/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The code that every detour calls. It builds the pt_regs of the probed place,
 * runs the handlers and restores the registers.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/nospec-branch.h>
#include <asm/smap.h>
#include <asm/unwind_hints.h>
#include "arch_x86/detour.h"

/*
 * The detour (out_of_line/slot_image.rs) has pushed ss, sp, flags, cs and ip of
 * the probed place. The return address of its call is at orig_ax. The detour has
 * the pointer to its trap before that address. A handler may write orig_ax, as
 * handlers of native kprobes do, so rbx keeps the address while handlers run.
 *
 * Interrupts are off while handlers run, as after an int3. So a handler has one
 * context on each lane, a CPU is in one handler at a time, and
 * wait_for_handlers() waits for handlers. The detour has saved the flags, and
 * restores them.
 *
 * Most sites have one probe. It is called from here, or only counted where the
 * slot has no room for counting inline. Several probes are called through
 * rk_any_probe.
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
	/* The detour's push of rsp stored the value after its push of ss. */
	addq	$8, 19*8(%rsp)
	/* ip is the probed address + 1. Without signal=0 the unwinder would take it for an instruction. */
	UNWIND_HINT_REGS signal=0
	movq	15*8(%rsp), %rbx
	movq	-RK_DETOUR_TRAP(%rbx), %rax
	/* The numbers of all lanes have this bit. The number of this lane has no other. */
	btsl	$RK_LANE_BIT, %gs:rk_busy(%rip)
	jc	.Lmissed
#ifdef CONFIG_PROVE_LOCKING
	/* Lockdep learns that interrupts are off. */
	movl	%gs:hardirqs_enabled(%rip), %r12d
	movl	$0, %gs:hardirqs_enabled(%rip)
#endif
	/* A trap begins with the pointer to its one probe, or to rk_any_probe. */
	movq	(%rax), %rdi
	movq	RK_PROBE_HITS(%rdi), %rax
	incq	%gs:(%rax)
	movq	RK_PROBE_PRE(%rdi), %rax
	testq	%rax, %rax
	jz	.Lcounted
	movq	%rsp, %rsi
	CALL_NOSPEC rax
.Lcounted:
#ifdef CONFIG_PROVE_LOCKING
	movl	%r12d, %gs:hardirqs_enabled(%rip)
#endif
	movl	$0, %gs:rk_busy(%rip)
.Lrestore:
	movq	%rbx, 15*8(%rsp)
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
	UNWIND_HINT_REGS signal=0
	movq	%rax, %rdi
	call	rk_detour_missed
	jmp	.Lrestore
SYM_CODE_END(rk_detour_entry)
