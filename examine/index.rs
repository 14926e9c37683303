// SPDX-License-Identifier: GPL-2.0

//! The index of reserved text: the kernel's tables are read once, and those of a module when its text
//! is probed for the first time.

use super::pieces::Searched;
use super::{
    int3_path,
    no_int3,
    sections, //
};
use crate::containers::slab::NoMemory;
use crate::eligibility::refusal::Refusal;
use crate::eligibility::reserved::{
    Index,
    Kind, //
};
use crate::eligibility::tables;
use crate::insn_decode::opcodes::JUMP_LEN;
use crate::shell::text::live;
use crate::sys::ffi;
use crate::sys::growable::Kernel;
use crate::sys::locks::TextLocks;
use crate::sys::{
    stats,
    symbols, //
};
use core::ops::Range;
use kernel::prelude::*;
use kernel::time::{
    Instant,
    Monotonic, //
};

/// Called by reserved_tables.c for each entry of the blacklist.
///
/// # Safety
///
/// `sink` is the pointer to an index that [`add_blacklist`] has handed over.
#[no_mangle]
unsafe extern "C" fn rk_blacklist_sink(
    sink: *mut kernel::ffi::c_void,
    start: kernel::ffi::c_ulong,
    end: kernel::ffi::c_ulong,
) -> bool {
    // SAFETY: By the contract, and `add_blacklist` does not use the index meanwhile.
    let index = unsafe { &mut *sink.cast::<Index<Kernel>>() };
    let pushed = index.push(start as u64, end as u64, Kind::Blacklist);
    pushed.is_ok()
}

/// Where the kernel or a module has its tables of reserved text.
struct Tables {
    jumps: Range<usize>,
    calls: Range<usize>,
    bugs: Range<usize>,
    faults: Range<usize>,
    /// Initialization text is not freed yet, so that its jump labels count.
    has_init: bool,
}

/// The bytes of a table.
///
/// # Safety
///
/// The range is a table of the kernel or of a module, which is not freed while the bytes are used, and is
/// no longer written: both are sorted and marked before their text can be probed.
unsafe fn bytes_of<'a>(table: &Range<usize>) -> &'a [u8] {
    if table.is_empty() {
        return &[];
    }
    // SAFETY: By the contract.
    unsafe { core::slice::from_raw_parts(table.start as *const u8, table.len()) }
}

impl Tables {
    /// Puts all that the tables name into the index.
    ///
    /// # Safety
    ///
    /// As [`bytes_of`] for each table. The text that they name is mapped.
    unsafe fn add(&self, index: &mut Index<Kernel>) -> Result<(), NoMemory> {
        // SAFETY: By the contract.
        let [jumps, calls, bugs, faults] = unsafe {
            [&self.jumps, &self.calls, &self.bugs, &self.faults].map(|table| bytes_of(table))
        };
        for label in tables::jump_labels(jumps, self.jumps.start as u64) {
            // Initialization text may have been freed.
            if label.init && !self.has_init {
                continue;
            }
            // SAFETY: The label is in text, which is mapped by the contract.
            let [first] = unsafe { live(label.code as usize) };
            let end = label.code.wrapping_add(tables::jump_label_len(first));
            index.push(label.code, end, Kind::JumpLabel)?;
            index.push(label.target, label.target.wrapping_add(1), Kind::JumpTarget)?;
        }
        for call in tables::static_calls(calls, self.calls.start as u64) {
            index.push(call, call.wrapping_add(JUMP_LEN as u64), Kind::StaticCall)?;
        }
        // SAFETY: A constant of reserved_tables.c.
        let size = unsafe { ffi::rk_bug_entry_size };
        for bug in tables::bugs(bugs, self.bugs.start as u64, size) {
            index.push(bug, bug.wrapping_add(UD2_LEN), Kind::Bug)?;
        }
        for fault in tables::faults(faults, self.faults.start as u64) {
            index.push(fault.insn, fault.insn.wrapping_add(1), Kind::ExtableInsn)?;
            index.push(fault.fixup, fault.fixup.wrapping_add(1), Kind::ExtableFixup)?;
        }
        Ok(())
    }
}

/// Puts the entries of the blacklist of native kprobes that begin in `text` into the index.
fn add_blacklist(
    _locks: &TextLocks,
    index: &mut Index<Kernel>,
    text: Range<usize>,
) -> Result<(), NoMemory> {
    let list = symbols::address(symbols::Data::Blacklist) as kernel::ffi::c_ulong;
    let text = ffi::rk_range {
        start: text.start,
        end: text.end,
    };
    // SAFETY: This is the address of the kernel's list, `kprobe_mutex` is held, and the sink is the index.
    let complete = unsafe { ffi::rk_blacklist(list, text, core::ptr::from_mut(index).cast()) };
    match complete {
        true => Ok(()),
        false => Err(NoMemory),
    }
}

/// Puts text that idle CPUs execute where RCU does not watch them into the index.
fn add_idle(index: &mut Index<Kernel>, text: &Range<usize>) -> Result<(), NoMemory> {
    index.push(text.start as u64, text.end as u64, Kind::Noinstr)
}

/// Bytes of UD2, which a BUG or WARN traps on.
const UD2_LEN: u64 = 2;

/// The index, and which modules it has.
pub(super) struct ReservedText {
    index: Index<Kernel>,
    /// The text of the modules that the index has.
    modules: KVec<Range<usize>>,
    /// The areas whose jumps the index has.
    searched: Searched,
}

impl ReservedText {
    /// Reads the kernel's tables.
    ///
    /// # Errors
    ///
    /// ENOMEM, and the errors of [`int3_path::reserve`].
    pub(super) fn new() -> Result<Self> {
        let started = Instant::<Monotonic>::now();
        let mut index = Index::default();
        let locks = TextLocks::lock();
        read_tables(&locks, &mut index)?;
        let (start, end) = symbols::static_call_text();
        index
            .push(start as u64, end as u64, Kind::StaticCall)
            .map_err(|_| ENOMEM)?;
        int3_path::reserve(&locks, &mut index)?;
        no_int3::reserve(&locks, &mut index)?;
        let searched = Searched::new(&locks, &mut index)?;
        drop(locks);
        sections::reserve(&mut index)?;
        index.seal();
        let took = started.elapsed().as_nanos().unsigned_abs();
        stats::add(&stats::INDEX_TIME, took);
        Ok(Self {
            index,
            modules: KVec::new(),
            searched,
        })
    }

    /// The index.
    pub(super) fn index(&self) -> &Index<Kernel> {
        &self.index
    }

    /// The areas whose jumps the index has.
    pub(super) fn searched(&self) -> &Searched {
        &self.searched
    }

    /// Forgets the text of a module that is being unloaded.
    pub(super) fn forget(&mut self, start: usize, end: usize) {
        self.modules.retain(|text| text.start != start);
        self.index.remove(start as u64, end as u64);
    }

    /// Puts the `idle` text of a module into the index. The module was learned before its init function
    /// was called, when nothing told where that text is.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn learn_idle(&mut self, idle: &Range<usize>) -> Result {
        if self.modules.iter().any(|text| text.contains(&idle.start)) {
            let added = add_idle(&mut self.index, idle);
            self.index.seal();
            added.map_err(|NoMemory| ENOMEM)?;
        }
        Ok(())
    }

    /// Puts a module's reserved text into the index, if it is not there yet. `addr` is in the module.
    ///
    /// # Errors
    ///
    /// `NoMemory`, `ModuleGoing`.
    pub(super) fn learn_module(&mut self, locks: &TextLocks, addr: usize) -> Result<(), Refusal> {
        if self.modules.iter().any(|text| text.contains(&addr)) {
            return Ok(());
        }
        self.modules
            .reserve(2, GFP_KERNEL)
            .map_err(|_| Refusal::NoMemory)?;
        let learned = read_module(locks, &mut self.index, addr);
        let learned = learned.inspect_err(|_| self.index.discard())?;
        let is_there = |addr: u64| learned.iter().any(|text| text.contains(&(addr as usize)));
        self.index.discard_unless(is_there);
        self.index.seal();
        for text in learned.into_iter().filter(|text| !text.is_empty()) {
            let full = self.modules.push_within_capacity(text).is_err();
            // Room for both was reserved before.
            crate::sys::warning::warn_on(full);
        }
        Ok(())
    }
}

/// Reads the kernel's tables.
fn read_tables(locks: &TextLocks, index: &mut Index<Kernel>) -> Result {
    use symbols::Data;
    let tables = Tables {
        jumps: symbols::section(Data::JumpStart, Data::JumpEnd),
        calls: symbols::section(Data::CallStart, Data::CallEnd),
        bugs: symbols::section(Data::BugStart, Data::BugEnd),
        faults: symbols::section(Data::ExtableStart, Data::ExtableEnd),
        has_init: false,
    };
    // SAFETY: These are the bounds of the kernel's tables, which `symbols::init` has found. The kernel
    // has marked the labels of its initialization text, which are left out.
    unsafe { tables.add(index) }.map_err(|NoMemory| ENOMEM)?;
    add_blacklist(locks, index, 0..usize::MAX).map_err(|NoMemory| ENOMEM)
}

/// A module that is kept loaded by a reference, with its text and its tables.
struct ModuleTables {
    module: *mut kernel::bindings::module,
    tables: ffi::rk_module_tables,
}

impl ModuleTables {
    /// The text and the tables of the module at `addr`.
    ///
    /// # Errors
    ///
    /// `ModuleGoing`.
    fn of(addr: usize) -> Result<Self, Refusal> {
        let mut tables = ffi::rk_module_tables::default();
        // SAFETY: The function writes one out-parameter. The engine's lock is held.
        let module = unsafe { ffi::rk_module_tables(addr, &mut tables) };
        match module.is_null() {
            true => Err(Refusal::ModuleGoing),
            false => Ok(Self { module, tables }),
        }
    }

    /// The module's text, and its initialization text if that may be probed.
    fn text(&self) -> [Range<usize>; 2] {
        [&self.tables.core, &self.tables.init].map(range)
    }

    fn add(&self, locks: &TextLocks, index: &mut Index<Kernel>) -> Result<(), NoMemory> {
        let found = &self.tables;
        let tables = Tables {
            jumps: range(&found.jumps),
            calls: range(&found.calls),
            bugs: range(&found.bugs),
            faults: range(&found.faults),
            has_init: found.is_coming,
        };
        // SAFETY: The reference keeps the module. Its initialization text is mapped while it is being
        // loaded, which cannot end before its notifier has got the engine's lock.
        unsafe { tables.add(index)? };
        // The blacklist has the module's functions with their ends.
        add_blacklist(locks, index, range(&found.core))?;
        add_blacklist(locks, index, range(&found.init))?;
        // The kernel relocates this text again whenever it loads or unloads a module that the livepatch
        // changes (kernel/livepatch/core.c:klp_write_object_relocs).
        if found.is_livepatch {
            for text in [&found.core, &found.init] {
                if text.start < text.end {
                    index.push(text.start as u64, text.end as u64, Kind::Livepatch)?;
                }
            }
        }
        for text in [&found.kprobes_text, &found.noinstr_text] {
            if text.start < text.end {
                index.push(text.start as u64, text.end as u64, Kind::Blacklist)?;
            }
        }
        add_idle(index, &range(&found.idle_text))
    }
}

impl Drop for ModuleTables {
    fn drop(&mut self) {
        // SAFETY: `of` took the reference.
        unsafe { ffi::rk_module_put(self.module) };
    }
}

fn range(range: &ffi::rk_range) -> Range<usize> {
    range.start..range.end
}

/// Reads the tables of the module at `addr`. Returns its text, and its initialization text if that
/// may be probed.
fn read_module(
    locks: &TextLocks,
    index: &mut Index<Kernel>,
    addr: usize,
) -> Result<[Range<usize>; 2], Refusal> {
    let module = ModuleTables::of(addr)?;
    module
        .add(locks, index)
        .map_err(|NoMemory| Refusal::NoMemory)?;
    Ok(module.text())
}
