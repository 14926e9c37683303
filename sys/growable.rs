// SPDX-License-Identifier: GPL-2.0

//! The kernel's arrays, for the pure families.

use crate::containers::slab::{
    Array,
    Arrays,
    NoMemory, //
};
use kernel::prelude::*;

/// The family of arrays that pure types use in the kernel.
pub(crate) struct Kernel;

impl Arrays for Kernel {
    type Of<T> = Growable<T>;
}

/// An array in pages of its own, because `kmalloc` rounds large sizes up to a power of two.
pub(crate) struct Growable<T>(VVec<T>);

impl<T> Growable<T> {
    /// An empty array, which allocates nothing.
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
        // The array grows by an eighth at least, so that appending one by one takes linear time.
        // `Vec::reserve` would double the size: half of the memory of sites would be unused.
        let more = additional.max(self.0.len() / 8);
        let size = self.0.len().saturating_add(more);
        let mut grown = VVec::with_capacity(size, GFP_KERNEL).map_err(|_| NoMemory)?;
        for element in core::mem::replace(&mut self.0, VVec::new()) {
            // `grown` has room for all elements.
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

/// The family of arrays for small types, of which there are many.
pub(crate) struct Small;

impl Arrays for Small {
    type Of<T> = SmallArray<T>;
}

/// An array of less than a page.
pub(crate) struct SmallArray<T>(KVec<T>);

impl<T> Default for SmallArray<T> {
    fn default() -> Self {
        Self(KVec::new())
    }
}

impl<T> Array<T> for SmallArray<T> {
    fn as_slice(&self) -> &[T] {
        &self.0
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.0
    }

    fn reserve(&mut self, additional: usize) -> Result<(), NoMemory> {
        let reserved = self.0.reserve(additional, GFP_KERNEL_ACCOUNT);
        reserved.map_err(|_| NoMemory)
    }

    fn push(&mut self, value: T) -> bool {
        self.0.push_within_capacity(value).is_ok()
    }

    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }
}
