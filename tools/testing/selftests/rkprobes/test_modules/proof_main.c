// SPDX-License-Identifier: GPL-2.0
/*
 * Probes every instruction of many kernel functions, in rounds in which no two
 * regions overlap. Every second probe has a handler, the others only count. The test
 * proves that the kernel goes on as before, through detours of both kinds.
 *
 * Commands:
 *	candidates NAME ADDRESS-END...	functions of a part of the kernel, ascending
 *	watch		notes the candidates that are entered
 *	choose COUNT SEED	takes COUNT functions that were entered since watch
 *	learn		finds the offsets where the chosen functions can be probed
 *	round		probes offsets that have had no round and are far enough apart
 *	jumps		counts the probes that are a jump in the text
 *	end		removes the round's probes
 */
#include <linux/ftrace.h>
#include <linux/prandom.h>
#include <linux/vmalloc.h>
#include <rkprobes.h>
#include "rktest.h"

#define MOST_CANDIDATES	40000
#define MOST_PARTS	8
#define MOST_FUNCTIONS	2000
#define MOST_BOUNDARIES	200000
/* No two regions overlap at this distance: 4 bytes and the longest instruction, rounded up. */
#define APART		20
#define JUMP		0xe9

struct candidate {
	u8 *start;
	u8 *end;
	int part;
	bool hit;
};

struct chosen {
	const struct candidate *from;
	u8 *original;
	int first;
	int count;
};

struct boundary {
	struct rkprobe p;
	u8 *addr;
	unsigned long hits;
	bool done;
	bool jump;
};

static char parts[MOST_PARTS][16];
static int part_count;
static struct candidate *candidates;
static int candidate_count;
static bool watching;
static struct chosen *functions;
static int function_count;
static struct boundary *boundaries;
static int boundary_count;
/* The registered probes of the round. */
static struct rkprobe **list;
static int list_count;

static int part_named(const char *name)
{
	int i;

	for (i = 0; i < part_count; i++)
		if (!strcmp(parts[i], name))
			return i;
	if (part_count == MOST_PARTS)
		return -ENOSPC;
	strscpy(parts[part_count], name);
	return part_count++;
}

static int add_candidates(int argc, char **argv)
{
	int part = part_named(argv[1]), i;

	for (i = 2; i < argc && part >= 0; i++) {
		struct candidate *c = &candidates[candidate_count];
		unsigned long start, end;
		char *dash = strchr(argv[i], '-');

		if (!dash)
			return -EINVAL;
		*dash = '\0';
		if (kstrtoul(argv[i], 16, &start) || kstrtoul(dash + 1, 16, &end) || end <= start)
			return -EINVAL;
		if (candidate_count == MOST_CANDIDATES)
			return -ENOSPC;
		c->start = (u8 *)start;
		c->end = (u8 *)end;
		c->part = part;
		candidate_count++;
	}
	return part < 0 ? part : 0;
}

static void set(struct rkprobe *p, u8 *addr, u32 flags)
{
	memset(p, 0, sizeof(*p));
	p->addr = addr;
	p->flags = flags;
}

/* Finds the candidate with its ftrace entry at @ip. The candidates are sorted. */
static notrace struct candidate *candidate_at(unsigned long ip)
{
	int low = 0, high = candidate_count;

	while (low < high) {
		int middle = low + (high - low) / 2;

		if ((unsigned long)candidates[middle].end <= ip)
			low = middle + 1;
		else
			high = middle;
	}
	return low < candidate_count && (unsigned long)candidates[low].start <= ip ?
		&candidates[low] : NULL;
}

static notrace void entered(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
			    struct ftrace_regs *regs)
{
	struct candidate *c = candidate_at(ip);

	if (c && !READ_ONCE(c->hit))
		WRITE_ONCE(c->hit, true);
}

static struct ftrace_ops watcher = { .func = entered };

static int watch(void)
{
	int ret = watching ? -EBUSY : register_ftrace_function(&watcher);

	watching = watching || !ret;
	rktest_print("candidates %d\n", candidate_count);
	return ret;
}

static void stop_watching(void)
{
	if (watching)
		unregister_ftrace_function(&watcher);
	watching = false;
}

static int keep(struct candidate *c)
{
	struct chosen *f = &functions[function_count];

	f->from = c;
	f->original = vmalloc(c->end - c->start);
	if (!f->original)
		return -ENOMEM;
	memcpy(f->original, c->start, c->end - c->start);
	c->hit = false;
	function_count++;
	return 0;
}

/*
 * The next candidate after @start that was entered. After the last one the search
 * begins at the first.
 */
static struct candidate *next_hit(u32 start, int part)
{
	int i;

	for (i = 0; i < candidate_count; i++) {
		struct candidate *c = &candidates[(start + i) % candidate_count];

		if (c->hit && c->part == part)
			return c;
	}
	return NULL;
}

static int choose(int count, u64 seed)
{
	int busy[MOST_PARTS] = {}, taken[MOST_PARTS] = {}, i, ret = 0, found = 1;
	struct rnd_state random;

	stop_watching();
	for (i = 0; i < candidate_count; i++)
		busy[candidates[i].part] += candidates[i].hit;
	prandom_seed_state(&random, seed);
	/* One function of each part in turn, as long as the part has one. */
	while (found && function_count < count && !ret) {
		for (i = found = 0; i < part_count && function_count < count && !ret; i++) {
			u32 start = prandom_u32_state(&random) % candidate_count;
			struct candidate *c = next_hit(start, i);

			if (!c)
				continue;
			ret = keep(c);
			taken[i]++;
			found++;
		}
	}
	for (i = 0; i < part_count; i++)
		rktest_print("busy_%s %d\ntaken_%s %d\n", parts[i], busy[i], parts[i], taken[i]);
	rktest_print("functions %d\n", function_count);
	return ret;
}

static int learn_one(struct chosen *f)
{
	u8 *addr;

	f->first = boundary_count;
	for (addr = f->from->start; addr < f->from->end; addr++) {
		struct boundary *b = &boundaries[boundary_count];
		int ret;

		if (boundary_count == MOST_BOUNDARIES)
			return -ENOSPC;
		set(&b->p, addr, RKPROBE_FLAG_DISABLED);
		ret = register_rkprobe(&b->p);
		if (ret == -ENOMEM)
			return ret;
		/* The entry is moved after an ENDBR, where it is found once more. */
		if (ret || b->p.addr != addr) {
			if (!ret)
				unregister_rkprobe(&b->p);
			continue;
		}
		b->addr = addr;
		list[list_count++] = &b->p;
		boundary_count++;
	}
	f->count = boundary_count - f->first;
	return 0;
}

static int learn(void)
{
	unsigned long bytes = 0;
	int i, ret = 0;

	for (i = 0; i < function_count && !ret; i++) {
		ret = learn_one(&functions[i]);
		bytes += functions[i].from->end - functions[i].from->start;
	}
	unregister_rkprobes(list, list_count);
	list_count = 0;
	rktest_print("bytes %lu\nboundaries %d\n", bytes, boundary_count);
	return ret;
}

static int handler(struct rkprobe *p, struct pt_regs *regs)
{
	return 0;
}

static void round_of(const struct chosen *f)
{
	u8 *free = NULL;
	int i;

	for (i = f->first; i < f->first + f->count; i++) {
		struct boundary *b = &boundaries[i];

		if (b->done || b->addr < free)
			continue;
		free = b->addr + APART;
		set(&b->p, b->addr, 0);
		if (list_count % 2)
			b->p.pre_handler = handler;
		list[list_count++] = &b->p;
	}
}

static int begin_round(void)
{
	int i, ret = 0;

	for (i = 0; i < function_count; i++)
		round_of(&functions[i]);
	if (list_count)
		ret = register_rkprobes(list, list_count);
	if (ret)
		list_count = 0;
	rktest_print("registered %d\n", list_count);
	return ret;
}

static void count_jumps(void)
{
	unsigned long hits = 0;
	int i, jumps = 0;

	for (i = 0; i < list_count; i++) {
		struct boundary *b = container_of(list[i], struct boundary, p);

		b->hits = rkprobe_hits(&b->p);
		b->jump = READ_ONCE(*b->addr) == JUMP;
		jumps += b->jump;
		hits += b->hits;
	}
	rktest_print("jumps %d\nint3_hits %lu\n", jumps, hits);
}

/* The number of functions whose text has changed. */
static int differing(void)
{
	int i, differ = 0;

	for (i = 0; i < function_count; i++) {
		const struct candidate *c = functions[i].from;

		if (!memcmp(c->start, functions[i].original, c->end - c->start))
			continue;
		pr_info("rktest_proof: text of %pS differs\n", c->start);
		differ++;
	}
	return differ;
}

static int end_round(void)
{
	unsigned long hits = 0;
	int i, ret, hit = 0, jumps = 0;

	for (i = 0; i < list_count; i++) {
		struct boundary *b = container_of(list[i], struct boundary, p);
		unsigned long more = rkprobe_hits(&b->p) - b->hits;

		b->done = true;
		jumps += b->jump;
		hits += b->jump ? more : 0;
		hit += b->jump && more;
	}
	unregister_rkprobes(list, list_count);
	list_count = 0;
	ret = flush_rkprobes();
	i = differing();
	rktest_print("jumps %d\njumps_hit %d\njump_hits %lu\ndiffering %d\n", jumps, hit, hits, i);
	return ret ?: (i ? -EIO : 0);
}

static int rktest_run(int argc, char **argv)
{
	int count;
	u64 seed;

	if (argc >= 2 && !strcmp(argv[0], "candidates"))
		return add_candidates(argc, argv);
	if (rktest_is(argc, argv, "watch", 0))
		return watch();
	if (rktest_is(argc, argv, "choose", 2) && !kstrtoint(argv[1], 0, &count) &&
	    count <= MOST_FUNCTIONS && candidate_count && !kstrtou64(argv[2], 0, &seed))
		return choose(count, seed);
	if (rktest_is(argc, argv, "learn", 0))
		return learn();
	if (rktest_is(argc, argv, "round", 0))
		return begin_round();
	if (rktest_is(argc, argv, "end", 0))
		return end_round();
	if (!rktest_is(argc, argv, "jumps", 0))
		return -EINVAL;
	count_jumps();
	return 0;
}

static void free_all(void)
{
	while (function_count)
		vfree(functions[--function_count].original);
	vfree(functions);
	vfree(boundaries);
	vfree(candidates);
	vfree(list);
}

static int __init proof_init(void)
{
	functions = vcalloc(MOST_FUNCTIONS, sizeof(*functions));
	boundaries = vcalloc(MOST_BOUNDARIES, sizeof(*boundaries));
	candidates = vcalloc(MOST_CANDIDATES, sizeof(*candidates));
	list = vcalloc(MOST_BOUNDARIES, sizeof(*list));
	if (functions && boundaries && candidates && list)
		return 0;
	free_all();
	return -ENOMEM;
}

static void __exit proof_exit(void)
{
	stop_watching();
	if (list_count)
		unregister_rkprobes(list, list_count);
	free_all();
}

module_init(proof_init);
module_exit(proof_exit);
MODULE_DESCRIPTION("Probes every instruction of busy functions");
MODULE_LICENSE("GPL");
