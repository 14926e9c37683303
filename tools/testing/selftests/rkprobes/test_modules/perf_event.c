// SPDX-License-Identifier: GPL-2.0
/*
 * A user of one event by perf and by BPF: perf_event ID COMMAND opens the event on all
 * CPUs, attaches a program to it, runs the command by sh and prints
 *
 *	counted=N ran=N samples=N ip=ADDRESS
 *
 * what perf has counted, how often the program ran, and how many records perf has made
 * whose address is ADDRESS. Fails if records differ in it, or were lost.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/perf_event.h>
#include "bpf.h"

#define PAGES		256
#define MOST_CPUS	64

static int events[MOST_CPUS];
static struct perf_event_mmap_page *rings[MOST_CPUS];
static uint64_t samples, ip;

/* The program reads the address, the first field of a record that it may read. */
static int load_program(int counter)
{
	const struct bpf_insn insns[] = {
		{ BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_3, BPF_REG_1, 8 },
		COUNT_ONE(counter),
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1 },
		{ BPF_JMP | BPF_EXIT },
	};
	const union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_TRACEPOINT };

	return load_insns(attr, insns, sizeof(insns) / sizeof(insns[0]));
}

static void open_event(const char *id, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.config = strtoull(id, NULL, 0),
		.size = sizeof(attr),
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_RAW,
	};
	size_t page = sysconf(_SC_PAGESIZE);
	void *ring;

	events[cpu] = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (events[cpu] < 0)
		fail("perf_event_open", id);
	ring = mmap(NULL, (PAGES + 1) * page, PROT_READ | PROT_WRITE, MAP_SHARED, events[cpu], 0);
	if (ring == MAP_FAILED)
		fail("mmap", id);
	rings[cpu] = ring;
}

/* A sample is an address, the size of the record, and the record, which has the address too. */
static void take_sample(const uint8_t *sample, const char *id)
{
	uint64_t sampled, recorded;

	memcpy(&sampled, sample, sizeof(sampled));
	memcpy(&recorded, sample + 8 + 4 + 8, sizeof(recorded));
	if (!ip)
		ip = sampled;
	errno = 0;
	if (sampled != ip || recorded != ip)
		fail("a record of another address", id);
	samples++;
}

static void read_ring(struct perf_event_mmap_page *ring, const char *id)
{
	const uint8_t *data = (const uint8_t *)ring + ring->data_offset;
	uint64_t at = ring->data_tail, head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);
	static uint8_t record[1 << 16];

	while (at < head) {
		struct perf_event_header header;
		unsigned int i;

		for (i = 0; i < sizeof(header); i++)
			((uint8_t *)&header)[i] = data[(at + i) % ring->data_size];
		for (i = sizeof(header); i < header.size; i++)
			record[i - sizeof(header)] = data[(at + i) % ring->data_size];
		at += header.size;
		errno = 0;
		if (header.type == PERF_RECORD_LOST)
			fail("records are lost", id);
		if (header.type == PERF_RECORD_SAMPLE)
			take_sample(record, id);
	}
}

int main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), cpu;
	uint64_t counted = 0, one;
	int status, counter, program;

	if (argc != 3 || cpus > MOST_CPUS)
		return 2;
	counter = make_counter();
	program = load_program(counter);
	if (counter < 0 || program < 0)
		fail("bpf", argv[1]);
	for (cpu = 0; cpu < cpus; cpu++)
		open_event(argv[1], cpu);
	/* A program is attached to the event as a whole. */
	if (ioctl(events[0], PERF_EVENT_IOC_SET_BPF, program))
		fail("PERF_EVENT_IOC_SET_BPF", argv[1]);
	status = system(argv[2]);
	for (cpu = 0; cpu < cpus; cpu++)
		ioctl(events[cpu], PERF_EVENT_IOC_DISABLE, 0);
	for (cpu = 0; cpu < cpus; cpu++) {
		if (read(events[cpu], &one, sizeof(one)) != sizeof(one))
			fail("read", argv[1]);
		counted += one;
		read_ring(rings[cpu], argv[1]);
	}
	printf("counted=%llu ran=%llu samples=%llu ip=%llx\n", (unsigned long long)counted,
	       (unsigned long long)read_counter(counter, argv[1]), (unsigned long long)samples,
	       (unsigned long long)ip);
	return status != 0;
}
