// SPDX-License-Identifier: GPL-2.0

//! The int3 path: what runs between an int3 and the module's handler, and on the way back.
//!
//! A probe on the int3 path would hit its own int3 without end, because the int3 comes before the
//! handler can see that this CPU is in a handler already. The blacklist of native kprobes does not have
//! the whole path: `exc_int3` calls native kprobes before the notifier chain, so text between the two
//! endangers only this module. The functions are found in the running kernel: the direct branches from
//! the entry of the exception to the module's notifier are followed through all that can be executed
//! there. The notifiers that the chain calls before the module's notifier are added.

use super::walk::{
    self,
    Walk, //
};
use crate::eligibility::reserved::{
    Index,
    Kind, //
};
use crate::sys::ffi;
use crate::sys::growable::Kernel;
use crate::sys::locks::TextLocks;
use crate::sys::symbols::{
    self,
    Symbol, //
};
use kernel::prelude::*;

/// What arch/x86/kernel/traps.c:exc_int3 calls until the module's notifier runs.
const ROOTS: [&CStr; 4] = [
    c"irqentry_nmi_enter",
    c"irqentry_nmi_exit",
    c"smp_text_poke_int3_handler",
    c"notify_die",
];

/// Functions that the int3 path has branches to and never calls: the beginnings of their names.
///
/// - Functions that are not called because of `in_nmi()` or disabled interrupts
///   (kernel/rcu/tree_plugin.h:rcu_read_unlock_special, kernel/softirq.c:raise_softirq_irqoff,
///   kernel/irq_work.c:irq_work_queue_on).
/// - The scheduler, because preemption is off, so it has not changed the CPUs of the task since
///   `migrate_disable()` (include/linux/sched.h:__migrate_enable).
const NOT_TAKEN: [&[u8]; 8] = [
    b"wake_up_process",
    b"preempt_schedule",
    b"___migrate_enable",
    b"_raw_spin",
    b"rcu_preempt_deferred_qs_irqrestore",
    b"__smp_call_single_queue",
    b"tick_nohz",
    b"__trace_set",
];

/// Thunks of returns, and others outside the area of thunks of indirect branches. The processor's
/// mitigations decide which thunk a return runs through.
const THUNKS: [&CStr; 10] = [
    c"__x86_return_thunk",
    c"srso_return_thunk",
    c"srso_alias_return_thunk",
    c"retbleed_return_thunk",
    c"its_return_thunk",
    c"call_depth_return_thunk",
    c"srso_alias_untrain_ret",
    c"srso_alias_safe_ret",
    c"its_static_thunk",
    c"warn_thunk_thunk",
];

/// The functions that BPF's trampolines call on the path. A program can be attached to the entry and to the return of
/// each function of the path that has an ftrace entry. The trampoline is called without ftrace's guards
/// (kernel/bpf/trampoline.c, arch/x86/net/bpf_jit_comp.c:__arch_prepare_bpf_trampoline). Only the program
/// has a guard against recursion, and these functions take the guard and release it. So all that they
/// call runs at every int3, whether it has an ftrace entry or not. A function that a program calls
/// runs under the program's guard.
///
/// A sleepable program cannot be attached to a function of the path
/// (kernel/bpf/verifier.c:bpf_check_attach_target).
const BPF_TRAMPOLINES: [&CStr; 7] = [
    c"__bpf_prog_enter_recur",
    c"__bpf_prog_exit_recur",
    c"__bpf_prog_enter",
    c"__bpf_prog_exit",
    c"__bpf_tramp_enter",
    c"__bpf_tramp_exit",
    c"bpf_prog_inc_misses_counter",
];

/// The callers of BPF programs and other functions on the tracepoint notifier_run. The first one calls
/// several functions, the second one calls a single program (kernel/trace/bpf_trace.c:__bpf_trace_run has
/// the guard).
const TRACEPOINT: [&CStr; 2] = [c"__traceiter_notifier_run", c"__bpf_trace_notifier_info"];

/// The entries of tracing, which run when a user traces the int3 path: the callbacks of the function
/// tracer, those of fprobes, livepatches and native kprobes at an entry, and those of the event for a
/// notifier that runs. They have guards against recursion. But a probe before the guard
/// would be hit again at each traced int3.
const TRACERS: [&CStr; 27] = [
    c"ftrace_caller",
    c"return_to_handler",
    c"arch_ftrace_ops_list_func",
    c"ftrace_ops_assist_func",
    c"ftrace_pid_func",
    c"function_trace_call",
    c"function_args_trace_call",
    c"function_stack_trace_call",
    c"function_no_repeats_trace_call",
    c"function_stack_no_repeats_trace_call",
    c"function_trace_probe_call",
    c"ftrace_graph_func",
    c"trace_graph_entry",
    c"trace_graph_entry_args",
    c"trace_graph_return",
    c"trace_graph_thresh_return",
    c"perf_ftrace_function_call",
    c"stack_trace_call",
    c"fprobe_ftrace_entry",
    c"fprobe_fgraph_entry",
    c"fprobe_return",
    c"klp_ftrace_handler",
    c"kprobe_ftrace_handler",
    c"wakeup_tracer_call",
    c"irqsoff_tracer_call",
    c"trace_event_raw_event_notifier_info",
    c"perf_trace_notifier_info",
];

/// The first symbol of the code that calls tracers, and the first symbol after it. The code has more
/// symbols inside. The kernel copies the code into trampolines. It would copy the int3 of a probe too, to
/// an address that no notifier claims.
const COPIED: (&CStr, &CStr) = (c"ftrace_caller", c"return_to_handler");

/// What the walks look for.
const GOAL: &str = "all that runs between an int3 and its handler";

/// More functions than the int3 path has, on a kernel with all debug options too. A walk that finds more
/// has left the path.
const MOST: usize = 4096;

/// More notifiers than the chain calls before the module's.
const MOST_NOTIFIERS: usize = 16;

/// Puts the int3 path into `index`.
///
/// # Errors
///
/// ENOENT, EOPNOTSUPP: a part of the path is unknown on this kernel. The module does not load without
/// that part, because a probe on an unprotected function would bring the kernel down.
pub(crate) fn reserve(locks: &TextLocks, index: &mut Index<Kernel>) -> Result {
    let mut path = Walk::new(GOAL, MOST, is_taken);
    for name in ROOTS {
        path.add(symbols::required(name)?)?;
    }
    path.add_names(&THUNKS)?;
    let thunks = symbols::lookup(c"__x86_indirect_thunk_array");
    let (thunks_end, _) = symbols::static_call_text();
    if thunks != 0 {
        path.add_range(thunks, thunks_end)?;
    }
    let mut notifiers = [0; MOST_NOTIFIERS];
    // SAFETY: The chain is found at load, and the array has room for the number that is given.
    let count = unsafe {
        ffi::rk_notifiers_before(
            symbols::address(symbols::Data::DieChain),
            notifiers.as_mut_ptr(),
            MOST_NOTIFIERS as kernel::ffi::c_uint,
        )
    };
    if count as usize == MOST_NOTIFIERS {
        return Err(path.unknown(c"die_chain", "has too many notifiers"));
    }
    for notifier in notifiers.iter().take(count as usize) {
        path.add(*notifier)?;
    }
    path.add_names(&BPF_TRAMPOLINES)?;
    path.add_names(&TRACEPOINT)?;
    // A notifier returns at once for an int3 that is not its own, so its branches are not followed.
    path.follow_all(locks, &notifiers)?;
    let mut tracing = Walk::new(GOAL, MOST, is_untraced);
    tracing.add_names(&TRACERS)?;
    tracing.follow_all(locks, &[])?;
    let copied = (symbols::lookup(COPIED.0), symbols::lookup(COPIED.1));
    if copied.0 != 0 && copied.0 < copied.1 {
        tracing.add_range(copied.0, copied.1)?;
    }
    path.reserve(index, Kind::Int3Path)?;
    tracing.reserve(index, Kind::Int3Path)
}

fn is_taken(function: &Symbol) -> bool {
    walk::is_taken(function, &NOT_TAKEN)
}

/// Whether tracing runs a function before its guards against recursion. It calls functions with an ftrace
/// entry only after these guards, because such functions are traced. Else it would trace itself without
/// end, with no probe at all.
fn is_untraced(function: &Symbol) -> bool {
    // SAFETY: Ftrace searches its own tables for the range; any range is allowed.
    let traced =
        unsafe { ffi::rk_ftrace_location_range(function.start, function.end().wrapping_sub(1)) };
    traced == 0 && is_taken(function)
}
