// SPDX-License-Identifier: GPL-2.0

//! A set of byte offsets.

use crate::containers::slab::{
    Array,
    Arrays,
    NoMemory, //
};

/// A set of byte offsets.
pub(super) struct Offsets<A: Arrays>(A::Of<u64>);

impl<A: Arrays> Default for Offsets<A> {
    fn default() -> Self {
        Offsets(A::Of::default())
    }
}

impl<A: Arrays> Offsets<A> {
    /// Makes the set empty, with room for offsets smaller than `bound`.
    ///
    /// # Errors
    ///
    /// No memory. The set has its old offsets.
    pub(super) fn clear(&mut self, bound: usize) -> Result<(), NoMemory> {
        let words = bound.div_ceil(64);
        grow(&mut self.0, words, 0)?;
        let words = self.0.as_mut_slice().get_mut(..words);
        words.ok_or(NoMemory)?.fill(0);
        Ok(())
    }

    pub(super) fn insert(&mut self, offset: usize) {
        if let Some(word) = self.0.as_mut_slice().get_mut(offset / 64) {
            *word |= 1 << (offset % 64);
        }
    }

    /// Inserts the offset of `addr` from `start`, if it is within bounds.
    pub(super) fn insert_address(&mut self, start: u64, addr: u64) {
        if let Ok(offset) = usize::try_from(addr.wrapping_sub(start)) {
            self.insert(offset);
        }
    }

    /// The 64 offsets from `offset` on, a bit for each. The bits at and after the bound have no
    /// meaning.
    pub(super) fn window(&self, offset: usize) -> u64 {
        let words = self.0.as_slice().get(offset / 64..).unwrap_or(&[]);
        let word = |at: usize| words.get(at).copied().unwrap_or(0);
        let shift = offset % 64;
        let next = word(1).checked_shl(64_u32.saturating_sub(shift as u32));
        word(0) >> shift | next.unwrap_or(0)
    }

    pub(super) fn has(&self, offset: usize) -> bool {
        let word = self.0.as_slice().get(offset / 64);
        word.is_some_and(|word| word >> (offset % 64) & 1 != 0)
    }
}

/// Gives `array` the length `len`, unless it is longer.
///
/// # Errors
///
/// No memory. The array was not changed.
pub(super) fn grow<T: Copy, V: Array<T>>(
    array: &mut V,
    len: usize,
    value: T,
) -> Result<(), NoMemory> {
    let missing = len.saturating_sub(array.as_slice().len());
    array.reserve(missing)?;
    for _ in 0..missing {
        array.push(value);
    }
    Ok(())
}
