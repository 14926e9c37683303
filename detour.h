/* SPDX-License-Identifier: GPL-2.0 */
/* The layout that detour_entry.S and slots' writers share. */
#ifndef _RKPROBES_DETOUR_H
#define _RKPROBES_DETOUR_H

/* From the trap pointer of a detour to the return address of its call. */
#define RK_DETOUR_TRAP	24

/* Members of struct rkprobe, checked in helpers.c. */
#define RK_PROBE_PRE	24
#define RK_PROBE_HITS	64

/* The lane of a jump's handlers (arch_x86.rs). */
#define RK_LANE_JUMP	2

#endif /* _RKPROBES_DETOUR_H */
