// SPDX-License-Identifier: GPL-2.0

//! The kernel's arrays, for the pure files.

use crate::slab::{Array, NoMemory};
use kernel::prelude::*;

/// An array in `kvmalloc` memory.
pub(crate) struct Growable<T>(KVVec<T>);

impl<T> Default for Growable<T> {
    fn default() -> Self {
        Self(KVVec::new())
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
        let mut grown = KVVec::with_capacity(size, GFP_KERNEL).map_err(|_| NoMemory)?;
        for element in core::mem::replace(&mut self.0, KVVec::new()) {
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
