// SPDX-License-Identifier: GPL-2.0
/*
 * A user of the tracepoint rk_hit: hit_bpf raw|btf COMMAND COOKIE:FILE... . FILE has a line
 * for each site of the probe with this cookie, which begins with the address. While COMMAND
 * runs, one program of BPF counts the hits of all sites: a raw tracepoint, or one that knows
 * the types of the arguments.
 *
 * It prints a line for each site: address, hits, the name that the last hit had. The last
 * line is "sites=N hits=N unknown=N wrong=N": unknown is how many hits were at no such site,
 * and wrong is the number of sites whose registers have another address. The status is 4 if
 * this kernel, or rkprobes, has no types.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stddef.h>
#include <linux/btf.h>
#include <asm/ptrace.h>
#include "bpf.h"
#include "btf.h"

#define NAME_LEN	16

struct key {
	uint64_t cookie;
	uint64_t ip;
};

struct value {
	uint64_t hits;
	char name[NAME_LEN];
	uint64_t ip;
};

/* The arguments of rk_hit. */
enum { COOKIE = 0, NAME = 8, IP = 16, REGS = 24 };

static struct key *keys;
static unsigned int sites;

#define LOAD(to, from, offset)	{ BPF_LDX | BPF_MEM | BPF_DW, to, from, offset, 0 }
#define STORE(to, offset, from)	{ BPF_STX | BPF_MEM | BPF_DW, to, from, offset, 0 }
#define MOVE(to, from)		{ BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0 }
#define SET(to, value)		{ BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value }
#define ADD(to, value)		{ BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, value }
#define CALL(helper)		{ BPF_JMP | BPF_CALL, 0, 0, 0, helper }
#define ADD_ONE(to, offset, one)	\
	{ BPF_STX | BPF_DW | BPF_ATOMIC, to, one, offset, BPF_ADD }

/* Counts the hit in the element of its site, or as unknown. */
static int load_program(bool typed, int map, int unknown)
{
	const struct bpf_insn begin[] = {
		MOVE(BPF_REG_6, BPF_REG_1),
		LOAD(BPF_REG_1, BPF_REG_6, COOKIE),
		STORE(BPF_REG_10, -16, BPF_REG_1),
		LOAD(BPF_REG_1, BPF_REG_6, IP),
		STORE(BPF_REG_10, -8, BPF_REG_1),
		{ BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map },
		{ 0 },
		MOVE(BPF_REG_2, BPF_REG_10),
		ADD(BPF_REG_2, -16),
		CALL(BPF_FUNC_map_lookup_elem),
		{ BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 6, 0 },
		COUNT_ONE(unknown),
		SET(BPF_REG_0, 0),
		{ BPF_JMP | BPF_EXIT },
		MOVE(BPF_REG_7, BPF_REG_0),
		SET(BPF_REG_2, 1),
		ADD_ONE(BPF_REG_7, offsetof(struct value, hits), BPF_REG_2),
		MOVE(BPF_REG_1, BPF_REG_7),
		ADD(BPF_REG_1, offsetof(struct value, name)),
		SET(BPF_REG_2, NAME_LEN),
		LOAD(BPF_REG_3, BPF_REG_6, NAME),
		CALL(BPF_FUNC_probe_read_kernel_str),
		LOAD(BPF_REG_3, BPF_REG_6, REGS),
	};
	/* A program that knows the type reads the registers itself, after it has asked for NULL. */
	const struct bpf_insn read_typed[] = {
		{ BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_3, 0, 2, 0 },
		LOAD(BPF_REG_1, BPF_REG_3, offsetof(struct pt_regs, rip)),
		STORE(BPF_REG_7, offsetof(struct value, ip), BPF_REG_1),
	};
	const struct bpf_insn read_raw[] = {
		ADD(BPF_REG_3, offsetof(struct pt_regs, rip)),
		SET(BPF_REG_2, sizeof(uint64_t)),
		MOVE(BPF_REG_1, BPF_REG_7),
		ADD(BPF_REG_1, offsetof(struct value, ip)),
		CALL(BPF_FUNC_probe_read_kernel),
	};
	const struct bpf_insn end[] = {
		SET(BPF_REG_0, 0),
		{ BPF_JMP | BPF_EXIT },
	};
	struct bpf_insn insns[64], *at = insns;
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT };

	at = mempcpy(at, begin, sizeof(begin));
	at = typed ? mempcpy(at, read_typed, sizeof(read_typed)) :
		     mempcpy(at, read_raw, sizeof(read_raw));
	at = mempcpy(at, end, sizeof(end));
	if (typed) {
		attr.prog_type = BPF_PROG_TYPE_TRACING;
		attr.expected_attach_type = BPF_TRACE_RAW_TP;
		attr.attach_btf_obj_fd = module_btf("rkprobes");
		attr.attach_btf_id = module_type("rkprobes", BTF_KIND_TYPEDEF, "btf_trace_rk_hit");
		if ((int)attr.attach_btf_obj_fd < 0 || !attr.attach_btf_id) {
			printf("hit_bpf: rkprobes has no types\n");
			exit(4);
		}
	}
	return load_insns(attr, insns, at - insns);
}

/* Adds the sites of COOKIE:FILE. */
static void read_sites(const char *argument)
{
	char *path = strchr(argument, ':');
	unsigned long ip;
	char line[1024];
	FILE *file;

	file = path ? fopen(path + 1, "r") : NULL;
	if (!file)
		fail("open", argument);
	while (fgets(line, sizeof(line), file)) {
		ip = strtoul(line, NULL, 16);
		if (strstr(line, " refused "))
			continue;
		keys = realloc(keys, (sites + 1) * sizeof(*keys));
		if (!keys)
			fail("realloc", argument);
		keys[sites++] = (struct key){ .cookie = strtoul(argument, NULL, 10), .ip = ip };
	}
	fclose(file);
}

static int make_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_HASH,
		.key_size = sizeof(struct key),
		.value_size = sizeof(struct value),
		.max_entries = sites,
	};
	const struct value none = { 0 };
	int map = bpf(BPF_MAP_CREATE, &attr);
	unsigned int i;

	if (map < 0)
		fail("BPF_MAP_CREATE", "sites");
	for (i = 0; i < sites; i++) {
		union bpf_attr element = {
			.map_fd = map,
			.key = (uintptr_t)&keys[i],
			.value = (uintptr_t)&none,
		};

		if (bpf(BPF_MAP_UPDATE_ELEM, &element))
			fail("BPF_MAP_UPDATE_ELEM", "sites");
	}
	return map;
}

static void report(int map, int unknown)
{
	unsigned long hits = 0, wrong = 0;
	unsigned int i;

	for (i = 0; i < sites; i++) {
		struct value value = { 0 };
		union bpf_attr attr = {
			.map_fd = map,
			.key = (uintptr_t)&keys[i],
			.value = (uintptr_t)&value,
		};

		if (bpf(BPF_MAP_LOOKUP_ELEM, &attr))
			fail("BPF_MAP_LOOKUP_ELEM", "sites");
		printf("0x%016lx %lu %s\n", (unsigned long)keys[i].ip,
		       (unsigned long)value.hits, value.hits ? value.name : "-");
		hits += value.hits;
		wrong += value.hits && value.ip != keys[i].ip;
	}
	printf("sites=%u hits=%lu unknown=%lu wrong=%lu\n", sites, hits,
	       (unsigned long)read_counter(unknown, "unknown"), wrong);
}

int main(int argc, char **argv)
{
	union bpf_attr attr = { 0 };
	bool typed;
	int program, link, map, unknown, i;

	if (argc < 4)
		return 2;
	typed = !strcmp(argv[1], "btf");
	for (i = 3; i < argc; i++)
		read_sites(argv[i]);
	unknown = make_counter();
	if (unknown < 0 && errno == ENOSYS) {
		printf("hit_bpf: this kernel has no BPF\n");
		return 4;
	}
	map = make_map();
	program = load_program(typed, map, unknown);
	if (program < 0)
		fail("BPF_PROG_LOAD", argv[1]);
	attr.raw_tracepoint.prog_fd = program;
	if (!typed)
		attr.raw_tracepoint.name = (uintptr_t)"rk_hit";
	link = bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
	if (link < 0)
		fail("BPF_RAW_TRACEPOINT_OPEN", argv[1]);
	fflush(stdout);
	if (system(argv[2]))
		fail("system", argv[2]);
	close(link);
	report(map, unknown);
	return 0;
}
