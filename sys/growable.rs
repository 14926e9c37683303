// SPDX-License-Identifier: GPL-2.0

//! The kernel's arrays, for the pure files.

use crate::containers::slab::{Array, NoMemory};
use kernel::prelude::*;

/// An array in pages of its own: `kmalloc` would round what is larger up to a power of two.
pub(crate) struct Growable<T>(VVec<T>);

impl<T> Growable<T> {
    /// An array of nothing.
    pub(crate) const fn new() -> Self {
        Self(VVec::new())
    }
}

impl<T> Default for Growable<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Array<T> for Growable<T> {
    fn as_slice(&self) -> &[T] {
        &self.0
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.0
    }

    fn reserve(&mut self, additional: usize) -> Result<(), NoMemory> {
        let room = self.0.capacity().saturating_sub(self.0.len());
        if room >= additional {
            return Ok(());
        }
        // An eighth at least, so that growing by one each time stays linear. `Vec::reserve` would
        // double the size, which would be half of what sites take.
        let more = additional.max(self.0.len() / 8);
        let size = self.0.len().saturating_add(more);
        let mut grown = VVec::with_capacity(size, GFP_KERNEL).map_err(|_| NoMemory)?;
        for element in core::mem::replace(&mut self.0, VVec::new()) {
            // There is room for more than there are.
            let _ = grown.push_within_capacity(element);
        }
        self.0 = grown;
        Ok(())
    }

    fn push(&mut self, value: T) -> bool {
        self.0.push_within_capacity(value).is_ok()
    }

    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }
}
