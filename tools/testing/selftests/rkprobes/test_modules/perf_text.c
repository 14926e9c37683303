// SPDX-License-Identifier: GPL-2.0
/*
 * What perf is told of text that changes: perf_text COMMAND runs a command by sh and
 * prints what perf has recorded meanwhile, on all CPUs:
 *
 *	ksymbol ADDRESS LENGTH registered|unregistered NAME
 *	poke ADDRESS OLD NEW
 *
 * OLD and NEW are bytes in hexadecimal, "-" for none. The records of all CPUs are
 * in the order of their times. Fails if records were lost.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/perf_event.h>

#define PAGES		512
#define MOST_CPUS	64

static struct perf_event_mmap_page *rings[MOST_CPUS];

struct line {
	uint64_t time;
	char *text;
};

static struct line lines[1 << 16];
static size_t count;
/* Where the line of a record is written. */
static FILE *out;

static void fail(const char *what)
{
	printf("perf_text: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void open_ring(int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.size = sizeof(attr),
		.ksymbol = 1,
		.text_poke = 1,
		.sample_type = PERF_SAMPLE_TIME,
		.sample_id_all = 1,
	};
	size_t page = sysconf(_SC_PAGESIZE);
	int fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, 0);
	void *ring;

	if (fd < 0)
		fail("perf_event_open");
	ring = mmap(NULL, (PAGES + 1) * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		fail("mmap");
	rings[cpu] = ring;
}

static void print_bytes(const uint8_t *bytes, unsigned int len)
{
	unsigned int i;

	fprintf(out, len ? " " : " -");
	for (i = 0; i < len; i++)
		fprintf(out, "%02x", bytes[i]);
}

static void print_poke(const uint8_t *record)
{
	uint64_t addr;
	uint16_t lens[2];

	memcpy(&addr, record, sizeof(addr));
	memcpy(lens, record + sizeof(addr), sizeof(lens));
	record += sizeof(addr) + sizeof(lens);
	fprintf(out, "poke %llx", (unsigned long long)addr);
	print_bytes(record, lens[0]);
	print_bytes(record + lens[0], lens[1]);
	fprintf(out, "\n");
}

static void print_ksymbol(const uint8_t *record)
{
	uint64_t addr;
	uint32_t len;
	uint16_t type, flags;

	memcpy(&addr, record, sizeof(addr));
	memcpy(&len, record + 8, sizeof(len));
	memcpy(&type, record + 12, sizeof(type));
	memcpy(&flags, record + 14, sizeof(flags));
	if (type != PERF_RECORD_KSYMBOL_TYPE_OOL)
		return;
	fprintf(out, "ksymbol %llx %u %s %s\n", (unsigned long long)addr, len,
		flags & PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER ? "unregistered" : "registered",
		(const char *)record + 16);
}

/* Keeps the line of a record, which ends with its time. */
static void keep(uint16_t type, const uint8_t *record, size_t len)
{
	struct line *line = &lines[count];
	size_t size;

	if (count == sizeof(lines) / sizeof(lines[0]))
		fail("too many records");
	out = open_memstream(&line->text, &size);
	if (!out)
		fail("open_memstream");
	if (type == PERF_RECORD_TEXT_POKE)
		print_poke(record);
	if (type == PERF_RECORD_KSYMBOL)
		print_ksymbol(record);
	fclose(out);
	memcpy(&line->time, record + len - sizeof(line->time), sizeof(line->time));
	count++;
}

static int by_time(const void *one, const void *other)
{
	const struct line *a = one, *b = other;

	return a->time < b->time ? -1 : a->time > b->time;
}

static void read_ring(struct perf_event_mmap_page *ring)
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
		if (header.type == PERF_RECORD_LOST)
			fail("records are lost");
		if (header.type == PERF_RECORD_TEXT_POKE || header.type == PERF_RECORD_KSYMBOL)
			keep(header.type, record, header.size - sizeof(header));
	}
}

int main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), cpu;
	size_t i;
	int status;

	if (argc != 2 || cpus > MOST_CPUS)
		return 2;
	for (cpu = 0; cpu < cpus; cpu++)
		open_ring(cpu);
	status = system(argv[1]);
	for (cpu = 0; cpu < cpus; cpu++)
		read_ring(rings[cpu]);
	qsort(lines, count, sizeof(lines[0]), by_time);
	for (i = 0; i < count; i++)
		fputs(lines[i].text, stdout);
	return status != 0;
}
