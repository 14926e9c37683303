// SPDX-License-Identifier: GPL-2.0
/*
 * A program for libbpf: counts the hits of rk_hit, by the number of the event and by the
 * address. libbpf finds the type of the tracepoint in the types of the module.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct site {
	__u64 cookie;
	__u64 ip;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct site);
	__type(value, __u64);
} hits SEC(".maps");

SEC("tp_btf/rk_hit")
int BPF_PROG(on_hit, __u64 cookie, const char *name, unsigned long ip)
{
	struct site site = { .cookie = cookie, .ip = ip };
	const __u64 one = 1;
	__u64 *count = bpf_map_lookup_elem(&hits, &site);

	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&hits, &site, &one, BPF_NOEXIST);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
