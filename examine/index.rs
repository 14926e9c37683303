// SPDX-License-Identifier: GPL-2.0

//! The index of reserved text: the kernel's tables are read once, and those of a module when its text
//! is probed for the first time.

use super::pieces::Searched;
use super::{int3_path, no_int3, sections};
use crate::eligibility::refusal::Refusal;
use crate::eligibility::reserved::{Index, Kind};
use crate::sys::ffi;
use crate::sys::growable::Kernel;
use crate::sys::locks::TextLocks;
use crate::sys::stats;
use crate::sys::symbols;
use core::ops::Range;
use kernel::prelude::*;
use kernel::time::{Instant, Monotonic};

/// Where reserved_tables.c puts what it finds.
struct Sink<'a> {
    index: &'a mut Index<Kernel>,
    /// It found text of a kind that this file does not know.
    unknown: bool,
}

impl Sink<'_> {
    /// The pointer for reserved_tables.c.
    fn as_ptr(&mut self) -> *mut kernel::ffi::c_void {
        core::ptr::from_mut(self).cast()
    }

    fn push(&mut self, start: u64, end: u64, kind: u32) -> bool {
        let Some(kind) = kind_of(kind) else {
            self.unknown = true;
            return false;
        };
        self.index.push(start, end, kind).is_ok()
    }
}

/// The kind that reserved_tables.c means.
fn kind_of(kind: u32) -> Option<Kind> {
    match kind {
        ffi::rk_reserved_RK_JUMP_LABEL => Some(Kind::JumpLabel),
        ffi::rk_reserved_RK_JUMP_TARGET => Some(Kind::JumpTarget),
        ffi::rk_reserved_RK_STATIC_CALL => Some(Kind::StaticCall),
        ffi::rk_reserved_RK_BUG_SITE => Some(Kind::Bug),
        ffi::rk_reserved_RK_EXTABLE_INSN => Some(Kind::ExtableInsn),
        ffi::rk_reserved_RK_EXTABLE_FIXUP => Some(Kind::ExtableFixup),
        ffi::rk_reserved_RK_BLACKLIST => Some(Kind::Blacklist),
        _ => None,
    }
}

/// Called by reserved_tables.c for each piece of reserved text.
///
/// # Safety
///
/// `sink` is the pointer of a [`Sink`] that was handed to reserved_tables.c.
#[no_mangle]
unsafe extern "C" fn rk_reserved_sink(
    sink: *mut kernel::ffi::c_void,
    start: kernel::ffi::c_ulong,
    end: kernel::ffi::c_ulong,
    kind: kernel::ffi::c_uint,
) -> bool {
    // SAFETY: by the contract, and the caller of reserved_tables.c does not use its sink meanwhile.
    let sink = unsafe { &mut *sink.cast::<Sink<'_>>() };
    sink.push(start as u64, end as u64, kind)
}

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
    /// ENOMEM. EINVAL for a table with entries of an unknown kind. Those of [`int3_path::reserve`].
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
            kernel::warn_on!(full);
        }
        Ok(())
    }
}

/// Reads the kernel's tables.
fn read_tables(_locks: &TextLocks, index: &mut Index<Kernel>) -> Result {
    let tables = symbols::tables();
    let mut sink = Sink {
        index,
        unknown: false,
    };
    // SAFETY: `symbols::init` has found the bounds of the tables, and the text locks are held.
    let read = unsafe { ffi::rk_reserved_kernel(&tables, sink.as_ptr()) };
    match read {
        true => Ok(()),
        false if kernel::warn_on!(sink.unknown) => Err(EINVAL),
        false => Err(ENOMEM),
    }
}

/// Reads the tables of the module at `addr`. Returns its text, and its initialization text if that
/// may be probed.
fn read_module(
    _locks: &TextLocks,
    index: &mut Index<Kernel>,
    addr: usize,
) -> Result<[Range<usize>; 2], Refusal> {
    let [mut core, mut init] = [(); 2].map(|()| ffi::rk_range { start: 0, end: 0 });
    let blacklist = symbols::address(symbols::Data::Blacklist) as kernel::ffi::c_ulong;
    let mut sink = Sink {
        index,
        unknown: false,
    };
    // SAFETY: `core` and `init` are out-parameters, and the text locks are held.
    let result = unsafe {
        ffi::rk_reserved_module(
            addr as kernel::ffi::c_ulong,
            blacklist,
            sink.as_ptr(),
            &mut core,
            &mut init,
        )
    };
    // The kinds are constants in reserved_tables.c, so an unknown one is a mistake in this module. The
    // probe is refused.
    kernel::warn_on!(sink.unknown);
    if result >= 0 {
        return Ok([core, init].map(|text| text.start..text.end));
    }
    Err(match Error::from_errno(result) {
        error if error == ENOMEM => Refusal::NoMemory,
        _ => Refusal::ModuleGoing,
    })
}
