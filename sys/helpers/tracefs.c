// SPDX-License-Identifier: GPL-2.0
/*
 * Files in the top directory of tracefs, which calls the operations of a file directly.
 * An opening of a file whose operations have a module that is being unloaded is a
 * warning of the kernel (fs/open.c:do_dentry_open). A mount of the file elsewhere, or a
 * descriptor of O_PATH, does not keep the module loaded, and a task may open the file by
 * it later. So a file has a gate: operations without a module, in memory that stays for
 * ever. They only open: that asks for the module, and gives the open file the operations
 * of the module, as chrdev_open() does.
 */
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kmemleak.h>
#include <linux/module.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/tracefs.h>
#include "sys/helpers.h"
#include "sys/static_calls.h"

struct rk_tracefs_gate {
	struct file_operations gate;
	const struct file_operations *operations;
	struct dentry *file;
};

/*
 * The task has read the address of this function from the gate and has not slept since.
 * Where it does not have the module it does not sleep before it has returned.
 * shell/work.rs waits for such tasks before the module's memory is freed.
 */
static int rk_tracefs_open(struct inode *inode, struct file *file)
{
	const struct rk_tracefs_gate *gate =
		container_of(file->f_op, struct rk_tracefs_gate, gate);
	const struct file_operations *operations = gate->operations;
	int error;

	if (!try_module_get(operations->owner))
		return -ENODEV;
	error = operations->open(inode, file);
	if (error)
		module_put(operations->owner);
	else
		replace_fops(file, operations);
	return error;
}

/* NULL if tracefs is off or locked down, or lacks memory. */
void *rk_tracefs_create(const char *name, unsigned short mode, void *data,
			const void *operations)
{
	struct rk_tracefs_gate *gate = kzalloc(sizeof(*gate), GFP_KERNEL);

	if (!gate)
		return NULL;
	gate->gate.open = rk_tracefs_open;
	gate->operations = operations;
	gate->file = tracefs_create_file(name, mode, NULL, data, &gate->gate);
	if (IS_ERR_OR_NULL(gate->file)) {
		kfree(gate);
		return NULL;
	}
	return gate;
}

/*
 * Removes a file. No descriptor that can read or write has it open, because that keeps
 * the module loaded. The gate stays, without its way to the module.
 */
void rk_tracefs_remove(void *file)
{
	struct rk_tracefs_gate *gate = file;

	kmemleak_not_leak(gate);
	WRITE_ONCE(gate->gate.open, NULL);
	rk_remove_tracefs_file(gate->file);
}

/* Whether a task may not open files of tracefs: a negative error number, or 0. */
int rk_tracefs_locked_down(void)
{
	return security_locked_down(LOCKDOWN_TRACEFS);
}
