// SPDX-License-Identifier: GPL-2.0
/*
 * A user of perf and BPF: perf_bpf OVER ADDRESS [MODULE:]FUNCTION+OFFSET... Until the
 * file OVER exists it attaches a BPF program to one place after the other, through
 * perf's kprobes. ADDRESS is the address of vfs_read(). Places in vfs_read() are given
 * by name or by address, and each read of this program must be a hit there. At the end
 * it prints "perf_bpf attached=N refused=N hits=N". It fails if a place is refused for
 * an unknown reason, if a place in vfs_read() is not hit, or if nothing is attached.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <time.h>
#include <linux/perf_event.h>
#include "../test_modules/bpf.h"

#define PMU	"/sys/bus/event_source/devices/kprobe/type"
#define READS	3

static unsigned long vfs_read_address, attached, refused, hits;
static unsigned int pmu;

static bool has_pmu(void)
{
	FILE *file = fopen(PMU, "r");

	if (!file)
		return false;
	if (fscanf(file, "%u", &pmu) != 1)
		fail("read", PMU);
	fclose(file);
	return true;
}

/* The program counts and returns 1, so that perf counts, too. */
static int load_program(int counter)
{
	const struct bpf_insn insns[] = {
		COUNT_ONE(counter),
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1 },
		{ BPF_JMP | BPF_EXIT },
	};
	const union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_KPROBE };

	return load_insns(attr, insns, sizeof(insns) / sizeof(insns[0]));
}

/* Opens an event by the name of its function, or by address if the place has no name. */
static int open_kprobe(const char *function, unsigned long offset, int cpu)
{
	struct perf_event_attr attr = {
		.type = pmu,
		.size = sizeof(attr),
		.disabled = 1,
		.config1 = (uintptr_t)function,
		.config2 = offset,
	};

	return syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static bool may_be_refused(void)
{
	switch (errno) {
	case EEXIST:
	case EINVAL:
	case EBUSY:
	case EILSEQ:
	case ENOENT:	/* the module is not loaded */
	case ENODEV:	/* the CPU is offline */
	case ENOMEM:	/* an allocation fails */
		return true;
	}
	return false;
}

static void read_some(const char *place)
{
	int i, fd = open("/dev/zero", O_RDONLY);
	char byte;

	for (i = 0; i < READS; i++)
		if (read(fd, &byte, 1) != 1)
			fail("read", place);
	close(fd);
}

/* @event is attached. It must be hit, and at least as often as perf counts on its one CPU. */
static void use(int event, int counter, bool in_vfs_read, const char *place)
{
	const struct timespec moment = { .tv_nsec = 2000000 };
	uint64_t counted = 0, hit;

	if (ioctl(event, PERF_EVENT_IOC_ENABLE, 0))
		fail("PERF_EVENT_IOC_ENABLE", place);
	if (in_vfs_read)
		read_some(place);
	nanosleep(&moment, NULL);
	if (read(event, &counted, sizeof(counted)) < 0)
		fail("read of the event", place);
	hit = read_counter(counter, place);
	if (hit < counted || (in_vfs_read && hit < READS)) {
		printf("perf_bpf: %s: the program counted %lu hits, perf counted %lu\n", place, hit, counted);
		exit(1);
	}
	hits += hit;
}

static void attach(const char *place, int counter, int program)
{
	int event, cpu = (attached + refused) % sysconf(_SC_NPROCESSORS_CONF);
	unsigned long offset;
	char function[256];
	bool in_vfs_read;

	if (sscanf(place, "%255[^+]+%li", function, &offset) != 2) {
		errno = EINVAL;
		fail("the place has no offset", place);
	}
	in_vfs_read = !strcmp(function, "vfs_read");
	event = in_vfs_read && random() & 1 ? open_kprobe(NULL, vfs_read_address + offset, cpu) :
					      open_kprobe(function, offset, cpu);
	if (event < 0) {
		if (!may_be_refused())
			fail("perf_event_open", place);
		refused++;
		return;
	}
	attached++;
	if (ioctl(event, PERF_EVENT_IOC_SET_BPF, program))
		fail("PERF_EVENT_IOC_SET_BPF", place);
	use(event, counter, in_vfs_read, place);
	close(event);
}

/* Even if OVER exists early, one event is attached first, or each place was refused. */
static bool is_over(const char *over, unsigned int places)
{
	return (attached || refused >= places) && !access(over, F_OK);
}

int main(int argc, char **argv)
{
	unsigned int places = argc - 3, i;

	if (argc < 4)
		return 2;
	vfs_read_address = strtoul(argv[2], NULL, 16);
	if (!has_pmu()) {
		printf("perf_bpf: left out, because this kernel has no perf events of kprobes\n");
		return 0;
	}
	for (i = 0; !is_over(argv[1], places); i = (i + 1) % places) {
		const char *place = argv[3 + i];
		int program, counter = make_counter();

		if (counter < 0 && errno == ENOSYS) {
			printf("perf_bpf: left out, because this kernel has no BPF\n");
			return 0;
		}
		if (counter < 0)
			fail("BPF_MAP_CREATE", place);
		program = load_program(counter);
		if (program < 0)
			fail("BPF_PROG_LOAD", place);
		attach(place, counter, program);
		close(program);
		close(counter);
	}
	printf("perf_bpf attached=%lu refused=%lu hits=%lu\n", attached, refused, hits);
	return !attached || !hits;
}
