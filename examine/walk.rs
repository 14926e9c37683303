// SPDX-License-Identifier: GPL-2.0

//! A walk through the running kernel: from functions that are known by name, along direct branches,
//! to all that they call.

use crate::eligibility::collect_cross_branches;
use crate::eligibility::refusal::Refusal;
use crate::eligibility::reserved::{
    Index,
    Kind, //
};
use crate::examine::pieces::is_preamble;
use crate::insn_decode::opcodes::INT3;
use crate::shell::{
    module_text,
    text, //
};
use crate::sys::compat::not_supported;
use crate::sys::growable::Kernel;
use crate::sys::locks::TextLocks;
use crate::sys::symbols::{
    self,
    Symbol, //
};
use core::ops::Range;
use kernel::prelude::*;

/// No function on a way that is walked is longer than this.
const LONGEST: usize = 1 << 16;

/// The most bytes before a function's entry that calls go through (callthunks.c:nops).
const BEFORE_ENTRY: usize = 32;

/// Functions that text has branches to and that a kernel which is not broken never calls: the beginnings
/// of their names. Parts that the compiler has split off (`.cold`) are not called either.
///
/// - Reports of a broken kernel, and what the reports of a debug kernel call: those of lockdep, of
///   KASAN, of lists and of lib/smp_processor_id.c.
/// - What lockdep sets up once, when the kernel boots (init_rcu_head).
/// - What KASAN records of work that is queued (kasan_record_aux_stack). The work is not queued there.
/// - Trampolines of static calls and the entry of the tracer, which are reserved as a whole or found on
///   their own.
const NEVER_TAKEN: [&[u8]; 18] = [
    b"panic",
    b"__ubsan",
    b"__stack_chk_fail",
    b"_printk",
    b"__printk_ratelimit",
    b"__SCT__",
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

/// Whether text that has a branch to `function` may execute it. `not_taken` has the beginnings of more
/// names.
pub(super) fn is_taken(function: &Symbol, not_taken: &[&[u8]]) -> bool {
    let name = function.name().to_bytes();
    let is_one_of = |names: &[&[u8]]| names.iter().any(|prefix| name.starts_with(prefix));
    !name.ends_with(b".cold") && !is_one_of(&NEVER_TAKEN) && !is_one_of(not_taken)
}

/// A walk along direct branches.
pub(super) struct Walk {
    /// What the walk looks for, for the log.
    goal: &'static str,
    /// More functions than there are on the way. A walk that finds more has left it.
    most: usize,
    /// The functions that are reached: where they begin and end.
    found: KVec<(usize, usize)>,
    /// Other text that belongs to the way.
    ranges: KVec<(usize, usize)>,
    /// How many of them were added by name.
    named: usize,
    /// How many of them were followed.
    followed: usize,
    /// Whether the way may execute a function.
    is_taken: fn(&Symbol) -> bool,
}

impl Walk {
    pub(super) fn new(goal: &'static str, most: usize, is_taken: fn(&Symbol) -> bool) -> Self {
        Self {
            goal,
            most,
            found: KVec::new(),
            ranges: KVec::new(),
            named: 0,
            followed: 0,
            is_taken,
        }
    }

    /// Adds the functions of these names, to be followed. A name that the kernel lacks is ignored, also
    /// if a module has it.
    pub(super) fn add_names(&mut self, names: &[&CStr]) -> Result {
        for addr in names.iter().filter_map(|name| of_kernel(name)) {
            self.add(addr)?;
        }
        self.named = self.found.len();
        Ok(())
    }

    /// Adds the functions of these names, which are not followed.
    pub(super) fn add_alone(&mut self, names: &[&CStr]) -> Result {
        let functions = names.iter().filter_map(|name| of_kernel(name));
        for Range { start, end } in functions.filter_map(symbols::bounds) {
            self.add_range(start, end)?;
        }
        Ok(())
    }

    /// Adds text that is not a function, and is not followed.
    pub(super) fn add_range(&mut self, start: usize, end: usize) -> Result {
        Ok(self.ranges.push((start, end), GFP_KERNEL)?)
    }

    /// Adds the function at `addr`, if the way can execute it and it can be probed. Text that is
    /// made at run time (trampolines, copies of native probes, thunks) has no probes. It calls
    /// through pointers, or it is a copy of text that is followed.
    pub(super) fn add(&mut self, mut addr: usize) -> Result {
        // With call depth tracking a call goes to bytes before the function's entry, and through
        // them (arch/x86/kernel/callthunks.c). These bytes have a symbol, or are the end of another
        // function.
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
        let text = module_text::check(start);
        if is_known || matches!(text, Err(Refusal::NotText | Refusal::NoFunction)) {
            return Ok(());
        }
        let end = end_of(&function);
        if end.saturating_sub(start) > LONGEST {
            return Err(self.unknown(function.name(), "is too long"));
        }
        if self.found.len() >= self.most {
            return Err(self.unknown(function.name(), "and too many others are reached"));
        }
        Ok(self.found.push((start, end), GFP_KERNEL)?)
    }

    /// Follows the branches of all functions that were added, those of `leaves` excepted. After an
    /// error a second call continues with the next function.
    ///
    /// # Errors
    ///
    /// ENOMEM. EOPNOTSUPP: a function does not decode, or the walk has left the way. The log says
    /// which.
    pub(super) fn follow_all(
        &mut self,
        locks: &TextLocks,
        leaves: &[kernel::ffi::c_ulong],
    ) -> Result {
        while let Some((start, end)) = self.found.get(self.followed).copied() {
            self.followed = self.followed.wrapping_add(1);
            if !leaves.contains(&start) {
                let (targets, whole) = branches(locks, start..end)?;
                for target in targets {
                    self.add(target)?;
                }
                if !whole {
                    let symbol = symbols::function(start);
                    let name = symbol
                        .as_ref()
                        .map_or(c"text without a symbol", Symbol::name);
                    return Err(self.unknown(name, "does not decode to its end"));
                }
            }
        }
        Ok(())
    }

    /// Adds what `function` branches to before its branch to `last`, in the order of the text.
    /// Returns whether there is a branch to `last`; nothing is added without one. The function
    /// itself is not added.
    ///
    /// # Errors
    ///
    /// As of [`Walk::follow_all`].
    pub(super) fn follow_to(
        &mut self,
        locks: &TextLocks,
        function: &Symbol,
        last: usize,
    ) -> Result<bool> {
        let (targets, _) = branches(locks, function.start..end_of(function))?;
        // A call may go to bytes before the entry.
        let is_last = |to: &usize| (0..=BEFORE_ENTRY).contains(&last.wrapping_sub(*to));
        let Some(count) = targets.iter().position(is_last) else {
            return Ok(false);
        };
        for target in targets.into_iter().take(count) {
            self.add(target)?;
        }
        Ok(true)
    }

    /// Whether the walk has found so much that it cannot be on the way any more.
    pub(super) fn is_lost(&self) -> bool {
        self.found.len() >= self.most
    }

    /// Puts all that was found into `index`. A walk that has left the way has found functions that are
    /// not on it, so only those that were added by name count.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn reserve(&self, index: &mut Index<Kernel>, kind: Kind) -> Result {
        let lost = self.is_lost();
        let count = if lost { self.named } else { self.found.len() };
        for places in [self.found.get(..count), Some(&self.ranges)] {
            for (start, end) in places.unwrap_or(&[]) {
                index
                    .push(*start as u64, *end as u64, kind)
                    .map_err(|_| ENOMEM)?;
            }
        }
        Ok(())
    }

    /// The error of a walk that does not find all. Prints why.
    pub(super) fn unknown(&self, name: &CStr, why: &str) -> Error {
        pr_err!("cannot find {}: {name} {why}\n", self.goal);
        not_supported()
    }
}

/// The address of a function of the kernel itself; `None` if it has none of the name. A name may also be
/// that of a module's function, and the module may be unloaded meanwhile.
fn of_kernel(name: &CStr) -> Option<usize> {
    Some(symbols::lookup(name)).filter(|addr| symbols::in_kernel_text(*addr))
}

/// Where the text of a function branches to outside of it, in the order of the text, and whether
/// all of the text decodes.
fn branches(locks: &TextLocks, text: Range<usize>) -> Result<(KVec<usize>, bool)> {
    let mut bytes: KVec<u8> = KVec::new();
    bytes.resize(text.end.saturating_sub(text.start), 0, GFP_KERNEL)?;
    // SAFETY: The bytes are those of a function, which is mapped.
    unsafe { text::read_without_natives(locks, text.start, &mut bytes) };
    let mut targets = KVec::new();
    let mut result = Ok(());
    let whole = collect_cross_branches(text.start as u64, &bytes, |branch| {
        if result.is_ok() {
            result = targets.push(branch.to as usize, GFP_KERNEL);
        }
    });
    result?;
    Ok((targets, whole))
}

/// Where a function ends. A symbol ends where the next symbol begins. srso_alias_return_thunk must
/// be at a certain address, so up to 2 MiB of fill follow it.
fn end_of(function: &Symbol) -> usize {
    if function.size <= LONGEST || !symbols::in_kernel_text(function.end()) {
        return function.end();
    }
    // SAFETY: Both ends are in the kernel's text, which is mapped, and `text_mutex` is held, so no
    // task writes it.
    let bytes = unsafe { core::slice::from_raw_parts(function.start as *const u8, function.size) };
    let last = bytes.iter().rposition(|byte| !matches!(*byte, 0x00 | INT3));
    let len = last.map_or(0, |last| last.wrapping_add(1));
    function.start.wrapping_add(len)
}
