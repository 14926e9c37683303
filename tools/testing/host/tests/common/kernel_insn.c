// SPDX-License-Identifier: GPL-2.0
/*
 * The decoder of the kernel as a filter: reads 16-byte strings, and writes for each string the
 * length of its instruction, or 0 if the decoder refuses it.
 */
#include <stdio.h>
#include <string.h>
#include <asm/insn.h>
#include "insn.c"
#include "inat.c"

int main(void)
{
	unsigned char bytes[16];

	while (fread(bytes, sizeof(bytes), 1, stdin) == 1) {
		struct insn insn;
		int failed = insn_decode(&insn, bytes, 15, INSN_MODE_64);

		putchar(failed ? 0 : insn.length);
	}
	return 0;
}
