// SPDX-License-Identifier: GPL-2.0
/*
 * A user of BPF's trampolines and raw tracepoints: trace_bpf hold|cycle OVER KIND:NAME... .
 * KIND is fentry or fexit (NAME is a function), or raw or call (NAME is a tracepoint). It
 * attaches a program of its own to each. It counts; that of call also calls
 * bpf_ktime_get_ns(). "hold" then waits until the file OVER exists; "cycle" detaches
 * all and attaches all again until then. The kernel detaches what is open when it exits.
 *
 * It prints "trace_bpf ready attached=N refused=N" when all was attached once, and at the end
 * "trace_bpf attached=N refused=N runs=N". It fails if something is refused for no known
 * reason, or if nothing could be attached, or no program ran.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <time.h>
#include <linux/btf.h>
#include "bpf.h"
#include "btf.h"

#define MOST_PLACES	64

static struct types types;

/* The number of the type of function @name, or 0. */
static unsigned int type_of(const char *name)
{
	unsigned int id = 1;

	return find_type(&types, 0, BTF_KIND_FUNC, name, &id) ? id : 0;
}

/*
 * With a probe in bpf_ktime_get_ns(), each program that calls it runs at the int3 of each other
 * one: n of them run more than n! times.
 */
static int load_program(int counter, bool calls, unsigned int program, unsigned int attach,
			unsigned int type)
{
	struct bpf_insn insns[] = {
		COUNT_ONE(counter),
		{ BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0 },
		{ BPF_JMP | BPF_EXIT },
	};
	const union bpf_attr attr = {
		.prog_type = program,
		.expected_attach_type = attach,
		.attach_btf_id = type,
	};

	if (!calls)
		insns[4] = insns[5];
	return load_insns(attr, insns, sizeof(insns) / sizeof(insns[0]));
}

static bool may_be_refused(void)
{
	switch (errno) {
	case EINVAL:	/* no ftrace entry, or the kernel denies it */
	case ENOENT:	/* no such function */
	case EBUSY:	/* somebody else's trampoline is there */
	case ENOMEM:
	case EAGAIN:	/* the former trampoline is not gone yet */
		return true;
	}
	return false;
}

/* Attaches a program to KIND:NAME: the file that keeps it attached, or -1. */
static int attach(const char *place, int counter)
{
	const char *name = strchr(place, ':');
	union bpf_attr attr = { 0 };
	unsigned int type = 0;
	int program, link;

	if (!name++) {
		errno = EINVAL;
		fail("no KIND:NAME", place);
	}
	if (place[0] == 'r' || place[0] == 'c') {
		program = load_program(counter, place[0] == 'c', BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0);
		attr.raw_tracepoint.name = (uintptr_t)name;
	} else {
		type = type_of(name);
		errno = ENOENT;
		program = !type ? -1 :
			  load_program(counter, false, BPF_PROG_TYPE_TRACING,
				       place[1] == 'e' ? BPF_TRACE_FENTRY : BPF_TRACE_FEXIT, type);
	}
	if (program < 0) {
		if (!may_be_refused())
			fail("BPF_PROG_LOAD", place);
		return -1;
	}
	attr.raw_tracepoint.prog_fd = program;
	link = bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
	if (link < 0 && !may_be_refused())
		fail("BPF_RAW_TRACEPOINT_OPEN", place);
	close(program);
	return link;
}

int main(int argc, char **argv)
{
	const struct timespec moment = { .tv_nsec = 20000000 };
	unsigned long attached = 0, refused = 0;
	int links[MOST_PLACES], places = argc - 3, counter, i;
	bool cycle, ready = false;

	if (argc < 4 || places > MOST_PLACES)
		return 2;
	cycle = !strcmp(argv[1], "cycle");
	counter = make_counter();
	if (counter < 0 && errno == ENOSYS) {
		printf("trace_bpf: left out: this kernel has no BPF\n");
		return 0;
	}
	if (counter < 0)
		fail("BPF_MAP_CREATE", "counter");
	if (!read_types(&types, "vmlinux")) {
		printf("trace_bpf: left out: this kernel has no types\n");
		return 0;
	}
	do {
		for (i = 0; i < places; i++) {
			links[i] = attach(argv[3 + i], counter);
			if (links[i] >= 0)
				attached++;
			else
				refused++;
			if (links[i] < 0 && !ready)
				printf("trace_bpf: refused: %s: %s\n", argv[3 + i], strerror(errno));
		}
		if (!ready)
			printf("trace_bpf ready attached=%lu refused=%lu\n", attached, refused);
		fflush(stdout);
		ready = true;
		do
			nanosleep(&moment, NULL);
		while (!cycle && access(argv[2], F_OK));
		for (i = 0; i < places; i++)
			if (links[i] >= 0)
				close(links[i]);
	} while (access(argv[2], F_OK));
	printf("trace_bpf attached=%lu refused=%lu runs=%lu\n", attached, refused,
	       (unsigned long)read_counter(counter, "counter"));
	return !attached || !read_counter(counter, "counter");
}
