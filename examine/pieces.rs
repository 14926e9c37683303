// SPDX-License-Identifier: GPL-2.0

//! Who else jumps into a function: its other pieces, and its neighbours in assembly.
//!
//! gcc moves unlikely code to `NAME.cold`, which jumps back into the middle of `NAME`. The kernel
//! keeps all such pieces in areas of their own, whose ends are symbols: where a jump there may go to
//! outside of them is put into the index of reserved text, once. In modules pieces are
//! found by name, and so is the function that a piece was split off.

use crate::eligibility::refusal::Refusal;
use crate::eligibility::reserved::{Index, Kind};
use crate::eligibility::{collect_cross_branches, each_possible_jump, DecodedFunction};
use crate::optimizer::Optimizer;
use crate::shell::module_text;
use crate::shell::text;
use crate::shell::text::live;
use crate::shell::Shell;
use crate::sys::growable::Kernel;
use crate::sys::locks::TextLocks;
use crate::sys::symbols::{self, Candidates};
use core::ops::Range;
use kernel::prelude::*;
use kernel::str::CString;

/// The longest function that is decoded.
pub(crate) const LONGEST: usize = 1 << 20;
/// How much of an area is read at a time.
const PART: usize = 1 << 14;
/// The longest jump: with a condition, and a displacement of 32 bits.
const JCC: usize = 6;
/// How far from a function others in assembly may be that jump into it.
const NEAR: usize = 1024;
/// What the compiler puts in front of a function, in a symbol of its own, while no mitigation uses it.
const PADDING: [u8; 16] = [0x90; 16];

/// The areas of the kernel's text where its linker puts pieces (include/asm-generic/vmlinux.lds.h).
const AREAS: [(&CStr, &CStr); 2] = [
    (c"__split_text_start", c"__split_text_end"),
    (c"__unlikely_text_start", c"__unlikely_text_end"),
];

/// The kernel's areas, of which the index has the jumps; `None` where the kernel does not tell them.
pub(crate) struct Searched(Option<[Range<usize>; AREAS.len()]>);

impl Searched {
    /// Puts all that jumps in the areas may go to outside of their area into `index`.
    ///
    /// What is inside of an area is made by the compiler: a piece jumps within itself, to its
    /// function, which is in another section, so that the displacement has 32 bits, or to a symbol, which
    /// no region has inside. So nothing has to be decoded, and of what only looks like a jump hardly
    /// anything would go into the kernel's text.
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

    /// Whether the index has what the pieces of a function that begins at `start` jump to: not where
    /// both may be in one area.
    fn has_pieces_of(&self, start: usize) -> bool {
        self.0.is_some() && symbols::in_kernel_text(start) && !self.has(start)
    }

    /// Whether `addr` is in one of the areas.
    fn has(&self, addr: usize) -> bool {
        let mut areas = self.0.iter().flatten();
        areas.any(|area| area.contains(&addr))
    }
}

fn search(
    locks: &TextLocks,
    index: &mut Index<Kernel>,
    area: &Range<usize>,
    buffer: &mut KVVec<u8>,
) -> Result {
    let mut pushed = Ok(());
    for start in area.clone().step_by(PART) {
        // The last jump that begins in the part may end behind it.
        let end = area.end.min(start.saturating_add(PART + JCC - 1));
        let bytes = sized(buffer, end.saturating_sub(start))?;
        // SAFETY: the area is text of the kernel, which is mapped.
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

/// The first `len` bytes of a buffer, which grows if it has to.
fn sized(buffer: &mut KVVec<u8>, len: usize) -> Result<&mut [u8]> {
    if buffer.len() < len {
        buffer.resize(len, 0, GFP_KERNEL)?;
    }
    buffer.get_mut(..len).ok_or(ENOMEM)
}

/// The other pieces of a function that the index knows nothing of. Functions of one name each have
/// their pieces; whose they are does not matter, a branch of a stranger does not land there.
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

/// Adds branches from elsewhere to a function that was decoded.
pub(crate) struct Adder<'a> {
    pub(crate) locks: &'a TextLocks,
    pub(crate) optimizer: &'a Optimizer<Shell>,
    pub(crate) function: &'a mut DecodedFunction<Kernel>,
    pub(crate) buffer: &'a mut KVVec<u8>,
    /// Room for a name.
    pub(crate) named: &'a mut symbols::Symbol,
}

impl Adder<'_> {
    /// Adds those that leave the pieces that were found.
    pub(crate) fn pieces(&mut self, found: &Candidates) -> Result<(), Refusal> {
        if found.found > found.addrs().count() {
            // More than are told: nothing in this function may be a jump.
            self.function.add_unknown();
        }
        for piece in found.addrs().filter_map(symbols::bounds) {
            self.piece(piece)?;
        }
        Ok(())
    }

    /// Adds those that come from around the function: assembly jumps across labels that are
    /// symbols. The compiler puts `__pfx_NAME` in front of what it makes, so there it ends; and all
    /// that is in the areas of pieces is made by it.
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
        while let Some(behind) = self.assembly(end) {
            if behind.end <= end || behind.start.saturating_sub(last) >= NEAR {
                break;
            }
            end = behind.end;
            self.piece(behind)?;
        }
        Ok(())
    }

    /// The symbol at `addr`, if it is in the same kind of text and not what the compiler puts in
    /// front of a function.
    fn assembly(&mut self, addr: usize) -> Option<Range<usize>> {
        let found = symbols::bounds(addr)?;
        if module_text::check(found.start) != module_text::check(self.function.start() as usize) {
            return None;
        }
        // SAFETY: a symbol of this length is in text that is checked above.
        let is_padding = || unsafe { live(found.start) } == PADDING;
        let padding = found.len() == PADDING.len() && is_padding();
        if padding || !self.named.find(addr) || is_preamble(self.named.name()) {
            return None;
        }
        Some(found)
    }

    /// Adds those that leave `piece`.
    fn piece(&mut self, piece: Range<usize>) -> Result<(), Refusal> {
        if piece.len() > LONGEST || module_text::check(piece.end.wrapping_sub(1)).is_err() {
            self.function.add_unknown();
            return Ok(());
        }
        let bytes = sized(self.buffer, piece.len()).map_err(|_| Refusal::NoMemory)?;
        // SAFETY: the piece is one symbol, both ends of which are in text.
        unsafe { text::read_original(self.locks, self.optimizer, piece.start, bytes) };
        let function = &mut *self.function;
        // Where it does not decode, what it has up to there is known, and the rest is not.
        let whole = collect_cross_branches(piece.start as u64, bytes, |branch| {
            function.add_target(branch.to)
        });
        if !whole {
            self.function.add_unknown();
        }
        Ok(())
    }
}

/// `__cfi_NAME` and `__pfx_NAME` are in front of functions.
pub(crate) fn is_preamble(name: &CStr) -> bool {
    [&b"__cfi_"[..], b"__pfx_"]
        .iter()
        .any(|prefix| name.to_bytes().starts_with(prefix))
}
