// SPDX-License-Identifier: GPL-2.0

//! Executable memory for out-of-line copies and detours.
//!
//! Slots of equal size are cut from chunks that are mapped read-only and executable from the
//! beginning; they are written by `text_poke`, so that no mapping is ever writable and executable.
//! A slot is given back only after RCU-tasks quiescence: a task may be preempted in it.

use crate::containers::slab::Array;
use crate::out_of_line::slot_image::{Image, SLOT};
use crate::shell::text_lane::live;
use crate::sys::ffi;
use crate::sys::growable::Growable;
use crate::sys::locks::TextMutex;
use kernel::prelude::*;

/// Bytes of a chunk.
const CHUNK: usize = 64 << 10;
/// Slots of a chunk.
const SLOTS: usize = CHUNK / SLOT;

/// All chunks, and which slots nobody has.
///
/// # Invariants
///
/// `free` has room for every slot of every chunk.
pub(crate) struct Slots {
    chunks: KVec<usize>,
    /// Counted over all chunks, [`SLOTS`] for each.
    free: Growable<u32>,
}

impl Slots {
    /// No memory yet.
    pub(crate) const fn new() -> Self {
        Self {
            chunks: KVec::new(),
            free: Growable::new(),
        }
    }

    /// Takes a slot, with what it had last or int3s; ENOMEM when there is no memory for another chunk.
    pub(crate) fn take(&mut self) -> Result<usize> {
        if self.free.as_slice().is_empty() {
            self.add_chunk()?;
        }
        let number = self.free.pop().ok_or(ENOMEM)? as usize;
        let chunk = self.chunks.get(number / SLOTS).ok_or(ENOMEM)?;
        Ok(chunk.wrapping_add((number % SLOTS).wrapping_mul(SLOT)))
    }

    fn add_chunk(&mut self) -> Result {
        let first = self.chunks.len().saturating_mul(SLOTS);
        let all = first.saturating_add(SLOTS);
        self.free.reserve(all).map_err(|_| ENOMEM)?;
        self.chunks.reserve(1, GFP_KERNEL)?;
        // SAFETY: allocates; there is no further condition.
        let chunk = unsafe { ffi::rk_execmem_alloc(CHUNK) } as usize;
        if chunk == 0 {
            return Err(ENOMEM);
        }
        self.chunks.push(chunk, GFP_KERNEL)?;
        // The lowest address is taken first: slots of one batch are neighbours.
        for number in (first..all).rev() {
            self.free.push(number as u32);
        }
        Ok(())
    }

    /// Gives a slot back. No CPU and no task is in it.
    pub(crate) fn give(&mut self, slot: usize) {
        let has_it = |chunk: &usize| (*chunk..chunk.wrapping_add(CHUNK)).contains(&slot);
        let Some(at) = self.chunks.iter().position(has_it) else {
            return;
        };
        let chunk = self.chunks.get(at).copied().unwrap_or(slot);
        let number = at
            .wrapping_mul(SLOTS)
            .wrapping_add(slot.wrapping_sub(chunk) / SLOT);
        // There is room by the invariant.
        self.free.push(number as u32);
    }

    /// Bytes of all chunks.
    pub(crate) fn mapped(&self) -> usize {
        self.chunks.len().saturating_mul(CHUNK)
    }

    /// How many slots are in use.
    pub(crate) fn used(&self) -> usize {
        let all = self.chunks.len().saturating_mul(SLOTS);
        all.saturating_sub(self.free.as_slice().len())
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        for chunk in &self.chunks {
            // SAFETY: the chunk is from `rk_execmem_alloc`, and all its slots were given back, or
            // were never reachable.
            unsafe { ffi::rk_execmem_free(*chunk as *mut kernel::ffi::c_void) };
        }
    }
}

/// Writes `bytes` to `at` in a slot that is in use, before anybody can reach them.
pub(crate) fn append(_lock: &TextMutex, at: usize, bytes: &[u8]) {
    let len = bytes.len().min(SLOT);
    if len == 0 {
        return;
    }
    let mut old = [0; SLOT];
    for (offset, byte) in old.iter_mut().take(len).enumerate() {
        [*byte] = live(at.wrapping_add(offset));
    }
    // SAFETY: the slot is ours, no CPU executes what it has there, and `text_mutex` is held.
    unsafe {
        ffi::rk_perf_text_poke(at, old.as_ptr().cast(), len, bytes.as_ptr().cast(), len);
        ffi::rk_text_poke(at, bytes.as_ptr().cast(), len);
    }
}

/// Writes a slot's bytes before anybody can reach them.
pub(crate) fn write(_lock: &TextMutex, slot: usize, image: &Image) {
    let old = live::<SLOT>(slot);
    // SAFETY: the slot is ours, no CPU executes it yet, and `text_mutex` is held.
    unsafe {
        ffi::rk_perf_text_poke(
            slot,
            old.as_ptr().cast(),
            SLOT,
            image.bytes.as_ptr().cast(),
            SLOT,
        );
        ffi::rk_text_poke(slot, image.bytes.as_ptr().cast(), SLOT);
    }
}
