/* SPDX-License-Identifier: GPL-2.0 */
/* The layout that detour_entry.S and slots' writers share. */
#ifndef _RKPROBES_DETOUR_H
#define _RKPROBES_DETOUR_H

/* From the trap pointer of a detour to the return address of its call. */
#define RK_DETOUR_TRAP	24

#endif /* _RKPROBES_DETOUR_H */
