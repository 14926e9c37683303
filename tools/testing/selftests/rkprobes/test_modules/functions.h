/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a test function starts from and leaves behind. Shared by C and assembly.
 */
#ifndef RKTEST_FUNCTIONS_H
#define RKTEST_FUNCTIONS_H

/* In struct rktest_state */
#define STATE_FLAGS	120
#define STATE_MEMORY	128
#define MEMORY_SIZE	256

#ifndef __ASSEMBLER__
#include <linux/types.h>

/* rax rcx rdx rbx rbp rsi rdi r8 to r15 */
#define STATE_REGISTERS	15

struct rktest_state {
	u64 registers[STATE_REGISTERS];
	u64 flags;
	u8 memory[MEMORY_SIZE] __aligned(16);
};

/* A test function; what is not known to the assembler alone is relative. */
struct rktest_function {
	const char *name;
	/* Calls it with all registers of @state, and stores all of them there. */
	void (*run)(struct rktest_state *state);
	const u32 *boundaries;
	/* From @run to the function. */
	u32 start;
	u32 size;
	u32 boundary_count;
	u32 reserved;
};

extern const struct rktest_function rktest_table[], rktest_table_end[];
#endif

#endif
