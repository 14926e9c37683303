// SPDX-License-Identifier: GPL-2.0

//! The text lane: batches of pokes, what the 2010 kprobes patches call `text_poke_smp_batch`.
//!
//! Kernels until 6.15 call it `text_poke_queue`/`text_poke_finish`; since 6.16 it is
//! `smp_text_poke_batch_add`/`smp_text_poke_batch_finish` (arch/x86/kernel/alternative.c). Sites are
//! sorted by address, because the kernel's vector of 256 entries flushes early otherwise. Sync rounds for
//! up to 256 sites: arm 1, optimize 3, unoptimize 2, disarm 1.
//!
//! The vector may hold entries of other callers, which queue, drop `text_mutex` and finish later.
//! Flushing their entries is harmless.

use crate::arch_x86::trap::Trap;
use crate::insn_decode::opcodes::{
    CALL_REL32,
    INT3,
    JUMP_LEN, //
};
use crate::optimizer::{
    Foreign,
    JumpTo,
    Poke,
    VECTOR, //
};
use crate::out_of_line::slot_image;
use crate::shell::native::lookup::{
    check_natives,
    kprobe_in, //
};
use crate::shell::site::SiteMemory;
use crate::shell::slots;
use crate::shell::text::live;
use crate::sys::ffi;
use crate::sys::locks::{
    KprobeMutex,
    TextLocks, //
};
use crate::sys::{
    processor,
    stats, //
};
use kernel::time::delay::fsleep;
use kernel::time::Delta;

/// How often a batch releases its locks because a task waits for `kprobe_mutex`. That task may register a
/// native kprobe.
pub(crate) const PATIENCE: u32 = 20;

/// One batch of one kind of poke at a time, under the text locks.
pub(crate) struct TextPokeBatch {
    locks: TextLocks,
    /// Each task has finished that may have checked a native kprobe before the sites were announced.
    settled: bool,
    added: usize,
}

/// The byte of a site's text at `offset` now.
fn byte_of(trap: &Trap, offset: usize) -> u8 {
    // SAFETY: Callers stay inside the site's region, which is in one function. Its text is mapped until
    // the site is `Gone`, and then the optimizer pokes it no more (rule 13).
    let [byte] = unsafe { live(trap.addr.wrapping_add(offset)) };
    byte
}

/// Whether a site's text from `offset` on is `bytes`.
fn text_is(trap: &Trap, offset: usize, bytes: &[u8]) -> bool {
    (offset..)
        .zip(bytes)
        .all(|(offset, byte)| byte_of(trap, offset) == *byte)
}

/// Tells perf of the first byte of a site.
fn tell_perf(trap: &Trap, old: u8, new: u8) {
    // SAFETY: Both pointers are to one byte.
    unsafe {
        ffi::rk_perf_text_poke(
            trap.addr,
            [old].as_ptr().cast(),
            1,
            [new].as_ptr().cast(),
            1,
        );
    }
}

impl TextPokeBatch {
    /// Takes the text locks. Tasks that are about to register native kprobes finish first, because they
    /// have passed the blacklist and their kprobes must be seen here. `settled` is as in
    /// `Backend::lock` (optimizer/backend.rs). May sleep.
    pub(crate) fn lock(settled: bool) -> Self {
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
            settled,
            locks,
            added: 0,
        }
    }

    /// Refuses native kprobes what the site will hide, unless a native kprobe keeps the site from being
    /// armed. A native kprobe that passes the blacklist from now on has been checked against that.
    /// Returns whether native kprobes are refused more than before.
    pub(crate) fn announce(&self, site: &SiteMemory) -> bool {
        // If linking the fence fails, arming the site fails with the reason.
        self.check_natives(site.trap()).is_ok() && self.fence(site).unwrap_or(false)
    }

    fn check_natives(&self, trap: &Trap) -> Result<(), Foreign> {
        check_natives(&self.locks, trap.addr, trap.insn_end())
    }

    /// Withdraws what was announced, because the site was not armed.
    pub(crate) fn withdraw(&self, site: &SiteMemory) {
        site.fence().unlink(self.locks.kprobes());
    }

    fn fence(&self, site: &SiteMemory) -> Result<bool, Foreign> {
        // SAFETY: Both are in the site's pinned memory. `Backend::free` frees it after a grace period that
        // began after the site was disarmed.
        unsafe { site.fence().link(site.trap(), self.locks.kprobes()) }
    }

    /// Compares the text with what should be there, and adds `site` to the batch. A jump that is written
    /// or taken out goes `to` there.
    ///
    /// # Errors
    ///
    /// Why the text is not poked. Nothing was added.
    pub(crate) fn add(&mut self, poke: Poke, site: &SiteMemory, to: JumpTo) -> Result<(), Foreign> {
        match poke {
            Poke::Arm => self.arm(site)?,
            Poke::Disarm => self.disarm(site)?,
            Poke::Optimize => self.optimize(site, &site.jump(to)?)?,
            Poke::Unoptimize => self.unoptimize(site, &site.jump(to)?)?,
        }
        self.added = self.added.wrapping_add(1);
        Ok(())
    }

    fn arm(&mut self, site: &SiteMemory) -> Result<(), Foreign> {
        let trap = site.trap();
        self.check_natives(trap)?;
        if !text_is(trap, 0, trap.insn()) {
            return Err(Foreign::Bytes);
        }
        if !self.settled {
            return Err(Foreign::KprobesComing);
        }
        // Native kprobes were registered or removed each time that the site was announced.
        if self.fence(site)? {
            return Err(Foreign::KprobeNear);
        }
        self.sync_slots();
        // SAFETY: The text locks are held, and the text is what the site expects.
        unsafe { ffi::rk_text_poke(trap.addr, [INT3].as_ptr().cast(), 1) };
        Ok(())
    }

    /// Before the first int3 of a batch: a CPU that hits one may continue in a slot before the batch is
    /// finished. The return from the exception is an IRET, which serializes the CPU, but not with FRED.
    fn sync_slots(&self) {
        if self.added == 0 && processor::has_fred() {
            slots::sync(self.locks.text());
        }
    }

    fn disarm(&mut self, site: &SiteMemory) -> Result<(), Foreign> {
        let trap = site.trap();
        let (first, tail) = trap.insn().split_first().ok_or(Foreign::Bytes)?;
        // A tool that does not know the site's int3 may take a byte of the instruction's tail for an
        // instruction.
        if byte_of(trap, 0) != INT3
            || !text_is(trap, 1, tail)
            || kprobe_in(trap.addr, trap.insn_end())
        {
            return Err(Foreign::Bytes);
        }
        tell_perf(trap, INT3, *first);
        // SAFETY: The text locks are held, and the text has the site's int3.
        unsafe { ffi::rk_text_poke(trap.addr, [*first].as_ptr().cast(), 1) };
        site.fence().unlink(self.locks.kprobes());
        Ok(())
    }

    /// Tells perf of an int3 that all CPUs see.
    ///
    /// A decoder of a trace takes the event's time for the time at which the text changes. A CPU that
    /// executes an int3 leaves that in the trace, so the decoder can follow it where it expects the
    /// original byte. It cannot follow the original instruction where it expects an int3. So the event
    /// comes after the sync of an int3, and before the int3 is taken out (arch_arm_kprobe,
    /// arch_disarm_kprobe). The kernel's batches tell perf of jumps.
    pub(crate) fn armed(&self, site: &SiteMemory) {
        let trap = site.trap();
        if let Some(first) = trap.insn().first() {
            tell_perf(trap, *first, INT3);
        }
    }

    fn optimize(&mut self, site: &SiteMemory, jump: &[u8; JUMP_LEN]) -> Result<(), Foreign> {
        let trap = site.trap();
        // While the pass waited, a hit has found foreign bytes in the region and has continued there.
        if !trap.has_detour_hits() {
            return Err(Foreign::KprobeNear);
        }
        let tail = trap.original().get(1..).ok_or(Foreign::Bytes)?;
        if byte_of(trap, 0) != INT3 || !text_is(trap, 1, tail) {
            return Err(Foreign::Bytes);
        }
        // A native kprobe that is registered and disabled would write into the jump's displacement when
        // it is enabled. One before the site may become a jump over the site.
        let end = trap.addr.wrapping_add(trap.original().len().max(JUMP_LEN));
        if kprobe_in(trap.addr.wrapping_sub(JUMP_LEN - 1), end) {
            return Err(Foreign::KprobeNear);
        }
        if !self.settled {
            return Err(Foreign::KprobesComing);
        }
        // A native kprobe was registered while the site was queued. At the next try native kprobes have
        // been refused the whole function.
        if site.fence().widen_for_jump(trap)? {
            return Err(Foreign::KprobeNear);
        }
        // SAFETY: The text locks are held. The jump is one instruction of 5 bytes, and no task is inside
        // the region because the pass has waited.
        unsafe {
            ffi::rk_batch_add(trap.addr, jump.as_ptr().cast(), JUMP_LEN, core::ptr::null());
        }
        Ok(())
    }

    fn unoptimize(&mut self, site: &SiteMemory, jump: &[u8; JUMP_LEN]) -> Result<(), Foreign> {
        let trap = site.trap();
        // The bytes of the region that follow the jump must be whole, because they are executed again.
        let end = trap.addr.wrapping_add(trap.original().len());
        let rest = trap.original().get(JUMP_LEN..).ok_or(Foreign::Bytes)?;
        if !text_is(trap, 0, jump) || !text_is(trap, JUMP_LEN, rest) || kprobe_in(trap.addr, end) {
            return Err(Foreign::Bytes);
        }
        let original = trap.original().first_chunk().ok_or(Foreign::Bytes)?;
        let mut bytes: [u8; JUMP_LEN] = *original;
        bytes[0] = INT3;
        // SAFETY: The text locks are held. Until the batch is finished its int3s act as the jump, which
        // is given to be emulated; an int3 without that would hit a BUG_ON.
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

    /// Replaces the call in the detour of a site by a no-op: one instruction by another one of its length,
    /// so no task is inside of it. Returns whether the call was there. The caller has added nothing.
    pub(crate) fn take_call_out(&mut self, slot: usize) -> bool {
        let at = slot.wrapping_add(slot_image::CALL);
        // SAFETY: A slot is mapped.
        if unsafe { live::<1>(at) } != [CALL_REL32] {
            return false;
        }
        // SAFETY: The text locks are held. The bytes are one instruction of 5 bytes before and after.
        unsafe {
            ffi::rk_batch_add(
                at,
                slot_image::NO_CALL.as_ptr().cast(),
                JUMP_LEN,
                core::ptr::null(),
            );
            ffi::rk_batch_finish();
        }
        true
    }

    /// The proof that `kprobe_mutex` is held.
    pub(crate) fn kprobes(&self) -> &KprobeMutex {
        self.locks.kprobes()
    }

    /// Makes the batch visible to all CPUs.
    pub(crate) fn finish(&mut self, poke: Poke) {
        let vectors = self.added.div_ceil(VECTOR) as u64;
        match poke {
            Poke::Arm | Poke::Disarm => {
                // SAFETY: The text locks are held.
                unsafe { ffi::rk_text_poke_sync() };
                stats::add(&stats::SYNC_ROUNDS, 1);
            }
            Poke::Optimize => {
                // SAFETY: The text locks are held.
                unsafe { ffi::rk_batch_finish() };
                stats::add(&stats::SYNC_ROUNDS, vectors.wrapping_mul(3));
            }
            Poke::Unoptimize => {
                // SAFETY: The text locks are held.
                unsafe { ffi::rk_batch_finish() };
                stats::add(&stats::SYNC_ROUNDS, vectors.wrapping_mul(2));
            }
        }
        stats::add(&stats::BATCHES, vectors);
        self.added = 0;
    }
}
