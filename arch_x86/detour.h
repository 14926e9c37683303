/* SPDX-License-Identifier: GPL-2.0 */
/* The layout that detour_entry.S and the writer of slots share. */
#ifndef _RKPROBES_DETOUR_H
#define _RKPROBES_DETOUR_H

/* The distance from a detour's trap pointer to the return address of its call. */
#define RK_DETOUR_TRAP	24

/* Members of struct rkprobe, checked in helpers.c. */
#define RK_PROBE_PRE	24
#define RK_PROBE_HITS	64

/* The bit that the numbers of all lanes have (arch_x86/handlers.rs). */
#define RK_LANE_BIT	1
/* The number of the lane of breakpoints. */
#define RK_LANE_INT3	3

#endif /* _RKPROBES_DETOUR_H */
