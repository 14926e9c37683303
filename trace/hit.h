/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoint rk_hit, for programs of BPF: a hit of a probe that has an event.
 * It is read several times: as a declaration here, and as definitions in hit.c.
 */
#if !defined(_RKPROBES_TRACE_HIT_H) || defined(TRACE_HEADER_MULTI_READ)
#define _RKPROBES_TRACE_HIT_H

#include <linux/tracepoint.h>

struct pt_regs;

DECLARE_EVENT_CLASS(rk_hit,
	TP_PROTO(u64 cookie, const char *name, unsigned long ip, struct pt_regs *regs),
	TP_ARGS(cookie, name, ip, regs), , , );

DEFINE_EVENT(rk_hit, rk_hit,
	TP_PROTO(u64 cookie, const char *name, unsigned long ip, struct pt_regs *regs),
	TP_ARGS(cookie, name, ip, regs));

#endif /* _RKPROBES_TRACE_HIT_H */
