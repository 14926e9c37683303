// SPDX-License-Identifier: GPL-2.0

//! Arrays that use only reserved room, and whose reservations can be made to fail.

use rkprobes_host::containers::slab::{Array, NoMemory};
use std::cell::Cell;

thread_local! {
    /// The number of further reservations that succeed on this thread. `None` means all.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// While `act` runs, `left` reservations succeed and all later ones fail.
pub fn with_memory_for<R>(left: u32, act: impl FnOnce() -> R) -> R {
    LEFT.set(Some(left));
    let result = act();
    LEFT.set(None);
    result
}

fn allocate() -> Result<(), NoMemory> {
    match LEFT.get() {
        Some(0) => Err(NoMemory),
        left => {
            LEFT.set(left.map(|left| left - 1));
            Ok(())
        }
    }
}

/// An array like `KVec`: it grows only in a reservation.
#[derive(Clone, Debug)]
pub struct Room<T> {
    items: Vec<T>,
    room: usize,
}

impl<T> Default for Room<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            room: 0,
        }
    }
}

impl<T> Array<T> for Room<T> {
    fn as_slice(&self) -> &[T] {
        &self.items
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.items
    }

    fn reserve(&mut self, additional: usize) -> Result<(), NoMemory> {
        let room = self.items.len() + additional;
        if room > self.room {
            allocate()?;
            self.room = room;
        }
        Ok(())
    }

    fn push(&mut self, value: T) -> bool {
        let fits = self.items.len() < self.room;
        if fits {
            self.items.push(value);
        }
        fits
    }

    fn pop(&mut self) -> Option<T> {
        self.items.pop()
    }
}
