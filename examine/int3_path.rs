// SPDX-License-Identifier: GPL-2.0

//! The int3 path: what runs between an int3 and the module's handler, and on the way back.
//!
//! A probe on the int3 path would hit its own int3 without end, because the int3 comes before the
//! handler can see that this CPU is in a handler already. The blacklist of native kprobes does not have
//! the whole path: `exc_int3` calls native kprobes before the notifier chain, so text between the two
//! endangers only this module. The functions are found in the running kernel: the direct branches from
//! the entry of the exception to the module's notifier are followed through all that can be executed
//! there. The notifiers that the chain calls before the module's notifier are added.

use crate::eligibility::collect_cross_branches;
use crate::eligibility::refusal::Refusal;
use crate::eligibility::reserved::{Index, Kind};
use crate::examine::pieces::is_preamble;
use crate::insn_decode::opcodes::INT3;
use crate::shell::{module_text, text};
use crate::sys::ffi;
use crate::sys::growable::Kernel;
use crate::sys::locks::TextLocks;
use crate::sys::symbols::{self, Symbol};
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
/// - Reports of a broken kernel.
/// - Functions that are not called because of `in_nmi()` or disabled interrupts
///   (kernel/rcu/tree_plugin.h:rcu_read_unlock_special, kernel/softirq.c:raise_softirq_irqoff,
///   kernel/irq_work.c:irq_work_queue_on).
/// - The scheduler, because preemption is off, so it has not changed the CPUs of the task since
///   `migrate_disable()` (include/linux/sched.h:__migrate_enable).
/// - Trampolines of static calls. Their area is reserved as a whole.
///
/// On a debug kernel also:
///
/// - What the reports of lockdep, KASAN, lists and lib/smp_processor_id.c call.
/// - What lockdep sets up once, when the kernel boots
///   (kernel/locking/lockdep.c:init_data_structures_once).
/// - What KASAN records of an irq_work in irq_work_queue_on, because that function is not called.
const NOT_TAKEN: [&[u8]; 25] = [
    b"panic",
    b"__ubsan",
    b"__stack_chk_fail",
    b"_printk",
    b"wake_up_process",
    b"preempt_schedule",
    b"___migrate_enable",
    b"_raw_spin",
    b"rcu_preempt_deferred_qs_irqrestore",
    b"__smp_call_single_queue",
    b"tick_nohz",
    b"__SCT__",
    b"__trace_set",
    b"__fentry__",
    b"print_",
    b"__print_lock_name",
    b"dump_stack",
    b"nbcon_",
    b"debug_show_all_locks",
    b"lockdep_rcu_suspicious",
    b"kasan_report",
    b"__asan_report",
    b"mem_dump_obj",
    b"init_rcu_head",
    b"kasan_record_aux_stack",
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
/// notifier that runs. They have guards against recursion. But the tracing of an int3 would hit a probe
/// before such a guard again.
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

/// More functions than the int3 path has, on a kernel with all debug options too. A walk that finds more
/// has left the path.
const MOST: usize = 4096;

/// More notifiers than the chain calls before the module's.
const MOST_NOTIFIERS: usize = 16;

/// No function of the int3 path is longer than this.
const LONGEST: usize = 1 << 16;

/// The most bytes before a function's entry that calls go through (callthunks.c:nops).
const BEFORE_ENTRY: usize = 32;

/// Puts the int3 path into `index`.
///
/// # Errors
///
/// ENOENT, EOPNOTSUPP: a part of the path is unknown on this kernel. The module does not load without
/// that part, because a probe on an unprotected function would bring the kernel down.
pub(crate) fn reserve(locks: &TextLocks, index: &mut Index<Kernel>) -> Result {
    let mut path = Walk::new(is_taken);
    for name in ROOTS {
        path.add(symbols::required(name)?)?;
    }
    path.add_names(&THUNKS)?;
    let thunks = symbols::lookup(c"__x86_indirect_thunk_array");
    let (thunks_end, _) = symbols::static_call_text();
    if thunks != 0 {
        path.found.push((thunks, thunks_end), GFP_KERNEL)?;
    }
    let mut notifiers = [0; MOST_NOTIFIERS];
    // SAFETY: the chain is found at load, and the array has room for the number that is given.
    let count = unsafe {
        ffi::rk_notifiers_before(
            symbols::address(symbols::Data::DieChain),
            notifiers.as_mut_ptr(),
            MOST_NOTIFIERS as kernel::ffi::c_uint,
        )
    };
    if count as usize == MOST_NOTIFIERS {
        return Err(unknown(c"die_chain", "has too many notifiers"));
    }
    for notifier in notifiers.iter().take(count as usize) {
        path.add(*notifier)?;
    }
    path.add_names(&BPF_TRAMPOLINES)?;
    path.add_names(&TRACEPOINT)?;
    // A notifier returns at once for an int3 that is not its own, so its branches are not followed.
    path.follow_all(locks, &notifiers)?;
    let mut tracing = Walk::new(is_untraced);
    tracing.add_names(&TRACERS)?;
    tracing.follow_all(locks, &[])?;
    let copied = (symbols::lookup(COPIED.0), symbols::lookup(COPIED.1));
    if copied.0 != 0 && copied.0 < copied.1 {
        tracing.found.push(copied, GFP_KERNEL)?;
    }
    for (start, end) in [path.found, tracing.found].iter().flatten() {
        index
            .push(*start as u64, *end as u64, Kind::Int3Path)
            .map_err(|_| ENOMEM)?;
    }
    Ok(())
}

/// A walk along direct branches.
struct Walk {
    /// The functions that are reached: where they begin and end.
    found: KVec<(usize, usize)>,
    /// Whether the path may execute a function.
    is_taken: fn(&Symbol) -> bool,
}

impl Walk {
    fn new(is_taken: fn(&Symbol) -> bool) -> Self {
        Self {
            found: KVec::new(),
            is_taken,
        }
    }

    fn add_names(&mut self, names: &[&CStr]) -> Result {
        for name in names {
            self.add(symbols::lookup(name))?;
        }
        Ok(())
    }

    /// Adds the function at `addr`, if the path can execute it and it can be probed. Text that is made at
    /// run time (trampolines, copies of native probes, thunks) has no probes. It calls through pointers,
    /// or it is a copy of text that is followed.
    fn add(&mut self, mut addr: usize) -> Result {
        // With call depth tracking a call goes to bytes before the function's entry, and through them
        // (arch/x86/kernel/callthunks.c). These bytes have a symbol, or are the end of another function.
        let function = loop {
            match symbols::function(addr) {
                Some(function) if is_preamble(function.name()) => addr = function.end(),
                Some(function) => break function,
                None => return Ok(()),
            }
        };
        let next = function.end();
        if addr != function.start && next.wrapping_sub(addr) <= BEFORE_ENTRY {
            self.add(next)?;
        }
        if !(self.is_taken)(&function) {
            return Ok(());
        }
        let start = function.start;
        let is_known = self.found.iter().any(|place| place.0 == start);
        if is_known || module_text::check(start) == Err(Refusal::NotText) {
            return Ok(());
        }
        let end = end_of(&function);
        if end.saturating_sub(start) > LONGEST {
            return Err(unknown(function.name(), "is too long to be on it"));
        }
        if self.found.len() >= MOST {
            return Err(unknown(function.name(), "and too many others are on it"));
        }
        Ok(self.found.push((start, end), GFP_KERNEL)?)
    }

    /// Follows the branches of all functions that were added, those of `leaves` excepted.
    fn follow_all(&mut self, locks: &TextLocks, leaves: &[kernel::ffi::c_ulong]) -> Result {
        let mut at = 0usize;
        while let Some((start, end)) = self.found.get(at).copied() {
            at = at.wrapping_add(1);
            if !leaves.contains(&start) {
                self.follow(locks, start, end)?;
            }
        }
        Ok(())
    }

    fn follow(&mut self, locks: &TextLocks, start: usize, end: usize) -> Result {
        let mut bytes: KVec<u8> = KVec::new();
        bytes.resize(end.saturating_sub(start), 0, GFP_KERNEL)?;
        // SAFETY: the bytes are those of a function, which is mapped.
        unsafe { text::read_without_natives(locks, start, &mut bytes) };
        let mut result = Ok(());
        let whole = collect_cross_branches(start as u64, &bytes, |branch| {
            if result.is_ok() {
                result = self.add(branch.to as usize);
            }
        });
        result?;
        if whole {
            return Ok(());
        }
        let name = symbols::function(start);
        let name = name.as_ref().map_or(c"text without a symbol", Symbol::name);
        Err(unknown(name, "does not decode to its end"))
    }
}

/// Where a function ends. A symbol ends where the next symbol begins. srso_alias_return_thunk must be at a
/// certain address, so up to 2 MiB of fill follow it.
fn end_of(function: &Symbol) -> usize {
    if function.size <= LONGEST || !symbols::in_kernel_text(function.end()) {
        return function.end();
    }
    // SAFETY: both ends are in the kernel's text, which is mapped, and `text_mutex` is held, so no task
    // writes it.
    let bytes = unsafe { core::slice::from_raw_parts(function.start as *const u8, function.size) };
    let last = bytes.iter().rposition(|byte| !matches!(*byte, 0x00 | INT3));
    let len = last.map_or(0, |last| last.wrapping_add(1));
    function.start.wrapping_add(len)
}

/// The error of a walk that does not find the whole path. Prints why.
fn unknown(name: &CStr, why: &str) -> Error {
    pr_err!("cannot find all that runs between an int3 and its handler: {name} {why}\n");
    EOPNOTSUPP
}

fn is_taken(function: &Symbol) -> bool {
    let name = function.name().to_bytes();
    !name.ends_with(b".cold") && !NOT_TAKEN.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether tracing runs a function before its guards against recursion. It calls functions with an ftrace
/// entry only after these guards, because such functions are traced. Else it would trace itself without
/// end, with no probe at all.
fn is_untraced(function: &Symbol) -> bool {
    // SAFETY: ftrace searches its own tables for the range; any range is allowed.
    let traced =
        unsafe { ffi::rk_ftrace_location_range(function.start, function.end().wrapping_sub(1)) };
    traced == 0 && is_taken(function)
}
