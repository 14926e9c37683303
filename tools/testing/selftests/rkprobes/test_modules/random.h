/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions that are probed at random. Shared by C and assembly.
 */
#ifndef RKTEST_RANDOM_H
#define RKTEST_RANDOM_H

#define FUNCTIONS	100

#ifndef __ASSEMBLER__
typedef unsigned long (*random_function)(unsigned long x);

extern const random_function rktest_random_table[FUNCTIONS];
extern const u8 rktest_random_text[], rktest_random_text_end[];
#endif

#endif
