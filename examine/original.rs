// SPDX-License-Identifier: GPL-2.0

//! The function at an address, decoded from the bytes that its owner wrote.

use super::index::ReservedText;
use super::pieces::{
    self,
    is_preamble,
    Adder,
    LONGEST, //
};
use crate::eligibility::refusal::Refusal;
use crate::eligibility::reserved::{
    Index,
    Kind, //
};
use crate::eligibility::DecodedFunction;
use crate::optimizer::Optimizer;
use crate::shell::text::read_original;
use crate::shell::Shell;
use crate::sys::ffi;
use crate::sys::growable::Kernel;
use crate::sys::locks::TextLocks;
use crate::sys::symbols;
use crate::sys::target::c_string;
use core::ops::Range;
use kernel::prelude::*;
use kernel::time::delay::fsleep;
use kernel::time::Delta;

/// What is known of text: the index of reserved text, and the function that was decoded last.
pub(crate) struct Examiner {
    pub(super) reserved: ReservedText,
    pub(super) function: DecodedFunction<Kernel>,
    /// There may be sites in the function.
    pub(super) shared: bool,
    /// How often text was forgotten.
    forgotten: u64,
    /// Room for the bytes of another piece.
    buffer: KVVec<u8>,
    /// Room for a name.
    named: KBox<symbols::Symbol>,
}

impl Examiner {
    /// Reads the kernel's tables.
    ///
    /// # Errors
    ///
    /// The errors of [`ReservedText::new`]. EOVERFLOW: a task is larger than a displacement.
    pub(crate) fn new() -> Result<Self> {
        let mut function = DecodedFunction::default();
        // SAFETY: The function returns a constant.
        let holdout = unsafe { ffi::rk_tasks_holdout() };
        function.forbid_quiescent_stores(i32::try_from(holdout).map_err(|_| EOVERFLOW)?);
        Ok(Self {
            reserved: ReservedText::new()?,
            function,
            shared: false,
            forgotten: 0,
            buffer: KVVec::new(),
            named: KBox::new(symbols::Symbol::none(), GFP_KERNEL)?,
        })
    }

    /// The index of reserved text.
    pub(crate) fn index(&self) -> &Index<Kernel> {
        self.reserved.index()
    }

    /// Takes the text locks for examining addresses.
    pub(crate) fn begin(&mut self) -> Session<'_> {
        // The text may have changed since the locks were held last.
        self.function.clear();
        Session {
            examiner: self,
            locks: TextLocks::lock(),
            left: BATCH,
        }
    }

    /// Notes the `idle` text of a module that has become live.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn learn_idle(&mut self, idle: &Range<usize>) -> Result {
        self.function.clear();
        self.reserved.learn_idle(idle)
    }

    /// How often text of modules was forgotten. While this number stays, each address of text stays in
    /// one function.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Forgets text of a module that is about to be freed.
    pub(crate) fn forget(&mut self, start: usize, end: usize) {
        self.forgotten = self.forgotten.wrapping_add(1);
        self.function.clear();
        self.reserved.forget(start, end);
    }
}

/// How many addresses are examined before other tasks get the text locks.
const BATCH: u32 = 64;

/// An examination of several addresses, with the text locks held while one of them is examined.
pub(crate) struct Session<'a> {
    pub(super) examiner: &'a mut Examiner,
    pub(super) locks: TextLocks,
    /// How many addresses are left of the batch.
    left: u32,
}

impl Session<'_> {
    /// Notes that another address is going to be examined. After each batch other tasks get the text
    /// locks. May sleep.
    pub(crate) fn next_address(&mut self) {
        self.left = match self.left.checked_sub(1) {
            Some(left) => left,
            None => {
                // A task that spins for a mutex misses a moment that is too short.
                let awaited = self.locks.are_awaited();
                self.locks.released(|| {
                    if awaited {
                        fsleep(Delta::from_millis(1));
                    }
                });
                // The text may have changed.
                self.examiner.function.clear();
                BATCH - 1
            }
        };
    }

    /// The text that is reserved.
    pub(crate) fn index(&self) -> &Index<Kernel> {
        self.examiner.reserved.index()
    }

    /// The function that was decoded last.
    pub(crate) fn function(&self) -> &DecodedFunction<Kernel> {
        &self.examiner.function
    }

    /// Decodes the function at `addr`, unless it was decoded last.
    ///
    /// # Errors
    ///
    /// Why there can be no probe in the function.
    pub(super) fn load(
        &mut self,
        optimizer: &Optimizer<Shell>,
        addr: usize,
    ) -> Result<(), Refusal> {
        match self.examiner.function.contains(addr as u64) {
            true => Ok(()),
            false => self.decode(optimizer, addr),
        }
    }

    /// Decodes the function at `addr`, and adds the branches that other text has into it.
    fn decode(&mut self, optimizer: &Optimizer<Shell>, addr: usize) -> Result<(), Refusal> {
        let examiner = &mut *self.examiner;
        let named = &mut *examiner.named;
        if !named.find(addr) {
            return Err(Refusal::NotText);
        }
        let start = named.start;
        may_be_probed(named, examiner.reserved.index())?;
        let searched = examiner.reserved.searched();
        let pieces = match named.module() {
            None => pieces::of(named, searched)?,
            // The search takes `module_mutex`. The module stays, because the engine's lock is held.
            Some(_) => {
                // Text may change meanwhile.
                examiner.function.clear();
                self.locks.released(|| pieces::of(named, searched))?
            }
        };
        let shared = &mut examiner.shared;
        let fill = |bytes: &mut [u8]| {
            // SAFETY: The bytes are those of a function, which is mapped.
            *shared = unsafe { read_original(&self.locks, optimizer, start, bytes) };
        };
        let analysed = examiner.function.analyse(start as u64, named.size, fill);
        analysed.map_err(|_| Refusal::NoMemory)?;
        let mut adder = Adder {
            locks: &self.locks,
            optimizer,
            function: &mut examiner.function,
            buffer: &mut examiner.buffer,
            named,
        };
        let added = pieces.map_or(Ok(()), |found| adder.pieces(&found));
        if let Err(refusal) = added.and_then(|()| adder.neighbours(examiner.reserved.searched())) {
            // Some branches into the function are missing. The function must not be used for the next
            // site.
            examiner.function.clear();
            return Err(refusal);
        }
        Ok(())
    }
}

/// Refuses functions in which there can be no probe at all.
fn may_be_probed(function: &symbols::Symbol, index: &Index<Kernel>) -> Result<(), Refusal> {
    let name = function.name();
    if function.size > LONGEST {
        return Err(Refusal::Undecodable);
    }
    if is_preamble(name) {
        return Err(Refusal::Reserved(Kind::Preamble));
    }
    // The trampolines of static calls, those of modules too: the kernel rewrites them, and stops at
    // bytes that it does not know.
    if name.to_bytes().starts_with(b"__SCT__") {
        return Err(Refusal::Reserved(Kind::StaticCall));
    }
    let Some(base) = base_of(name)? else {
        return Ok(());
    };
    let (from, to) = (base as u64, base.wrapping_add(1) as u64);
    index
        .reserved(from, to)
        .map_or(Ok(()), |kind| Err(Refusal::Reserved(kind)))
}

/// The function from which the compiler made NAME.isra.0, NAME.cold and so on. If the function is
/// reserved, they are reserved too.
fn base_of(name: &CStr) -> Result<Option<usize>, Refusal> {
    let mut parts = name.to_bytes().splitn(2, |byte| *byte == b'.');
    let (Some(stem), Some(_)) = (parts.next(), parts.next()) else {
        return Ok(None);
    };
    Ok(Some(symbols::lookup(&c_string(stem)?)).filter(|addr| *addr != 0))
}
