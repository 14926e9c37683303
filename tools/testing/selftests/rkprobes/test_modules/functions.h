/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The state that a test function starts from and ends with. Shared by C and assembly.
 */
#ifndef RKTEST_FUNCTIONS_H
#define RKTEST_FUNCTIONS_H

/* Offsets in struct rktest_state. */
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

/* A test function. The fields that the linker would have to resolve are relative. */
struct rktest_function {
	const char *name;
	/* Calls the function with all registers of @state, and stores all of them there. */
	void (*run)(struct rktest_state *state);
	const u32 *boundaries;
	/* The distance from @run to the function. */
	u32 start;
	u32 size;
	u32 boundary_count;
	u32 reserved;
};

extern const struct rktest_function rktest_table[], rktest_table_end[];
#endif

#endif
