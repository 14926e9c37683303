// SPDX-License-Identifier: GPL-2.0

//! What runs between an int3 and our handler, or on the way back.
//!
//! A probe there would be hit by its own int3, without end: before our handler can tell that it is
//! in a handler already. Native kprobes are asked first (`exc_int3` calls them before the notifier
//! chain), so their blacklist leaves out what is only in our way. The functions are worked out from
//! the running kernel: the direct branches from where the exception entry calls us, followed
//! through what can be executed there, and the notifiers that are in the chain before us.

use crate::eligibility::collect_cross_branches;
use crate::ffi;
use crate::reserved::{Index, Kind};
use crate::shell::Shell;
use crate::symbols::{self, Function};
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
/// kernel/irq_work.c:irq_work_queue_on); the scheduler, for preemption is off; tracepoints, which are
/// off, and whose probes are functions of others that the kernel itself protects from recursion.
const NOT_TAKEN: [&[u8]; 14] = [
    b"panic",
    b"__ubsan",
    b"__stack_chk_fail",
    b"_printk",
    b"wake_up_process",
    b"preempt_schedule",
    b"_raw_spin",
    b"rcu_preempt_deferred_qs_irqrestore",
    b"__smp_call_single_queue",
    b"tick_nohz",
    b"__SCT__",
    b"__traceiter",
    b"__trace_set",
    b"__fentry__",
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

/// Where tracing of that way begins, if somebody traces it: the function tracer's callbacks, and
/// those of the event of a notifier that runs. They have guards against recursion, but a probe in
/// front of a guard would be hit again by the tracing of its own int3.
const TRACERS: [&CStr; 16] = [
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
    c"trace_event_raw_event_notifier_info",
    c"perf_trace_notifier_info",
];

/// From where to where ftrace has the code that calls tracers, whose parts are symbols. The kernel
/// copies it into trampolines, and would copy our int3 to where nobody claims it.
const COPIED: (&CStr, &CStr) = (c"ftrace_caller", c"return_to_handler");

/// More functions than are there: a walk ends in any case, and what is nearest is found first.
const MOST: usize = 512;

/// Functions longer than this are not small steps of an exception.
const LONGEST: usize = 1 << 16;

/// Puts all of it into `index`. The text locks are held.
pub(crate) fn reserve(index: &mut Index<Shell>) -> Result {
    let mut path = Walk::new(is_taken);
    path.add_names(&ROOTS)?;
    path.add_names(&THUNKS)?;
    let thunks = symbols::lookup(c"__x86_indirect_thunk_array");
    let (behind, _) = symbols::static_call_text();
    if thunks != 0 {
        path.found.push((thunks, behind), GFP_KERNEL)?;
    }
    let mut notifiers = [0; 16];
    // SAFETY: the address of the chain, and room for the number that is said.
    let count = unsafe {
        ffi::rk_notifiers_before(
            symbols::address(symbols::Data::DieChain),
            notifiers.as_mut_ptr(),
            16,
        )
    };
    for notifier in notifiers.iter().take(count as usize) {
        path.add(*notifier)?;
    }
    // They return at once for what is not theirs.
    path.follow_all(&notifiers)?;
    let mut tracing = Walk::new(is_untraced);
    tracing.add_names(&TRACERS)?;
    tracing.follow_all(&[])?;
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
    is_taken: fn(&Function) -> bool,
}

impl Walk {
    fn new(is_taken: fn(&Function) -> bool) -> Self {
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

    /// Adds the function at `addr`, if it is one that can be executed there.
    fn add(&mut self, addr: usize) -> Result {
        let Some(function) = symbols::function(addr).filter(self.is_taken) else {
            return Ok(());
        };
        let place = (function.start, function.end());
        let fits = function.size <= LONGEST && self.found.len() < MOST;
        if fits && !self.found.contains(&place) {
            self.found.push(place, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Follows all that was added but `leaves`.
    fn follow_all(&mut self, leaves: &[kernel::ffi::c_ulong]) -> Result {
        let mut at = 0usize;
        while let Some((start, end)) = self.found.get(at).copied() {
            at = at.wrapping_add(1);
            if !leaves.contains(&start) {
                self.follow(start, end)?;
            }
        }
        Ok(())
    }

    fn follow(&mut self, start: usize, end: usize) -> Result {
        let mut bytes: KVec<u8> = KVec::new();
        bytes.resize(end.saturating_sub(start), 0, GFP_KERNEL)?;
        for (offset, byte) in bytes.iter_mut().enumerate() {
            // SAFETY: the text of a function of the kernel; nobody writes it meanwhile.
            *byte = unsafe { (start.wrapping_add(offset) as *const u8).read_volatile() };
        }
        let mut result = Ok(());
        // A function whose end does not decode has been followed up to there.
        collect_cross_branches(start as u64, &bytes, |branch| {
            if result.is_ok() {
                result = self.add(branch.to as usize);
            }
        });
        result
    }
}

fn is_taken(function: &Function) -> bool {
    let name = function.name().to_bytes();
    !name.ends_with(b".cold") && !NOT_TAKEN.iter().any(|prefix| name.starts_with(prefix))
}

/// What tracing runs itself. It calls what is traced, which has an ftrace entry, only behind its
/// guards: else it would trace itself without end, and no probe would be needed for that.
fn is_untraced(function: &Function) -> bool {
    // SAFETY: looks an address range up.
    let traced =
        unsafe { ffi::rk_ftrace_location_range(function.start, function.end().wrapping_sub(1)) };
    traced == 0 && is_taken(function)
}
