// SPDX-License-Identifier: GPL-2.0
/*
 * Attaches the program of hit.bpf.o by libbpf while a command runs: hit_libbpf COMMAND. Then
 * it prints a line for each site: number of the event, address, hits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

struct site {
	unsigned long cookie;
	unsigned long ip;
};

int main(int argc, char **argv)
{
	struct bpf_object *object = bpf_object__open("hit.bpf.o");
	struct site site, *previous = NULL;
	struct bpf_program *program;
	struct bpf_link *link;
	unsigned long count;
	int map;

	if (argc != 2 || !object || bpf_object__load(object))
		return 1;
	program = bpf_object__find_program_by_name(object, "on_hit");
	link = bpf_program__attach(program);
	if (!link || system(argv[1]))
		return 1;
	bpf_link__destroy(link);
	map = bpf_object__find_map_fd_by_name(object, "hits");
	while (!bpf_map_get_next_key(map, previous, &site)) {
		if (bpf_map_lookup_elem(map, &site, &count))
			return 1;
		printf("%lu 0x%016lx %lu\n", site.cookie, site.ip, count);
		previous = &site;
	}
	bpf_object__close(object);
	return 0;
}
