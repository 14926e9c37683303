// SPDX-License-Identifier: GPL-2.0

//! The arrays of the pure files on the host: `Vec`.

use crate::containers::slab::{Array, Arrays, NoMemory};
use alloc::vec::Vec;

/// Arrays that never run out of memory.
#[derive(Debug)]
pub struct Heap;

impl Arrays for Heap {
    type Of<T> = Vec<T>;
}

impl<T> Array<T> for Vec<T> {
    fn as_slice(&self) -> &[T] {
        self
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        self
    }

    fn reserve(&mut self, additional: usize) -> Result<(), NoMemory> {
        self.try_reserve(additional).map_err(|_| NoMemory)
    }

    fn push(&mut self, value: T) -> bool {
        self.push(value);
        true
    }

    fn pop(&mut self) -> Option<T> {
        self.pop()
    }
}
