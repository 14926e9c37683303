/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the tests talk to a test module: a command written to its parameter
 * "command" runs at once, the write's errno is the command's, and reading the
 * parameter gives what the last command printed.
 */
#ifndef RKTEST_H
#define RKTEST_H

#include <linux/err.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>

static char rktest_text[PAGE_SIZE];
static size_t rktest_used;
static bool rktest_truncated;

/*
 * Adds to the answer, which the next read gives. A command whose answer is longer than
 * a page fails.
 */
static __printf(1, 2) void rktest_print(const char *format, ...)
{
	size_t left = sizeof(rktest_text) - rktest_used;
	va_list args;
	int wanted;

	va_start(args, format);
	wanted = vsnprintf(rktest_text + rktest_used, left, format, args);
	va_end(args);
	if (wanted >= left) {
		rktest_truncated = true;
		wanted = left - 1;
	}
	rktest_used += wanted;
}

/* Each module has its own: the words of the command, the errno. */
static int rktest_run(int argc, char **argv);

static int rktest_set(const char *value, const struct kernel_param *kp)
{
	int argc, ret;
	char **argv = argv_split(GFP_KERNEL, value, &argc);

	if (!argv)
		return -ENOMEM;
	rktest_used = 0;
	rktest_truncated = false;
	rktest_text[0] = '\0';
	ret = argc ? rktest_run(argc, argv) : -EINVAL;
	argv_free(argv);
	return ret || !rktest_truncated ? ret : -EOVERFLOW;
}

static int rktest_get(char *buffer, const struct kernel_param *kp)
{
	memcpy(buffer, rktest_text, rktest_used);
	return rktest_used;
}

static const struct kernel_param_ops rktest_ops = {
	.set = rktest_set,
	.get = rktest_get,
};
module_param_cb(command, &rktest_ops, NULL, 0600);
MODULE_PARM_DESC(command, "write: run a test command; read: what it printed");

/* True if the command is "NAME" followed by @arguments words. */
static inline bool rktest_is(int argc, char **argv, const char *name, int arguments)
{
	return argc == arguments + 1 && !strcmp(argv[0], name);
}

#endif
