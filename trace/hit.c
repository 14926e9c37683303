// SPDX-License-Identifier: GPL-2.0
/*
 * Defines the tracepoint rk_hit, and what programs of BPF need to attach to it. It is
 * no event, because each probe has its own: so this reads hit.h with less than
 * trace/define_trace.h would.
 */
#include <linux/trace_events.h>
#include "trace/hit.h"

#define TRACE_HEADER_MULTI_READ

#undef DECLARE_EVENT_CLASS
#define DECLARE_EVENT_CLASS(name, proto, args, tstruct, assign, print)
#undef DEFINE_EVENT
#define DEFINE_EVENT(template, name, proto, args)	\
	DEFINE_TRACE(name, PARAMS(proto), PARAMS(args))
#include "trace/hit.h"

#define TRACE_INCLUDE(file)	"trace/hit.h"
#include <trace/bpf_probe.h>
