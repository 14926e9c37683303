/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bpf(2) for the test programs, which have no libbpf: the call, and a map with one counter
 * to which programs add.
 */
#ifndef RKTEST_BPF_H
#define RKTEST_BPF_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>

/* The instructions that add 1 to @counter, a map of make_counter(). They use r1 and r2. */
#define COUNT_ONE(counter)								\
	{ BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_VALUE, 0, counter },	\
	{ 0 },										\
	{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, 1 },				\
	{ BPF_STX | BPF_DW | BPF_ATOMIC, BPF_REG_1, BPF_REG_2, 0, BPF_ADD }

/* What the verifier says of a program. */
static char log_text[4096];

/* Ends the program: @what failed at @place. */
static void fail(const char *what, const char *place)
{
	printf("%s: %s: %s: %s\n%s", program_invocation_short_name, place, what, strerror(errno),
	       log_text);
	exit(1);
}

static int bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int make_counter(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(uint64_t),
		.max_entries = 1,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

static uint64_t read_counter(int counter, const char *place)
{
	uint64_t value;
	uint32_t key = 0;
	union bpf_attr attr = {
		.map_fd = counter,
		.key = (uintptr_t)&key,
		.value = (uintptr_t)&value,
	};

	if (bpf(BPF_MAP_LOOKUP_ELEM, &attr))
		fail("BPF_MAP_LOOKUP_ELEM", place);
	return value;
}

/*
 * Loads a program of @count instructions. @attr says its
 * type, and what it is attached to.
 */
static int load_insns(union bpf_attr attr, const struct bpf_insn *insns, unsigned int count)
{
	int fd;

	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = count;
	attr.license = (uintptr_t)"GPL";
	attr.log_buf = (uintptr_t)log_text;
	attr.log_size = sizeof(log_text);
	attr.log_level = 1;
	fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd >= 0)
		log_text[0] = 0;
	return fd;
}

#endif
