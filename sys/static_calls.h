/* SPDX-License-Identifier: GPL-2.0 */
/* Functions of the kernel that are not exported, for C files only. */
#ifndef _RKPROBES_STATIC_CALLS_H
#define _RKPROBES_STATIC_CALLS_H

struct kprobe;
struct module;

/* The native kprobe at @addr. Preemption is off while the caller uses it. */
struct kprobe *rk_get_kprobe(unsigned long addr);
/* The module that has @addr. RCU is read-locked while the caller uses it. */
struct module *rk_module_address(unsigned long addr);

#endif /* _RKPROBES_STATIC_CALLS_H */
