// SPDX-License-Identifier: GPL-2.0

//! Growable arrays and index slabs of the pure files.
//!
//! The pure files use `core` only, so they name their arrays by [`Arrays`]: the kernel shell
//! supplies `KVec`, the host tests supply `Vec`. Growing may fail. After a successful `reserve`, no
//! operation in the reserved room can fail.

/// The allocation of memory failed, and nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

/// A growable array.
pub trait Array<T>: Default {
    /// The elements.
    fn as_slice(&self) -> &[T];
    /// The elements, to be changed.
    fn as_mut_slice(&mut self) -> &mut [T];
    /// Makes room for `additional` further elements.
    ///
    /// # Errors
    ///
    /// No memory. Nothing was changed.
    fn reserve(&mut self, additional: usize) -> Result<(), NoMemory>;
    /// Appends `value`. Without room it drops the value and returns `false`.
    fn push(&mut self, value: T) -> bool;
    /// Removes the last element.
    fn pop(&mut self) -> Option<T>;
}

/// Appends to an array that should have room.
///
/// # Errors
///
/// There is no room.
pub fn append<T>(array: &mut impl Array<T>, value: T) -> Result<(), NoMemory> {
    match array.push(value) {
        true => Ok(()),
        false => Err(NoMemory),
    }
}

/// A family of array types, one for each element type.
pub trait Arrays {
    /// The array of `T`.
    type Of<T>: Array<T>;
}

/// An array whose elements keep their index while they live.
///
/// # Invariants
///
/// `free` has room for every index of `entries`, and has each index whose entry is `None`.
#[derive(Clone)]
pub struct Slab<T, A: Arrays> {
    entries: A::Of<Option<T>>,
    free: A::Of<u32>,
}

impl<T, A: Arrays> Default for Slab<T, A> {
    fn default() -> Self {
        Self {
            entries: A::Of::default(),
            free: A::Of::default(),
        }
    }
}

impl<T, A: Arrays> Slab<T, A> {
    /// How many indices were ever used. Every live index is smaller.
    pub fn bound(&self) -> usize {
        self.entries.as_slice().len()
    }

    /// The number of elements.
    pub fn live(&self) -> usize {
        let holes = self.free.as_slice().len();
        self.bound().saturating_sub(holes)
    }

    /// Makes room for `n` further elements.
    ///
    /// # Errors
    ///
    /// No memory. Room may have been made in one of the two arrays.
    pub fn reserve(&mut self, n: usize) -> Result<(), NoMemory> {
        let holes = self.free.as_slice().len();
        self.entries.reserve(n.saturating_sub(holes))?;
        // Each present and future entry may become a hole.
        self.free.reserve(self.live().saturating_add(n))
    }

    /// Stores `value` in reserved room and returns its index. Without room it returns `None`.
    pub fn insert(&mut self, value: T) -> Option<u32> {
        if let Some(index) = self.free.pop() {
            let entry = self.entries.as_mut_slice().get_mut(index as usize)?;
            *entry = Some(value);
            return Some(index);
        }
        let index = u32::try_from(self.bound()).ok()?;
        self.entries.push(Some(value)).then_some(index)
    }

    /// Removes the element at `index`.
    pub fn remove(&mut self, index: u32) -> Option<T> {
        let value = self
            .entries
            .as_mut_slice()
            .get_mut(index as usize)?
            .take()?;
        self.free.push(index);
        Some(value)
    }

    /// The element at `index`.
    pub fn get(&self, index: u32) -> Option<&T> {
        self.entries.as_slice().get(index as usize)?.as_ref()
    }

    /// The element at `index`, to be changed.
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.entries
            .as_mut_slice()
            .get_mut(index as usize)?
            .as_mut()
    }

    /// The elements with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..=u32::MAX)
            .zip(self.entries.as_slice())
            .filter_map(|(index, entry)| Some((index, entry.as_ref()?)))
    }
}
