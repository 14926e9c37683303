// SPDX-License-Identifier: GPL-2.0

//! What runs between an int3 and our handler, or on the way back.
//!
//! A probe there would be hit by its own int3, without end: before our handler can tell that it is
//! in a handler already. Native kprobes are asked first (`exc_int3` calls them before the notifier
//! chain), so their blacklist leaves out what is only in our way. The functions are worked out from
//! the running kernel: the direct branches from where the exception entry calls us, followed
//! through what can be executed there, and the notifiers that are in the chain before us.

use crate::eligibility::collect_cross_branches;
use crate::eligibility::refusal::Refusal;
use crate::eligibility::reserved::{Index, Kind};
use crate::examine::pieces::is_preamble;
use crate::insn_decode::opcodes::INT3;
use crate::shell::module_text;
use crate::shell::text;
use crate::sys::ffi;
use crate::sys::growable::Kernel;
use crate::sys::locks::TextLocks;
use crate::sys::symbols::{self, Symbol};
use kernel::prelude::*;

/// Where arch/x86/kernel/traps.c:exc_int3 goes until it is in our notifier.
const ROOTS: [&CStr; 4] = [
    c"irqentry_nmi_enter",
    c"irqentry_nmi_exit",
    c"smp_text_poke_int3_handler",
    c"notify_die",
];

/// Branches there that are never taken in this context: the beginnings of the names of what they
/// lead to. Reports of a broken kernel; what `in_nmi()` or disabled interrupts keep from being
/// called (kernel/rcu/tree_plugin.h:rcu_read_unlock_special, kernel/softirq.c:raise_softirq_irqoff,
/// kernel/irq_work.c:irq_work_queue_on); the scheduler, because preemption is off, so it has not changed
/// the CPUs of the task since `migrate_disable()` (include/linux/sched.h:__migrate_enable). Trampolines of
/// static calls are in an area of their own, which is reserved as a whole.
///
/// On a kernel that looks for mistakes besides: what its reports call (lockdep, KASAN, lists,
/// lib/smp_processor_id.c); what lockdep sets up once, when the kernel boots
/// (kernel/locking/lockdep.c:init_data_structures_once); what KASAN keeps of an irq_work in
/// irq_work_queue_on, which is not called, as said above.
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

/// Thunks behind those of indirect branches, which are all in one area: which of them a return runs
/// through depends on the processor.
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

/// What BPF's trampolines call on the path. A program can be attached to the entry and to the return of
/// each function of the path that has an ftrace entry. The trampoline is called without ftrace's guards
/// (kernel/bpf/trampoline.c, arch/x86/net/bpf_jit_comp.c:__arch_prepare_bpf_trampoline). Only the program
/// has a guard against recursion, and these functions take the guard and release it. So all that they
/// call runs at every int3, whether it has an ftrace entry or not. What a program calls runs under its
/// guard.
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

/// What BPF programs and others on the tracepoint of a notifier that runs are called by. More than one
/// function on it is called by the first of these, one program by the second
/// (kernel/trace/bpf_trace.c:__bpf_trace_run has the guard).
const TRACEPOINT: [&CStr; 2] = [c"__traceiter_notifier_run", c"__bpf_trace_notifier_info"];

/// Where tracing of that way begins, if somebody traces it: the function tracer's callbacks, those of
/// fprobes, livepatches and native kprobes at an entry, and those of the event of a notifier that runs.
/// They have guards against recursion, but a probe before a guard would be hit again by the tracing of
/// its own int3.
const TRACERS: [&CStr; 23] = [
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

/// From where to where ftrace has the code that calls tracers, whose parts are symbols. The kernel
/// copies it into trampolines, and would copy our int3 to where nobody claims it.
const COPIED: (&CStr, &CStr) = (c"ftrace_caller", c"return_to_handler");

/// More functions than are there, on a kernel with all its checks as well: a walk that finds more has
/// left the way.
const MOST: usize = 4096;

/// More than notifiers that come before ours.
const MOST_NOTIFIERS: usize = 16;

/// Functions longer than this are not small steps of an exception.
const LONGEST: usize = 1 << 16;

/// The most bytes in front of a function that calls go through (callthunks.c:nops).
const IN_FRONT: usize = 32;

/// Puts all of it into `index`. The text locks are held.
///
/// # Errors
///
/// ENOENT, EOPNOTSUPP: not all of it can be told on this kernel. Nothing is left out for that: an
/// unprotected function would be found by the one who probes it.
pub(crate) fn reserve(locks: &TextLocks, index: &mut Index<Kernel>) -> Result {
    let mut path = Walk::new(is_taken);
    for name in ROOTS {
        path.add(symbols::required(name)?)?;
    }
    path.add_names(&THUNKS)?;
    let thunks = symbols::lookup(c"__x86_indirect_thunk_array");
    let (behind, _) = symbols::static_call_text();
    if thunks != 0 {
        path.found.push((thunks, behind), GFP_KERNEL)?;
    }
    let mut notifiers = [0; MOST_NOTIFIERS];
    // SAFETY: the address of the chain, and room for the number that is said.
    let count = unsafe {
        ffi::rk_notifiers_before(
            symbols::address(symbols::Data::DieChain),
            notifiers.as_mut_ptr(),
            MOST_NOTIFIERS as kernel::ffi::c_uint,
        )
    };
    if count as usize == MOST_NOTIFIERS {
        return Err(untold(c"die_chain", "has too many notifiers"));
    }
    for notifier in notifiers.iter().take(count as usize) {
        path.add(*notifier)?;
    }
    path.add_names(&BPF_TRAMPOLINES)?;
    path.add_names(&TRACEPOINT)?;
    // They return at once for what is not theirs.
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
    /// The functions that are reached, by where they begin and end.
    found: KVec<(usize, usize)>,
    /// Whether a function may be executed there.
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

    /// Adds the function at `addr`, if it is one that can be executed there and probed: text that is
    /// made at run time (trampolines, native probes' copies, thunks) has no probes, and calls what it
    /// does through pointers or is a copy of what is followed.
    fn add(&mut self, mut addr: usize) -> Result {
        // With call depth tracking calls go to what is in front of a function, and through it
        // (arch/x86/kernel/callthunks.c): that has a name of its own, or is the end of another function.
        let function = loop {
            match symbols::function(addr) {
                Some(function) if is_preamble(function.name()) => addr = function.end(),
                Some(function) => break function,
                None => return Ok(()),
            }
        };
        let behind = function.end();
        if addr != function.start && behind.wrapping_sub(addr) <= IN_FRONT {
            self.add(behind)?;
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
            return Err(untold(function.name(), "is too long to be on it"));
        }
        if self.found.len() >= MOST {
            return Err(untold(function.name(), "and too many others are on it"));
        }
        Ok(self.found.push((start, end), GFP_KERNEL)?)
    }

    /// Follows all that was added but `leaves`.
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
        // SAFETY: the bytes are those of a function.
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
        let name = name.as_ref().map_or(c"what has no name", Symbol::name);
        Err(untold(name, "does not decode to its end"))
    }
}

/// Where a function ends. A symbol goes up to the next one, and behind srso_alias_return_thunk, which
/// has its place for its address, that is up to 2 MiB of fill.
fn end_of(function: &Symbol) -> usize {
    if function.size <= LONGEST || !symbols::in_kernel_text(function.end()) {
        return function.end();
    }
    // SAFETY: both ends are in the kernel's text, which is mapped, and nobody writes it meanwhile.
    let bytes = unsafe { core::slice::from_raw_parts(function.start as *const u8, function.size) };
    let last = bytes.iter().rposition(|byte| !matches!(*byte, 0x00 | INT3));
    let len = last.map_or(0, |last| last.wrapping_add(1));
    function.start.wrapping_add(len)
}

/// Says why a walk cannot be ended.
fn untold(name: &CStr, why: &str) -> Error {
    pr_err!("cannot tell what runs between an int3 and its handler: {name} {why}\n");
    EOPNOTSUPP
}

fn is_taken(function: &Symbol) -> bool {
    let name = function.name().to_bytes();
    !name.ends_with(b".cold") && !NOT_TAKEN.iter().any(|prefix| name.starts_with(prefix))
}

/// What tracing runs itself. It calls what is traced, which has an ftrace entry, only behind its
/// guards: else it would trace itself without end, and no probe would be needed for that.
fn is_untraced(function: &Symbol) -> bool {
    // SAFETY: looks an address range up.
    let traced =
        unsafe { ffi::rk_ftrace_location_range(function.start, function.end().wrapping_sub(1)) };
    traced == 0 && is_taken(function)
}
