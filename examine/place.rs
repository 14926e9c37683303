// SPDX-License-Identifier: GPL-2.0

//! Makes the memory of a site: its trap, and its slot with the detour and the copies.

use super::facts::Facts;
use super::original::Session;
use crate::arch_x86::trap::Trap;
use crate::eligibility::refusal::{
    NotOptimizable,
    Refusal, //
};
use crate::eligibility::reserved::Kind;
use crate::eligibility::Region;
use crate::insn_decode::opcodes::JUMP_LEN;
use crate::insn_decode::Insn;
use crate::optimizer::{
    Optimizer,
    SiteLane,
    MAX_REGION, //
};
use crate::out_of_line::emulate::Emulation;
use crate::out_of_line::slot_image::{
    jump,
    Image,
    DETOUR, //
};
use crate::shell::memory::{
    MEMORY,
    STEPS, //
};
use crate::shell::native::fence::Fence;
use crate::shell::site::SiteMemory;
use crate::shell::slots;
use crate::shell::text::live;
use crate::shell::Shell;
use crate::sys::ffi;
use core::mem::ManuallyDrop;
use core::sync::atomic::Ordering;
use kernel::prelude::*;

/// Room for int3s in the table, and a slot, that a site is going to have. Gives both back when it is
/// dropped, unless [`Reserved::keep`] has left them to the site.
pub(crate) struct Reserved {
    /// How many int3s there is room for.
    room: usize,
    /// 0 if it has no slot.
    slot: usize,
}

impl Reserved {
    /// Room for the int3 of a site, and no slot yet.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    fn for_site() -> Result<Self, Refusal> {
        let reserved = MEMORY.lock().table.reserve(1);
        reserved.map_err(|_| Refusal::NoMemory)?;
        Ok(Self { room: 1, slot: 0 })
    }

    /// A slot for the copies that post_handlers need, and room for the int3s that follow them.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    fn for_steps() -> Result<Self, Refusal> {
        let slot = MEMORY.lock().take_steps();
        Ok(Self {
            room: STEPS,
            slot: slot.map_err(|_| Refusal::NoMemory)?,
        })
    }

    /// Takes a slot.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    fn take_slot(&mut self) -> Result<usize, Refusal> {
        let slot = MEMORY.lock().slots.take();
        self.slot = slot.map_err(|_| Refusal::NoMemory)?;
        Ok(self.slot)
    }

    /// Leaves all of it to the site.
    pub(crate) fn keep(self) {
        let _ = ManuallyDrop::new(self);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut memory = MEMORY.lock();
        memory.table.release(self.room);
        if self.slot != 0 {
            memory.slots.give(self.slot);
        }
    }
}

/// A site before the optimizer has it.
pub(crate) struct SitePlan {
    pub(crate) lane: SiteLane,
    pub(crate) region: u8,
    pub(crate) single: bool,
    pub(crate) memory: SiteMemory,
    /// What `memory` uses. Kept when the optimizer has the site.
    pub(crate) reserved: Reserved,
}

impl Session<'_> {
    /// Makes all that a site at `addr` needs. `counts` says that its first probe has no handlers.
    ///
    /// # Errors
    ///
    /// Why there can be no probe.
    pub(crate) fn plan(
        &mut self,
        optimizer: &Optimizer<Shell>,
        addr: usize,
        counts: bool,
    ) -> Result<SitePlan, Refusal> {
        let facts = self.facts(optimizer, addr)?;
        let hidden = self.hidden(optimizer, addr, &facts);
        self.examiner.shared = true;
        let Facts { insn, region, .. } = facts;
        let reserved = Reserved::for_site()?;
        let Some(region) = region else {
            return ftrace_plan(addr, &insn, reserved);
        };
        let mut trap = Trap::new(addr, insn.len, Emulation::of(&insn));
        let bytes = self.examiner.function.bytes_from(addr as u64);
        let keep = region.map_or(JUMP_LEN.max(usize::from(insn.len)), |region| {
            usize::from(region.len)
        });
        trap.original_len = keep_bytes(&mut trap.original, bytes, keep);
        let keep_flags = counts.then(|| self.uses_flags(addr));
        let memory = SiteMemory::new(SiteLane::Text, trap, Fence::new(hidden.as_ref())?)?;
        self.place(memory, reserved, &insn, region, keep_flags)
    }

    /// Gives the site its slot, if it needs one, and writes the detour and the copies.
    fn place(
        &self,
        mut memory: SiteMemory,
        mut reserved: Reserved,
        insn: &Insn,
        region: Result<Region, NotOptimizable>,
        keep_flags: Option<bool>,
    ) -> Result<SitePlan, Refusal> {
        let mut region = region;
        if region.is_ok() || memory.trap().emulation.is_none() {
            let slot = reserved.take_slot()?;
            let trap_ptr = memory.trap_ptr() as u64;
            let trap = memory.trap_mut();
            trap.slot = slot;
            let mut image = Image::new(slot);
            region = region.and_then(|region| {
                let added = add_detour(&mut image, trap, trap_ptr, region);
                added.inspect_err(|_| image = Image::new(slot))
            });
            let single = region.is_ok_and(|region| region.single);
            add_insn_copy(&mut image, trap, insn, single)?;
            memory.used = image.used() as u8;
            if let Some(keep_flags) = keep_flags.filter(|_| memory.lacks_counter()) {
                memory.add_counter(&mut image, keep_flags)?;
            }
            // SAFETY: The slot was just taken, and no CPU knows its address.
            unsafe { slots::write(self.locks.text(), slot, &image) };
        }
        memory.reason = region.err();
        Ok(SitePlan {
            lane: SiteLane::Text,
            region: region.map_or(0, |region| region.len),
            single: region.is_ok_and(|region| region.single),
            memory,
            reserved,
        })
    }

    /// Makes the copies for the post_handlers of a site, unless it has them or needs none. If the site is
    /// `in_text`, a hit may find the copies at once.
    ///
    /// # Errors
    ///
    /// `NoMemory`, or why there can be no copy.
    pub(crate) fn prepare_steps(&self, site: &SiteMemory, in_text: bool) -> Result<(), Refusal> {
        let trap = site.trap();
        if trap.emulation.is_some() || trap.slot == 0 || trap.step(false).is_some() {
            return Ok(());
        }
        let reserved = Reserved::for_steps()?;
        let slot = reserved.slot;
        let mut image = Image::new(slot);
        let first = prefix(trap.original(), usize::from(trap.len));
        let mut ends = [0; STEPS];
        for end in &mut ends {
            *end = image.step(trap.addr, first)?.wrapping_add(first.len());
        }
        // SAFETY: The slot was just taken, and no CPU knows its address.
        unsafe { slots::write(self.locks.text(), slot, &image) };
        if in_text {
            slots::sync(self.locks.text());
        }
        let mut memory = MEMORY.lock();
        for end in ends {
            memory.table.insert(end, site.trap_ptr());
        }
        drop(memory);
        trap.steps.store(slot, Ordering::Release);
        reserved.keep();
        Ok(())
    }

    /// Lets the jump of a site count inline, unless it does that already or can have no jump. `in_text`
    /// says that the site has an int3 or a jump in the text, which may become a jump to the new bytes.
    ///
    /// # Errors
    ///
    /// `NoMemory`, or why the function cannot be decoded any more.
    pub(crate) fn prepare_count(
        &mut self,
        optimizer: &Optimizer<Shell>,
        site: &SiteMemory,
        in_text: bool,
    ) -> Result<(), Refusal> {
        if !site.lacks_counter() {
            return Ok(());
        }
        self.load(optimizer, site.trap().addr)?;
        let used = usize::from(site.used);
        let mut image = Image::behind(site.trap().slot, used);
        site.add_counter(&mut image, self.uses_flags(site.trap().addr))?;
        let added = image.bytes.get(used..image.used());
        crate::sys::warning::warn_on(added.is_none());
        let at = site.trap().at_slot(site.used);
        // SAFETY: The site has the slot, and no jump goes to the bytes that follow the used ones.
        unsafe { slots::append(self.locks.text(), at, added.unwrap_or(&[])) };
        if in_text {
            slots::sync(self.locks.text());
        }
        Ok(())
    }
}

/// Adds the detour to the image of a slot, and notes where its copy of the region is.
fn add_detour(
    image: &mut Image,
    trap: &mut Trap,
    trap_ptr: u64,
    region: Region,
) -> Result<Region, NotOptimizable> {
    let entry = ffi::rk_detour_entry as *const () as usize as u64;
    let bytes = prefix(&trap.original, usize::from(region.len));
    let copy = image
        .detour(trap_ptr, entry, trap.addr, bytes)
        .and_then(|copy| jump(trap.addr, trap.slot.wrapping_add(DETOUR)).map(|_| copy))
        .map_err(NotOptimizable::Copy)?;
    trap.region_copy = copy.wrapping_sub(trap.slot) as u8;
    Ok(region)
}

/// Adds the copy of the first instruction. There is none if the instruction is emulated. If the
/// region is one instruction, its copy in the detour serves.
fn add_insn_copy(
    image: &mut Image,
    trap: &mut Trap,
    insn: &Insn,
    single: bool,
) -> Result<(), Refusal> {
    if single {
        trap.insn_copy = trap.region_copy;
    } else if trap.emulation.is_none() {
        let first = prefix(&trap.original, usize::from(insn.len));
        let copy = image.copy(trap.addr, first)?;
        trap.insn_copy = copy.wrapping_sub(trap.slot) as u8;
    }
    Ok(())
}

/// A site at a function's entry, where ftrace does the poking.
fn ftrace_plan(addr: usize, insn: &Insn, reserved: Reserved) -> Result<SitePlan, Refusal> {
    let mut trap = Trap::new(addr, insn.len, None);
    // SAFETY: The function's call of the tracer has 5 bytes.
    let bytes = unsafe { live::<JUMP_LEN>(addr) };
    trap.original_len = keep_bytes(&mut trap.original, &bytes, JUMP_LEN);
    let mut memory = SiteMemory::new(SiteLane::Ftrace, trap, Fence::new(None)?)?;
    memory.reason = Some(NotOptimizable::Reserved(Kind::Ftrace));
    Ok(SitePlan {
        lane: SiteLane::Ftrace,
        region: 0,
        single: false,
        memory,
        reserved,
    })
}

/// Copies the first `len` of `bytes`, or as many as there are. Returns how many.
fn keep_bytes(original: &mut [u8; MAX_REGION], bytes: &[u8], len: usize) -> u8 {
    let mut kept = 0_u8;
    for (to, from) in original.iter_mut().zip(bytes).take(len) {
        *to = *from;
        kept = kept.saturating_add(1);
    }
    kept
}

/// The first `len` bytes of a site's original bytes, which are at least as many.
fn prefix(original: &[u8], len: usize) -> &[u8] {
    let prefix = original.get(..len);
    crate::sys::warning::warn_on(prefix.is_none());
    prefix.unwrap_or(&[])
}
