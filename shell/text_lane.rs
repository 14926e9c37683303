// SPDX-License-Identifier: GPL-2.0

//! Batches of pokes: what the 2010 kprobes patches call `text_poke_smp_batch`.
//!
//! Kernels until 6.15 call it `text_poke_queue`/`text_poke_finish`, since 6.16 it is
//! `smp_text_poke_batch_add`/`smp_text_poke_batch_finish` (arch/x86/kernel/alternative.c). Sites
//! come sorted by address, for the kernel's vector of 256 flushes early otherwise. Sync rounds for
//! up to 256 sites: arm 1, optimize 3, unoptimize 2, disarm 1.
//!
//! The vector may hold entries of others, who queue, drop `text_mutex` and finish later: flushing
//! those is harmless.

use crate::arch_x86::trap::Trap;
use crate::insn_decode::opcodes::{INT3, JUMP_LEN};
use crate::optimizer::{Foreign, JumpTo, Poke, VECTOR};
use crate::shell::SiteMemory;
use crate::sys::ffi;
use crate::sys::locks::TextLocks;
use crate::sys::stats;
use kernel::time::{delay::fsleep, Delta};

/// How often those who may be about to register a native kprobe are let go first.
pub(crate) const PATIENCE: u32 = 20;

/// One batch of one kind of poke at a time, under the text locks.
pub(crate) struct TextPokeBatch {
    locks: TextLocks,
    /// Somebody waited for `kprobe_mutex` when it was taken, and may register a native kprobe.
    awaited: bool,
    added: usize,
}

/// The bytes of the text at `addr` now.
pub(crate) fn live<const N: usize>(addr: usize) -> [u8; N] {
    let mut bytes = [0; N];
    for (offset, byte) in bytes.iter_mut().enumerate() {
        // SAFETY: the caller's address is in text that is mapped, and so is what it reads behind:
        // a site's bytes are inside its function.
        *byte = unsafe { (addr.wrapping_add(offset) as *const u8).read_volatile() };
    }
    bytes
}

/// Whether the text at `addr` is `bytes`.
fn text_is(addr: usize, bytes: &[u8]) -> bool {
    bytes
        .iter()
        .enumerate()
        .all(|(offset, byte)| live::<1>(addr.wrapping_add(offset)) == [*byte])
}

/// Whether a native kprobe is registered in `start..end`; it may come or go unless the caller holds
/// `kprobe_mutex`.
pub(crate) fn kprobe_in(start: usize, end: usize) -> bool {
    // SAFETY: looks addresses up.
    (start..end).any(|addr| unsafe { ffi::rk_kprobe_at(addr) })
}

/// Whether a native kprobe is where there can be no int3 then. The text locks are held.
fn is_free_of_natives(trap: &Trap) -> Result<(), Foreign> {
    let addr = trap.addr;
    if kprobe_in(addr, addr.wrapping_add(1)) {
        return Err(Foreign::KprobeHere);
    }
    // A native jump that covers us, or a native probe in the bytes of our instruction.
    let end = addr.wrapping_add(usize::from(trap.len));
    match kprobe_in(addr.wrapping_sub(JUMP_LEN - 1), end) {
        true => Err(Foreign::KprobeNear),
        false => Ok(()),
    }
}

impl TextPokeBatch {
    /// Takes the text locks. Native kprobes that are about to be registered go first: they have
    /// passed the blacklist, and must be seen here.
    pub(crate) fn lock() -> Self {
        let mut locks = TextLocks::lock();
        for _ in 0..PATIENCE {
            if !locks.kprobes().is_awaited() {
                break;
            }
            drop(locks);
            fsleep(Delta::from_millis(1));
            locks = TextLocks::lock();
        }
        Self {
            awaited: locks.kprobes().is_awaited(),
            locks,
            added: 0,
        }
    }

    /// Refuses native kprobes what the site will hide, unless one of them keeps it from being armed. Whoever
    /// passes their blacklist from now on has seen that. Says whether they are refused more than before.
    pub(crate) fn announce(&self, trap: &Trap) -> bool {
        // Arming says what was wrong.
        is_free_of_natives(trap).is_ok()
            && trap.refuse_natives(self.locks.kprobes()).unwrap_or(false)
    }

    /// The site was not armed.
    pub(crate) fn withdraw(&self, trap: &Trap) {
        trap.let_natives_in(self.locks.kprobes());
    }

    /// Compares the text with what should be there, and adds `site` to the batch; its jump, if that
    /// is written or taken out, goes `to` there.
    pub(crate) fn add(&mut self, poke: Poke, site: &SiteMemory, to: JumpTo) -> Result<(), Foreign> {
        let trap = &*site.trap;
        match poke {
            Poke::Arm => self.arm(trap)?,
            Poke::Disarm => self.disarm(trap)?,
            Poke::Optimize => self.optimize(trap, &site.jump(to)?)?,
            Poke::Unoptimize => self.unoptimize(trap, &site.jump(to)?)?,
        }
        self.added = self.added.wrapping_add(1);
        Ok(())
    }

    fn arm(&mut self, trap: &Trap) -> Result<(), Foreign> {
        is_free_of_natives(trap)?;
        let first = trap.original().get(..usize::from(trap.len)).unwrap_or(&[]);
        if !text_is(trap.addr, first) {
            return Err(Foreign::Bytes);
        }
        // Native kprobes came or went each time that the site was announced.
        if trap.refuse_natives(self.locks.kprobes())? {
            return Err(Foreign::KprobeNear);
        }
        self.poke_byte(trap, INT3)
    }

    fn disarm(&mut self, trap: &Trap) -> Result<(), Foreign> {
        let end = trap.addr.wrapping_add(usize::from(trap.len));
        let insn = trap.original().get(..usize::from(trap.len));
        let (first, tail) = insn
            .and_then(|insn| insn.split_first())
            .ok_or(Foreign::Bytes)?;
        // Who does not know our int3 may take a byte of our instruction's tail for an instruction.
        if live::<1>(trap.addr) != [INT3]
            || !text_is(trap.addr.wrapping_add(1), tail)
            || kprobe_in(trap.addr, end)
        {
            return Err(Foreign::Bytes);
        }
        self.poke_byte(trap, *first)?;
        trap.let_natives_in(self.locks.kprobes());
        Ok(())
    }

    /// Writes the first byte of a site; the sync is for the whole batch.
    fn poke_byte(&mut self, trap: &Trap, byte: u8) -> Result<(), Foreign> {
        let old = live::<1>(trap.addr);
        let new = [byte];
        // SAFETY: the text locks are held, and the byte was compared with what is ours.
        unsafe {
            ffi::rk_perf_text_poke(trap.addr, old.as_ptr().cast(), 1, new.as_ptr().cast(), 1);
            ffi::rk_text_poke(trap.addr, new.as_ptr().cast(), 1);
        }
        Ok(())
    }

    fn optimize(&mut self, trap: &Trap, jump: &[u8; JUMP_LEN]) -> Result<(), Foreign> {
        // A hit has found somebody's bytes in the region and gone on there while the pass waited.
        if !trap.has_detour_hits() {
            return Err(Foreign::KprobeNear);
        }
        let tail = trap.original().get(1..).ok_or(Foreign::Bytes)?;
        if live::<1>(trap.addr) != [INT3] || !text_is(trap.addr.wrapping_add(1), tail) {
            return Err(Foreign::Bytes);
        }
        // A native kprobe that is registered and disabled would write into our displacement when it
        // is enabled; one in front of us may become a jump over us. One that passed the blacklist
        // before the region was in it is registered by now, or sleeps until it has the mutex; who may
        // still be in between is said in Documentation/hazards.rst.
        let end = trap.addr.wrapping_add(trap.original().len().max(JUMP_LEN));
        if kprobe_in(trap.addr.wrapping_sub(JUMP_LEN - 1), end) || self.awaited {
            return Err(Foreign::KprobeNear);
        }
        // It has come while the site was queued. Next time they have been refused the whole function.
        if trap.refuse_natives_for_jump()? {
            return Err(Foreign::KprobeNear);
        }
        // SAFETY: the text locks are held; the jump is one instruction of 5 bytes, and no task is
        // inside the region (the pass has waited).
        unsafe {
            ffi::rk_batch_add(trap.addr, jump.as_ptr().cast(), JUMP_LEN, core::ptr::null());
        }
        Ok(())
    }

    fn unoptimize(&mut self, trap: &Trap, jump: &[u8; JUMP_LEN]) -> Result<(), Foreign> {
        // What the region has behind the jump must be whole, for it is executed again.
        let end = trap.addr.wrapping_add(trap.original().len());
        let rest = trap.original().get(JUMP_LEN..).ok_or(Foreign::Bytes)?;
        if !text_is(trap.addr, jump)
            || !text_is(trap.addr.wrapping_add(JUMP_LEN), rest)
            || kprobe_in(trap.addr, end)
        {
            return Err(Foreign::Bytes);
        }
        let mut bytes = [INT3; JUMP_LEN];
        let tail = trap.original().get(1..JUMP_LEN).ok_or(Foreign::Bytes)?;
        bytes
            .get_mut(1..)
            .ok_or(Foreign::Bytes)?
            .copy_from_slice(tail);
        // SAFETY: the text locks are held. Until the batch is finished its int3s act as the jump,
        // which is given to be emulated; a bare int3 there would hit a BUG_ON.
        unsafe {
            ffi::rk_batch_add(
                trap.addr,
                bytes.as_ptr().cast(),
                JUMP_LEN,
                jump.as_ptr().cast(),
            );
        }
        Ok(())
    }

    /// Makes the batch visible to all CPUs.
    pub(crate) fn finish(&mut self, poke: Poke) {
        let vectors = self.added.div_ceil(VECTOR) as u64;
        match poke {
            Poke::Arm | Poke::Disarm => {
                // SAFETY: the text locks are held.
                unsafe { ffi::rk_text_poke_sync() };
                stats::add(&stats::SYNC_ROUNDS, 1);
            }
            Poke::Optimize => {
                // SAFETY: the text locks are held.
                unsafe { ffi::rk_batch_finish() };
                stats::add(&stats::SYNC_ROUNDS, vectors.wrapping_mul(3));
            }
            Poke::Unoptimize => {
                // SAFETY: the text locks are held.
                unsafe { ffi::rk_batch_finish() };
                stats::add(&stats::SYNC_ROUNDS, vectors.wrapping_mul(2));
            }
        }
        stats::add(&stats::BATCHES, vectors);
        self.added = 0;
    }
}
