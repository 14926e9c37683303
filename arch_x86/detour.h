/* SPDX-License-Identifier: GPL-2.0 */
/* The layout that detour_entry.S and slots' writers share. */
#ifndef _RKPROBES_DETOUR_H
#define _RKPROBES_DETOUR_H

/* From the trap pointer of a detour to the return address of its call. */
#define RK_DETOUR_TRAP	24

/* Members of struct rkprobe, checked in helpers.c. */
#define RK_PROBE_PRE	24
#define RK_PROBE_HITS	64

/* The bit that the numbers of all lanes have (handlers.rs). */
#define RK_LANE_BIT	1

#endif /* _RKPROBES_DETOUR_H */
