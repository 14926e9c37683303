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
        // Twice the size, so that growing by one each time stays linear.
        let more = additional.max(self.0.len());
        self.0.reserve(more, GFP_KERNEL).map_err(|_| NoMemory)
    }

    fn push(&mut self, value: T) -> bool {
        self.0.push_within_capacity(value).is_ok()
    }

    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }
}
