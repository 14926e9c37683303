// SPDX-License-Identifier: GPL-2.0

//! Executable memory for out-of-line copies and detours.
//!
//! Slots of equal size are cut from chunks that are mapped read-only and executable from the
//! beginning; they are written by `text_poke`, so that no mapping is ever writable and executable.
//! A slot is given back only after RCU-tasks quiescence: a task may be preempted in it.

use crate::detour::{Image, SLOT};
use crate::ffi;
use crate::locks::TextMutex;
use kernel::prelude::*;

/// Bytes of a chunk: 512 slots.
const CHUNK: usize = 64 << 10;

/// All chunks, with the addresses of the slots that nobody has.
///
/// # Invariants
///
/// `free` has room for every slot of every chunk.
pub(crate) struct Slots {
    chunks: KVec<usize>,
    free: KVVec<usize>,
}

impl Slots {
    /// No memory yet.
    pub(crate) const fn new() -> Self {
        Self {
            chunks: KVec::new(),
            free: KVVec::new(),
        }
    }

    /// Takes a slot, which holds int3s; ENOMEM when there is no memory for another chunk.
    pub(crate) fn take(&mut self) -> Result<usize> {
        if let Some(slot) = self.free.pop() {
            return Ok(slot);
        }
        let slots = CHUNK / SLOT;
        let all = self.chunks.len().saturating_add(1).saturating_mul(slots);
        self.free.reserve(all, GFP_KERNEL)?;
        self.chunks.reserve(1, GFP_KERNEL)?;
        // SAFETY: allocates; there is no further condition.
        let chunk = unsafe { ffi::rk_execmem_alloc(CHUNK) } as usize;
        if chunk == 0 {
            return Err(ENOMEM);
        }
        self.chunks.push(chunk, GFP_KERNEL)?;
        // The lowest address is taken first: slots of one batch are neighbours.
        for index in (0..slots).rev() {
            let slot = chunk.wrapping_add(index.wrapping_mul(SLOT));
            self.free.push(slot, GFP_KERNEL)?;
        }
        self.free.pop().ok_or(ENOMEM)
    }

    /// Gives a slot back. No CPU and no task is in it.
    pub(crate) fn give(&mut self, slot: usize) {
        // There is room by the invariant.
        let _ = self.free.push_within_capacity(slot);
    }

    /// Bytes of all chunks.
    pub(crate) fn mapped(&self) -> usize {
        self.chunks.len().saturating_mul(CHUNK)
    }

    /// How many slots are in use.
    pub(crate) fn used(&self) -> usize {
        let all = self.chunks.len().saturating_mul(CHUNK / SLOT);
        all.saturating_sub(self.free.len())
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

/// Writes `bytes` to `at`, where a slot in use has int3s, before anybody can reach them.
pub(crate) fn append(_lock: &TextMutex, at: usize, bytes: &[u8]) {
    let old = [0xcc; SLOT];
    let len = bytes.len().min(SLOT);
    if len == 0 {
        return;
    }
    // SAFETY: the slot is ours, no CPU executes what it has there, and `text_mutex` is held.
    unsafe {
        ffi::rk_perf_text_poke(at, old.as_ptr().cast(), len, bytes.as_ptr().cast(), len);
        ffi::rk_text_poke(at, bytes.as_ptr().cast(), len);
    }
}

/// Writes a slot's bytes before anybody can reach them.
pub(crate) fn write(_lock: &TextMutex, slot: usize, image: &Image) {
    let old = [0xcc; SLOT];
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
