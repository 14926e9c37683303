// SPDX-License-Identifier: GPL-2.0
/* Open files: their entry, and what closes them. */
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include "sys/helpers.h"

void *rk_file_dentry(void *file)
{
	return ((struct file *)file)->f_path.dentry;
}

/*
 * In the flush operation: whether no other descriptor and no system call has the
 * file. A caller that got false may still be the last: release() tells.
 */
bool rk_is_last_descriptor(void *file)
{
	return file_count((struct file *)file) <= 1;
}

/* Whether this task is ended by a signal, and closes its files because of that. */
bool rk_killed_by_signal(void)
{
	return (current->flags & PF_EXITING) && (current->exit_code & 0x7f);
}
