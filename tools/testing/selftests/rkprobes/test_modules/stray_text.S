/* SPDX-License-Identifier: GPL-2.0 */
/* A symbol in text whose bytes are data. */
#include <linux/linkage.h>
#include <linux/objtool.h>

	.text

/* The first byte is no instruction in 64-bit mode. It is never executed. */
SYM_FUNC_START(rktest_stray_data)
	ANNOTATE_NOENDBR
	.byte	0x06, 0x06, 0x06, 0x06
	RET
SYM_FUNC_END(rktest_stray_data)
