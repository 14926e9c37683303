// SPDX-License-Identifier: GPL-2.0
/*
 * Counts the calls of many functions, and prints the functions with the most
 * calls when the module is unloaded. One batch registers all probes.
 *
 *   insmod rkprobe_count.ko functions=vfs_read,vfs_write,do_sys_openat2
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <rkprobes.h>

#define MOST		128
#define PRINTED		10

static char *functions[MOST] = {
	"do_sys_openat2", "filp_close", "vfs_read", "vfs_write", "vfs_statx", "path_openat",
	"lookup_fast", "dput", "kernel_clone", "do_exit", "schedule", "wake_up_process",
	"try_to_wake_up", "handle_mm_fault", "do_mmap", "kfree", "__kmalloc_noprof",
	"ksys_read", "ksys_write", "tty_write",
};
static int count;
module_param_array(functions, charp, &count, 0400);
MODULE_PARM_DESC(functions, "names of the functions, separated by commas");

struct counted {
	struct rkprobe probe;
	unsigned long hits;
};

static struct counted *counted;
static struct rkprobe *probes[MOST];

/* Without a handler a probe only counts. */
static int __init make_probes(void)
{
	int i;

	counted = kcalloc(count, sizeof(*counted), GFP_KERNEL);
	if (!counted)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		counted[i].probe.symbol_name = functions[i];
		probes[i] = &counted[i].probe;
	}
	return 0;
}

/* After a refused batch each probe that was refused has the reason. */
static void print_reasons(int error)
{
	int i;

	pr_err("rkprobe_count: error %d\n", error);
	for (i = 0; counted && i < count; i++)
		if (counted[i].probe.reason)
			pr_err("rkprobe_count: no probe at %s: %s\n",
			       counted[i].probe.symbol_name, counted[i].probe.reason);
}

static int busier(const void *left, const void *right)
{
	const struct counted *l = left, *r = right;

	return (l->hits < r->hits) - (l->hits > r->hits);
}

static int __init count_init(void)
{
	int ret;

	/* Without a parameter the functions are those of the list. */
	if (!count)
		while (count < MOST && functions[count])
			count++;
	ret = make_probes();
	if (!ret)
		ret = register_rkprobes(probes, count);
	if (ret) {
		print_reasons(ret);
		kfree(counted);
		return ret;
	}
	pr_info("rkprobe_count: counting the calls of %d functions\n", count);
	return 0;
}

static void __exit count_exit(void)
{
	int i;

	for (i = 0; i < count; i++)
		counted[i].hits = rkprobe_hits(&counted[i].probe);
	unregister_rkprobes(probes, count);
	sort(counted, count, sizeof(counted[0]), busier, NULL);
	for (i = 0; i < min(count, PRINTED); i++)
		pr_info("rkprobe_count: %lu %s\n", counted[i].hits, counted[i].probe.symbol_name);
	kfree(counted);
}

module_init(count_init);
module_exit(count_exit);
MODULE_DESCRIPTION("Sample of the C API of rkprobes: counts the calls of many functions");
MODULE_LICENSE("GPL");
