// SPDX-License-Identifier: GPL-2.0

//! Executable memory for out-of-line copies and detours.
//!
//! Slots of equal size are parts of chunks that are mapped read-only and executable from the
//! beginning. `text_poke` writes them, so that no mapping is ever writable and executable. A slot is
//! given back only after RCU-tasks quiescence, because a task may be preempted in it.

use crate::containers::slab::Array;
use crate::out_of_line::slot_image::{
    Image,
    SLOT, //
};
use crate::shell::text::live;
use crate::sys::ffi;
use crate::sys::growable::Growable;
use crate::sys::locks::TextMutex;
use crate::sys::stats;
use kernel::prelude::*;

/// Bytes of a chunk.
const CHUNK: usize = 64 << 10;
/// Slots of a chunk.
const SLOTS: usize = CHUNK / SLOT;

/// Memory for slots.
struct Chunk {
    addr: usize,
    /// A jump that stays in the text leads to one of its slots, so the chunk is never freed.
    kept: bool,
}

impl Chunk {
    fn contains(&self, slot: usize) -> bool {
        (self.addr..self.addr.wrapping_add(CHUNK)).contains(&slot)
    }
}

/// All chunks, and which slots are free.
///
/// # Invariants
///
/// `free` has room for every slot of every chunk.
pub(crate) struct Slots {
    chunks: KVec<Chunk>,
    /// The numbers of free slots, counted over all chunks, [`SLOTS`] for each.
    free: Growable<u32>,
}

impl Slots {
    /// Slots without memory.
    pub(crate) const fn new() -> Self {
        Self {
            chunks: KVec::new(),
            free: Growable::new(),
        }
    }

    /// Takes a slot. It has int3s, or the bytes of its last use.
    ///
    /// # Errors
    ///
    /// ENOMEM without memory for another chunk.
    pub(crate) fn take(&mut self) -> Result<usize> {
        if self.free.as_slice().is_empty() {
            self.add_chunk()?;
        }
        let number = self.free.pop().ok_or(ENOMEM)? as usize;
        let chunk = self.chunks.get(number / SLOTS).ok_or(ENOMEM)?;
        Ok(chunk.addr.wrapping_add((number % SLOTS).wrapping_mul(SLOT)))
    }

    fn add_chunk(&mut self) -> Result {
        let first = self.chunks.len().saturating_mul(SLOTS);
        let all = first.saturating_add(SLOTS);
        self.free.reserve(all).map_err(|_| ENOMEM)?;
        self.chunks.reserve(1, GFP_KERNEL)?;
        // SAFETY: The function has no condition but process context.
        let chunk = unsafe { ffi::rk_execmem_alloc(CHUNK) } as usize;
        if chunk == 0 {
            return Err(ENOMEM);
        }
        let chunk = Chunk {
            addr: chunk,
            kept: false,
        };
        // SAFETY: The function takes numbers only.
        unsafe { ffi::rk_perf_slots(chunk.addr, CHUNK, false) };
        self.chunks.push(chunk, GFP_KERNEL)?;
        // The lowest address is taken first, so that slots of one batch are neighbours.
        for number in (first..all).rev() {
            self.free.push(number as u32);
        }
        Ok(())
    }

    /// Gives a slot back. No CPU and no task is in it, and its chunk is one of these.
    pub(crate) fn give(&mut self, slot: usize) {
        let Some(at) = self.chunks.iter().position(|chunk| chunk.contains(slot)) else {
            return;
        };
        let chunk = self.chunks.get(at).map_or(slot, |chunk| chunk.addr);
        let number = at
            .wrapping_mul(SLOTS)
            .wrapping_add(slot.wrapping_sub(chunk) / SLOT);
        // `free` has room by the invariant.
        self.free.push(number as u32);
    }

    /// Keeps the chunk of `slot` for ever.
    pub(crate) fn keep(&mut self, slot: usize) {
        if let Some(chunk) = self.chunks.iter_mut().find(|chunk| chunk.contains(slot)) {
            chunk.kept = true;
        }
    }

    /// Bytes of the chunks that are kept for ever.
    pub(crate) fn kept(&self) -> usize {
        let kept = self.chunks.iter().filter(|chunk| chunk.kept).count();
        kept.saturating_mul(CHUNK)
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
        for chunk in self.chunks.iter().filter(|chunk| !chunk.kept) {
            // SAFETY: The chunk is from `rk_execmem_alloc`. Its slots were given back, or were never
            // reachable.
            unsafe {
                ffi::rk_perf_slots(chunk.addr, CHUNK, true);
                ffi::rk_execmem_free(chunk.addr as *mut kernel::ffi::c_void);
            }
        }
    }
}

/// Writes `bytes` at `at` in a slot, before any CPU can reach them.
///
/// # Safety
///
/// All of the bytes are in a slot that the caller has taken, and no CPU executes them.
pub(crate) unsafe fn append(_lock: &TextMutex, at: usize, bytes: &[u8]) {
    let len = bytes.len().min(SLOT);
    if len == 0 {
        return;
    }
    let mut old = [0; SLOT];
    for (offset, byte) in old.iter_mut().take(len).enumerate() {
        // SAFETY: A slot is mapped.
        let [now] = unsafe { live(at.wrapping_add(offset)) };
        *byte = now;
    }
    // SAFETY: The slot is the caller's, no CPU executes the bytes, and `text_mutex` is held.
    unsafe {
        ffi::rk_perf_text_poke(at, old.as_ptr().cast(), len, bytes.as_ptr().cast(), len);
        ffi::rk_text_poke(at, bytes.as_ptr().cast(), len);
    }
}

/// Waits until each CPU executes the bytes of slots as they are now, and no earlier ones that it has
/// fetched. Interrupts are on.
pub(crate) fn sync(_lock: &TextMutex) {
    // SAFETY: `text_mutex` is held.
    unsafe { ffi::rk_text_poke_sync() };
    stats::add(&stats::SYNC_ROUNDS, 1);
}

/// Writes the image of a whole slot, before any CPU can reach it.
///
/// # Safety
///
/// The caller has taken the slot, and no CPU executes it.
pub(crate) unsafe fn write(lock: &TextMutex, slot: usize, image: &Image) {
    // SAFETY: By the contract; the image is as long as a slot.
    unsafe { append(lock, slot, &image.bytes) };
}
