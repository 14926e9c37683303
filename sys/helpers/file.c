// SPDX-License-Identifier: GPL-2.0
/* Open files: their entry, and what closes them. Paths. */
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
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

/* Whether this task got a signal that will end it. */
bool rk_is_dying(void)
{
	return fatal_signal_pending(current);
}

/*
 * Whether a task was ended, or is being ended, by a signal. That is known as long as
 * the structure of the task lives. A signal that ends one thread ends all threads of
 * its group. exit_code is also used by ptrace, until the task exits.
 */
bool rk_killed_by_signal(void *task)
{
	struct task_struct *of = task;
	struct signal_struct *group = of->signal;

	if ((READ_ONCE(of->flags) & PF_EXITING) && (READ_ONCE(of->exit_code) & 0x7f))
		return true;
	return (READ_ONCE(group->flags) & SIGNAL_GROUP_EXIT) &&
	       (READ_ONCE(group->group_exit_code) & 0x7f);
}

/* Whether this task finds a file there. May sleep. */
bool rk_path_exists(const char *name)
{
	struct path path;

	if (kern_path(name, LOOKUP_FOLLOW, &path))
		return false;
	path_put(&path);
	return true;
}
