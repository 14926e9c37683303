// SPDX-License-Identifier: GPL-2.0
/*
 * Writes random and damaged text to the files of rkprobes, as a user would do, but
 * from inside the kernel, where a million writes take little time. Command:
 *
 *   run COUNT SEED   makes COUNT writes to all writable files, with reads between
 *                    them. Removes all probes that the writes made. Prints figures
 */
#include <linux/completion.h>
#include <linux/ctype.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/gcd.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include "rktest.h"

#define ROOT	"/sys/kernel/debug/rkprobes/"
#define BUFFER	65536
#define NAMES	24
/* The approximate maximum of probes. At that number all are removed with one write. */
#define MANY	96

static const char * const targets[] = {
	"rktest_alu", "rktest_mov", "rktest_functions:rktest_alu", "rktest_functions:rktest_mov",
	"rktest_victim:rktest_victim_work", "rktest_victim_traced", "rktest_victim:rktest_victim_start",
	/* No part of the test needs these functions while it runs. */
	"gcd", "int_sqrt", "glob_match", "string_unescape", "hex_dump_to_buffer",
	"rational_best_approximation", "bitmap_parselist", "match_token", "lcm",
	/* These are refused: blacklisted, noinstr, unknown, ambiguous. */
	"get_kprobe", "exc_int3", "no_such_function_here", "no_such_module:gcd", "cleanup_module",
};

static const char * const words[] = {
	"p", "c", "-", ":", " ", "+", "0x", "9", "n1", "\n", "#", "\t", "\r", ".", "$", "/../",
	"18446744073709551615", "ffffffffffffffffff", "on", "0", "1", "\xff", "%s", "*",
};

static const char * const readable[] = { "probes", "errors", "list", "explain", "stats", "enabled" };

static struct {
	unsigned long writes, accepted, refused, reads, probes, passes;
} figures;
static u64 seed;
static char *text;
static size_t used;
static char __user *user;
/* The root directory of the task that has written the command. */
static struct path root;

static u32 below(u32 bound)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 20) % bound;
}

static __printf(1, 2) void put(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	used += vscnprintf(text + used, BUFFER - used, format, args);
	va_end(args);
}

static void put_target(void)
{
	switch (below(8)) {
	case 0:
		put("0x%lx", (unsigned long)gcd + below(64));
		break;
	case 1:
		put("0x%llx", seed >> below(64));
		break;
	case 2:
		put("%s", targets[below(ARRAY_SIZE(targets))]);
		break;
	default:
		put(below(2) ? "%s+%u" : "%s+0x%x", targets[below(ARRAY_SIZE(targets))], below(96));
	}
}

static void put_line(void)
{
	switch (below(16)) {
	case 0:
		put("#");
		break;
	case 1:
		put("p ");
		break;
	case 2:
		put("c:n%u ", below(NAMES));
		break;
	case 3:
	case 4:
		put("-:n%u\n", below(NAMES));
		return;
	default:
		put("p:n%u ", below(NAMES));
	}
	put_target();
	put("\n");
}

static void put_word(void)
{
	put("%s", words[below(ARRAY_SIZE(words))]);
}

/* Changes, removes, doubles or inserts a few bytes after @from. */
static void mutate(size_t from)
{
	unsigned int turns = 1 + below(4);

	while (turns-- && used > from) {
		size_t at = from + below(used - from);
		size_t count = min_t(size_t, 1 + below(8), used - at);

		switch (below(5)) {
		case 0:
			text[at] ^= 1 << below(8);
			break;
		case 1:
			text[at] = below(256);
			break;
		case 2:
			memmove(text + at, text + at + count, used - at - count);
			used -= count;
			break;
		case 3:
			if (used + count <= BUFFER) {
				memmove(text + at + count, text + at, used - at);
				used += count;
			}
			break;
		case 4:
			used = at;
			put_word();
			break;
		}
	}
}

static void put_lines(void)
{
	unsigned int lines = below(4) ? 1 : below(8);
	size_t from;

	used = 0;
	while (lines--) {
		from = used;
		put_line();
		if (below(2))
			mutate(from);
	}
}

static void put_switch(void)
{
	unsigned int turns = below(4);

	used = 0;
	/* Accepted text makes the optimizer run, which takes time. */
	if (!below(512)) {
		put("%u\n", below(2));
		return;
	}
	put("x");
	while (turns--)
		put_word();
}

static const int known_errors[] = {
	EINVAL, ENOENT, EEXIST, ENAMETOOLONG, EILSEQ, EOPNOTSUPP, EADDRNOTAVAIL, EBUSY, ENOMEM,
};

/* Writes as vfs_write() does. */
static ssize_t write_once(struct file *file, const char __user *from, size_t count)
{
	struct iov_iter iter;
	struct kiocb kiocb;

	init_sync_kiocb(&kiocb, file);
	iov_iter_ubuf(&iter, ITER_SOURCE, (void __user *)from, count);
	return file->f_op->write_iter(&kiocb, &iter);
}

/*
 * Writes, and closes the file, which carries out a line without a newline. Returns
 * 0 if the text was accepted, 1 for a known error.
 */
static int write_user(struct file *file, const char __user *from, size_t count)
{
	ssize_t ret = write_once(file, from, count);
	int closed = filp_close(file, NULL);
	unsigned int i;

	if (ret == count && closed)
		ret = closed;

	figures.writes++;
	if (ret == count) {
		figures.accepted++;
		return 0;
	}
	figures.refused++;
	for (i = 0; i < ARRAY_SIZE(known_errors); i++)
		if (ret == -known_errors[i])
			return 1;
	rktest_print("a write of %zu bytes returned %zd\n", count, ret);
	return ret < 0 ? ret : -EIO;
}

static struct file *open_file(const char *name, int flags)
{
	char path[96];

	snprintf(path, sizeof(path), ROOT "%s", name);
	return file_open_root(&root, path, flags, 0);
}

/* Writes the text. Returns 0 if it was accepted, 1 for a known error. */
static int write_file(const char *name)
{
	struct file *file = open_file(name, O_WRONLY);

	if (IS_ERR(file))
		return PTR_ERR(file);
	/* The memory is not mapped. */
	if (!below(64)) {
		ssize_t got = write_once(file, user + BUFFER, 1 + below(64));

		figures.writes++;
		figures.refused++;
		if (got != -EFAULT) {
			rktest_print("a write to %s from unmapped memory returned %zd\n", name, got);
			filp_close(file, NULL);
			return -EIO;
		}
	}
	if (copy_to_user(user, text, used)) {
		filp_close(file, NULL);
		return -EFAULT;
	}
	return write_user(file, user, used);
}

/* Reads a file in pieces of @piece bytes to the text, until the text is full. */
static int read_file(const char *name, size_t piece)
{
	struct file *file = open_file(name, O_RDONLY);
	loff_t at = 0;
	ssize_t got;

	if (IS_ERR(file))
		return PTR_ERR(file);
	used = 0;
	do {
		got = file->f_op->read(file, user, min(piece, BUFFER - used), &at);
		if (got > 0 && copy_from_user(text + used, user, got))
			got = -EFAULT;
		if (got > 0)
			used += got;
	} while (got > 0 && used < BUFFER);
	filp_close(file, NULL);
	figures.reads++;
	if (got < 0)
		rktest_print("a read of %s returned %zd\n", name, got);
	return got;
}

/* Turns the lines of "probes" into lines that remove the probes. Returns their number. */
static int turn_into_removals(void)
{
	size_t from = 0, to = 0;
	int count = 0;

	while (from < used) {
		char *end = memchr(text + from, '\n', used - from);
		char *space = memchr(text + from, ' ', used - from);

		if (!end || !space || space > end || text[from + 1] != ':' || !strchr("pc", text[from])) {
			rktest_print("line %d of the file probes has no known form\n", count + 1);
			return -EIO;
		}
		text[to] = '-';
		memmove(text + to + 1, text + from + 1, space - text - from - 1);
		to += space - text - from;
		text[to++] = '\n';
		from = end - text + 1;
		count++;
	}
	used = to;
	return count;
}

static int remove_all(void)
{
	int ret = read_file("probes", BUFFER), count;

	if (ret)
		return ret;
	count = turn_into_removals();
	if (count <= 0)
		return count;
	figures.probes += count;
	ret = write_file("probes");
	if (!ret)
		ret = read_file("probes", BUFFER);
	if (!ret && !used)
		return 0;
	rktest_print("%d probes cannot be removed: %d\n", count, ret);
	return ret < 0 ? ret : -EIO;
}

/* A file of a probe that may exist. */
static int write_probe_file(void)
{
	char name[32];
	int ret;

	snprintf(name, sizeof(name), "probe/n%u/%s", below(NAMES), below(2) ? "enable" : "limit");
	used = 0;
	if (below(2))
		put("%u", below(below(2) ? 2 : 100000));
	else
		put_word();
	ret = write_file(name);
	return ret == -ENOENT ? 1 : ret;
}

static int one_write(void)
{
	static const char * const switches[] = { "enabled", "optimization", "flush" };
	unsigned int which = below(32);

	if (which < 14) {
		put_lines();
		return write_file("probes");
	}
	if (which < 26) {
		used = 0;
		put_target();
		if (below(2))
			mutate(0);
		return write_file("explain");
	}
	if (which < 30)
		return write_probe_file();
	if (which == 30 && below(128))
		return read_file(readable[below(ARRAY_SIZE(readable))], 1 + below(2 * PAGE_SIZE));
	which = below(ARRAY_SIZE(switches));
	put_switch();
	/* A flush accepts any text. Each is a pass. */
	if (which == 2 && below(128))
		which = 0;
	figures.passes += which == 2;
	return write_file(switches[which]);
}

static int switch_on(void)
{
	static const char * const switches[] = { "enabled", "optimization" };
	unsigned int i;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(switches) && !ret; i++) {
		used = 0;
		put("1");
		ret = write_file(switches[i]);
	}
	return ret ? -EIO : 0;
}

static int run(const char *count, const char *start)
{
	unsigned long wanted, next = MANY;
	int ret = 0;

	if (kstrtoul(count, 0, &wanted) || kstrtou64(start, 0, &seed) || !seed)
		return -EINVAL;
	memset(&figures, 0, sizeof(figures));
	while (ret >= 0 && figures.writes < wanted) {
		ret = one_write();
		if (ret >= 0 && figures.writes >= next) {
			next = figures.writes + MANY;
			ret = remove_all();
		}
		cond_resched();
	}
	if (ret >= 0)
		ret = remove_all() ?: switch_on();
	rktest_print("writes %lu\naccepted %lu\nrefused %lu\nreads %lu\nprobes %lu\nflushes %lu\n",
		     figures.writes, figures.accepted, figures.refused, figures.reads, figures.probes,
		     figures.passes);
	return ret;
}

struct job {
	const char *count, *start;
	struct mm_struct *mm;
	struct completion done;
	int ret;
};

static int run_with_memory(struct job *job)
{
	unsigned long place;
	int ret;

	/* The memory after the buffer is not mapped. */
	place = vm_mmap(NULL, 0, 2 * BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE(place))
		return place;
	ret = vm_munmap(place + BUFFER, BUFFER);
	user = (char __user *)place;
	text = vzalloc(BUFFER);
	if (!ret)
		ret = text ? run(job->count, job->start) : -ENOMEM;
	vfree(text);
	vm_munmap(place, BUFFER);
	return ret;
}

static int run_job(void *data)
{
	struct job *job = data;

	kthread_use_mm(job->mm);
	job->ret = run_with_memory(job);
	kthread_unuse_mm(job->mm);
	kthread_complete_and_exit(&job->done, 0);
}

/*
 * The command holds the locks of its own file, and other files must not be opened
 * and read under them. A thread does that, with the memory and the files of the task
 * that has written the command.
 */
static int run_apart(const char *count, const char *start)
{
	struct job job = { .count = count, .start = start, .mm = current->mm };
	struct task_struct *task;

	init_completion(&job.done);
	get_fs_root(current->fs, &root);
	task = kthread_run(run_job, &job, "rktest_fuzz");
	job.ret = PTR_ERR_OR_ZERO(task);
	if (!job.ret)
		wait_for_completion(&job.done);
	path_put(&root);
	return job.ret;
}

static int rktest_run(int argc, char **argv)
{
	if (rktest_is(argc, argv, "run", 2))
		return run_apart(argv[1], argv[2]);
	return -EINVAL;
}

static int __init fuzz_init(void)
{
	return 0;
}

static void __exit fuzz_exit(void)
{
}

module_init(fuzz_init);
module_exit(fuzz_exit);
MODULE_DESCRIPTION("Writes nonsense to the files of rkprobes");
MODULE_LICENSE("GPL");
