/* SPDX-License-Identifier: GPL-2.0 */
/* Functions of the kernel that are not exported, for C files only. */
#ifndef _RKPROBES_STATIC_CALLS_H
#define _RKPROBES_STATIC_CALLS_H

struct kprobe;
struct module;
struct dentry;
struct task_struct;

/* The native kprobe at @addr. Preemption is off while the caller uses it. */
struct kprobe *rk_get_kprobe(unsigned long addr);
/* The module that has @addr. RCU is read-locked while the caller uses it. */
struct module *rk_module_address(unsigned long addr);
/* Removes a file of tracefs. May sleep. */
void rk_remove_tracefs_file(struct dentry *file);
/* Empties the trace buffers that may have records of a removed event. May sleep. */
void rk_reset_traces(void);

/*
 * Calls @look while the scheduler holds @task as it is: the task does not begin or end
 * to run, or to sleep (kernel/sched/core.c:task_call_func).
 */
int rk_task_call(struct task_struct *task,
		 int (*look)(struct task_struct *task, void *data), void *data);

#endif /* _RKPROBES_STATIC_CALLS_H */
