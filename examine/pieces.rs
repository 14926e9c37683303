// SPDX-License-Identifier: GPL-2.0

//! Other text that jumps into a function: its other pieces, and its neighbours in assembly.
//!
//! gcc moves unlikely code to `NAME.cold`, which jumps back into the middle of `NAME`. The kernel has all
//! such pieces in areas of their own, whose ends are symbols. At load the targets of jumps that leave
//! these areas are put into the index of reserved text. In modules pieces are found by name. The
//! function that a piece was split from is found by name, too.

use crate::eligibility::refusal::Refusal;
use crate::eligibility::reserved::{
    Index,
    Kind, //
};
use crate::eligibility::{
    collect_cross_branches,
    each_possible_jump,
    DecodedFunction, //
};
use crate::optimizer::Optimizer;
use crate::shell::text::{
    self,
    live, //
};
use crate::shell::{
    module_text,
    Shell, //
};
use crate::sys::growable::Kernel;
use crate::sys::locks::TextLocks;
use crate::sys::symbols::{
    self,
    Candidates, //
};
use core::ops::Range;
use kernel::prelude::*;
use kernel::str::CString;

/// The longest function that is decoded.
pub(crate) const LONGEST: usize = 1 << 20;
/// How many bytes of an area are read at a time.
const PART: usize = 1 << 14;
/// The longest jump: a conditional one with a displacement of 32 bits.
const JCC: usize = 6;
/// The most bytes between a function and a neighbour in assembly that is searched for jumps into the
/// function.
const NEAR: usize = 1024;
/// The NOPs that the compiler puts before a function, with a symbol of their own. A mitigation that is in
/// use has replaced them.
const PADDING: [u8; 16] = [0x90; 16];

/// The areas of the kernel's text where its linker puts pieces (include/asm-generic/vmlinux.lds.h).
const AREAS: [(&CStr, &CStr); 2] = [
    (c"__split_text_start", c"__split_text_end"),
    (c"__unlikely_text_start", c"__unlikely_text_end"),
];

/// The kernel's areas. The targets of jumps in them are in the index. `None` if the kernel has no
/// symbols for the ends of the areas.
pub(crate) struct Searched(Option<[Range<usize>; AREAS.len()]>);

impl Searched {
    /// Puts the possible targets of jumps in the areas into `index`. Targets in the area of the jump are
    /// left out.
    ///
    /// The text in an area is made by the compiler. A piece jumps to one of three places: within itself;
    /// to its function, which is in another section, so that the displacement has 32 bits; or to a
    /// symbol, which no region has inside. So nothing needs to be decoded. Bytes that only look like a
    /// jump hardly ever have a target in the kernel's text.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(locks: &TextLocks, index: &mut Index<Kernel>) -> Result<Self> {
        let areas = AREAS.map(|(start, end)| symbols::lookup(start)..symbols::lookup(end));
        if areas.iter().any(|area| area.start == 0) {
            return Ok(Self(None));
        }
        let mut buffer = KVVec::new();
        for area in &areas {
            search(locks, index, area, &mut buffer)?;
        }
        Ok(Self(Some(areas)))
    }

    /// Whether the index has the targets of the pieces of a function that begins at `start`. It does not
    /// have them if the function may be in one area with its pieces.
    fn has_pieces_of(&self, start: usize) -> bool {
        self.0.is_some() && symbols::in_kernel_text(start) && !self.has(start)
    }

    /// Whether `addr` is in one of the areas.
    fn has(&self, addr: usize) -> bool {
        let mut areas = self.0.iter().flatten();
        areas.any(|area| area.contains(&addr))
    }
}

/// Puts the possible targets of jumps in `area` into `index`. Targets in `area` are left out.
fn search(
    locks: &TextLocks,
    index: &mut Index<Kernel>,
    area: &Range<usize>,
    buffer: &mut KVVec<u8>,
) -> Result {
    let mut pushed = Ok(());
    for start in area.clone().step_by(PART) {
        // The last jump that begins in the part may end after it.
        let end = area.end.min(start.saturating_add(PART + JCC - 1));
        let bytes = sized(buffer, end.saturating_sub(start))?;
        // SAFETY: The area is text of the kernel, which is mapped.
        unsafe { text::read_original(locks, &Optimizer::<Shell>::default(), start, bytes) };
        each_possible_jump(start as u64, bytes, |to| {
            let addr = to as usize;
            if !area.contains(&addr) && symbols::in_kernel_text(addr) && pushed.is_ok() {
                pushed = index.push(to, to.wrapping_add(1), Kind::PieceTarget);
            }
        });
    }
    pushed.map_err(|_| ENOMEM)
}

/// The first `len` bytes of a buffer. The buffer grows if it is too small.
fn sized(buffer: &mut KVVec<u8>, len: usize) -> Result<&mut [u8]> {
    if buffer.len() < len {
        buffer.resize(len, 0, GFP_KERNEL)?;
    }
    buffer.get_mut(..len).ok_or(ENOMEM)
}

/// The other pieces of a function, if the index does not have their targets. Several functions of one
/// name have pieces of one name. All of them are taken, because a branch of another function's piece has
/// no target in this function.
///
/// # Errors
///
/// `BadTarget` for a name that is not UTF-8, `NoMemory`.
pub(crate) fn of(
    function: &symbols::Symbol,
    searched: &Searched,
) -> Result<Option<Candidates>, Refusal> {
    let name = function.name();
    let other = match name.to_bytes().strip_suffix(b".cold") {
        Some(stem) => crate::sys::target::c_string(stem)?,
        None if searched.has_pieces_of(function.start) => return Ok(None),
        None => CString::try_from_fmt(fmt!("{}.cold", name)).map_err(|_| Refusal::NoMemory)?,
    };
    Ok(Some(symbols::pieces(function.module(), &other)))
}

/// Adds branches of other text to a function that was decoded.
pub(crate) struct Adder<'a> {
    pub(crate) locks: &'a TextLocks,
    pub(crate) optimizer: &'a Optimizer<Shell>,
    pub(crate) function: &'a mut DecodedFunction<Kernel>,
    pub(crate) buffer: &'a mut KVVec<u8>,
    /// Room for a name.
    pub(crate) named: &'a mut symbols::Symbol,
}

impl Adder<'_> {
    /// Adds the branches that leave the pieces that were found.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(crate) fn pieces(&mut self, found: &Candidates) -> Result<(), Refusal> {
        if found.found > found.addrs().count() {
            // There are more pieces than the search returns: nothing in this function may be a jump.
            self.function.add_unknown();
        }
        for piece in found.addrs().filter_map(symbols::bounds) {
            self.piece(piece)?;
        }
        Ok(())
    }

    /// Adds the branches of neighbours in assembly, because assembly jumps across labels that are
    /// symbols. The compiler puts `__pfx_NAME` before its functions, so assembly ends there. All text in
    /// the areas of pieces is made by the compiler.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(crate) fn neighbours(&mut self, searched: &Searched) -> Result<(), Refusal> {
        let first = self.function.start() as usize;
        let last = self.function.end() as usize;
        if searched.has(first) {
            return Ok(());
        }
        let mut start = first;
        while let Some(before) = self.assembly(start.wrapping_sub(1)) {
            if before.start >= start || first.saturating_sub(before.end) >= NEAR {
                break;
            }
            start = before.start;
            self.piece(before)?;
        }
        let mut end = last;
        while let Some(after) = self.assembly(end) {
            if after.end <= end || after.start.saturating_sub(last) >= NEAR {
                break;
            }
            end = after.end;
            self.piece(after)?;
        }
        Ok(())
    }

    /// The symbol at `addr`. `None` if it is in another kind of text than the function, or if the compiler
    /// put it before a function.
    fn assembly(&mut self, addr: usize) -> Option<Range<usize>> {
        let found = symbols::bounds(addr)?;
        if module_text::check(found.start) != module_text::check(self.function.start() as usize) {
            return None;
        }
        // SAFETY: The symbol is in text, by the check.
        let is_padding = || unsafe { live(found.start) } == PADDING;
        let padding = found.len() == PADDING.len() && is_padding();
        if padding || !self.named.find(addr) || is_preamble(self.named.name()) {
            return None;
        }
        Some(found)
    }

    /// Adds the branches that leave `piece`.
    fn piece(&mut self, piece: Range<usize>) -> Result<(), Refusal> {
        if piece.len() > LONGEST || module_text::check(piece.end.wrapping_sub(1)).is_err() {
            self.function.add_unknown();
            return Ok(());
        }
        let bytes = sized(self.buffer, piece.len()).map_err(|_| Refusal::NoMemory)?;
        // SAFETY: The piece is one symbol, and both ends are in text.
        unsafe { text::read_original(self.locks, self.optimizer, piece.start, bytes) };
        let function = &mut *self.function;
        // If a part does not decode, the branches before that part are known, and the others are not.
        let whole = collect_cross_branches(piece.start as u64, bytes, |branch| {
            function.add_target(branch.to)
        });
        if !whole {
            self.function.add_unknown();
        }
        Ok(())
    }
}

/// Whether a symbol stands before a function: `__cfi_NAME` or `__pfx_NAME`.
pub(crate) fn is_preamble(name: &CStr) -> bool {
    [&b"__cfi_"[..], b"__pfx_"]
        .iter()
        .any(|prefix| name.to_bytes().starts_with(prefix))
}
