// SPDX-License-Identifier: GPL-2.0

//! Growable arrays and index slabs for the pure files.
//!
//! The pure files use `core` only, so they name the arrays they need through [`Arrays`]: the kernel
//! shell gives `KVec`, the host tests give `Vec`. Growing may fail and says so; everything that is
//! done after a successful `reserve` cannot.

/// Memory could not be had; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

/// A growable array.
pub trait Array<T>: Default {
    /// The elements.
    fn as_slice(&self) -> &[T];
    /// The elements, to be changed.
    fn as_mut_slice(&mut self) -> &mut [T];
    /// Makes room for `additional` further elements, or fails and changes nothing.
    fn reserve(&mut self, additional: usize) -> Result<(), NoMemory>;
    /// Appends `value`; without room for it the value is dropped and `false` returned.
    fn push(&mut self, value: T) -> bool;
    /// Takes the last element off.
    fn pop(&mut self) -> Option<T>;
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
/// `free` has room for every index of `entries`, and holds those whose entry is `None`.
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
    /// How many indices were ever given out: every live index is smaller.
    pub fn bound(&self) -> usize {
        self.entries.as_slice().len()
    }

    /// How many elements there are.
    pub fn live(&self) -> usize {
        let holes = self.free.as_slice().len();
        self.bound().saturating_sub(holes)
    }

    /// Makes room for `n` further elements.
    pub fn reserve(&mut self, n: usize) -> Result<(), NoMemory> {
        let holes = self.free.as_slice().len();
        self.entries.reserve(n.saturating_sub(holes))?;
        // Each entry, of now or to come, may become a hole.
        self.free.reserve(self.live().saturating_add(n))
    }

    /// Stores `value` in room that was reserved; `None` (and no change) without it.
    pub fn insert(&mut self, value: T) -> Option<u32> {
        if let Some(index) = self.free.pop() {
            let entry = self.entries.as_mut_slice().get_mut(index as usize)?;
            *entry = Some(value);
            return Some(index);
        }
        let index = u32::try_from(self.bound()).ok()?;
        self.entries.push(Some(value)).then_some(index)
    }

    /// Takes the element at `index` out.
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
