// SPDX-License-Identifier: GPL-2.0

//! From an address to what a site there needs: the live text, asked by the pure rules.
//!
//! Text is read under the text locks only, so that nobody's half-done poke is taken for an
//! instruction, and what probes have replaced is put back in the copy that is decoded.

mod int3_path;
mod pieces;
mod sections;

use crate::arch_x86::trap::Trap;
use crate::eligibility::hidden::{Hidden, FAR};
use crate::eligibility::refusal::{NotOptimizable, Refusal};
use crate::eligibility::reserved::{Index, Kind};
use crate::eligibility::{DecodedFunction, Region};
use crate::examine::pieces::{is_preamble, Adder, Searched, LONGEST};
use crate::insn_decode::opcodes::{ENDBR_LEN, JUMP_LEN};
use crate::insn_decode::{decode, Insn};
use crate::optimizer::{Optimizer, SiteLane, MAX_REGION};
use crate::out_of_line::emulate::Emulation;
use crate::out_of_line::slot_image::{jump, Image, DETOUR};
use crate::shell::memory::MEMORY;
use crate::shell::memory::STEPS;
use crate::shell::module_text::check as check_text;
use crate::shell::native::fence::Fence;
use crate::shell::native::lookup::kprobe_at;
use crate::shell::site::SiteMemory;
use crate::shell::slots;
use crate::shell::text::live;
use crate::shell::text::read_original;
use crate::shell::Shell;
use crate::sys::ffi;
use crate::sys::growable::Kernel;
use crate::sys::locks::TextLocks;
use crate::sys::stats;
use crate::sys::symbols;
use core::ops::Range;
use core::sync::atomic::Ordering;
use kernel::prelude::*;
use kernel::time::{Instant, Monotonic};

/// What is known of text: the index of reserved text, and the function that was decoded last.
pub(crate) struct Examiner {
    index: Index<Kernel>,
    function: DecodedFunction<Kernel>,
    /// There may be sites in it.
    shared: bool,
    /// Text of the modules that the index has.
    modules: KVec<Range<usize>>,
    /// Where else than in a function itself the index has its branches from.
    searched: Searched,
    /// Room for the bytes of another piece.
    buffer: KVVec<u8>,
    /// Room for a name.
    named: KBox<symbols::Symbol>,
}

/// What a site is made from.
pub(crate) struct Plan {
    pub(crate) lane: SiteLane,
    pub(crate) region: u8,
    pub(crate) single: bool,
    pub(crate) memory: SiteMemory,
}

/// What an address allows.
pub(crate) struct Facts {
    insn: Insn,
    /// `None` where the function tracer does the poking.
    pub(crate) region: Option<Result<Region, NotOptimizable>>,
    /// Where the function calls the tracer.
    traced: Option<usize>,
}

/// An examination of several addresses, with the text locks held.
pub(crate) struct Session<'a> {
    examiner: &'a mut Examiner,
    locks: TextLocks,
}

/// Called by reserved_tables.c for each piece of reserved text.
///
/// # Safety
///
/// `sink` is the index that was handed in.
#[no_mangle]
unsafe extern "C" fn rk_reserved_sink(
    sink: *mut kernel::ffi::c_void,
    start: kernel::ffi::c_ulong,
    end: kernel::ffi::c_ulong,
    kind: kernel::ffi::c_uint,
) -> bool {
    // SAFETY: by the contract of this function.
    let index = unsafe { &mut *sink.cast::<Index<Kernel>>() };
    let kind = match kind {
        ffi::rk_reserved_RK_JUMP_LABEL => Kind::JumpLabel,
        ffi::rk_reserved_RK_JUMP_TARGET => Kind::JumpTarget,
        ffi::rk_reserved_RK_STATIC_CALL => Kind::StaticCall,
        ffi::rk_reserved_RK_BUG_SITE => Kind::Bug,
        ffi::rk_reserved_RK_EXTABLE_INSN => Kind::ExtableInsn,
        ffi::rk_reserved_RK_EXTABLE_FIXUP => Kind::ExtableFixup,
        _ => Kind::Blacklist,
    };
    index.push(start as u64, end as u64, kind).is_ok()
}

impl Examiner {
    /// Reads the kernel's tables, once.
    pub(crate) fn new() -> Result<Self> {
        let started = Instant::<Monotonic>::now();
        let mut index = Index::default();
        let locks = TextLocks::lock();
        let tables = symbols::tables();
        let sink = core::ptr::from_mut(&mut index).cast();
        // SAFETY: the tables' bounds were found at load; `kprobe_mutex` and `text_mutex` are held.
        if !unsafe { ffi::rk_reserved_kernel(&tables, sink) } {
            return Err(ENOMEM);
        }
        let (start, end) = symbols::static_call_text();
        index
            .push(start as u64, end as u64, Kind::StaticCall)
            .map_err(|_| ENOMEM)?;
        int3_path::reserve(&locks, &mut index)?;
        let searched = Searched::new(&locks, &mut index)?;
        drop(locks);
        sections::reserve(&mut index)?;
        index.seal();
        let took = started.elapsed().as_nanos().unsigned_abs();
        stats::add(&stats::INDEX_TIME, took);
        Ok(Self {
            index,
            function: DecodedFunction::default(),
            shared: false,
            modules: KVec::new(),
            searched,
            buffer: KVVec::new(),
            named: KBox::new(symbols::Symbol::none(), GFP_KERNEL)?,
        })
    }

    /// What no probe may be in.
    pub(crate) fn index(&self) -> &Index<Kernel> {
        &self.index
    }

    /// Takes the text locks for examining.
    pub(crate) fn begin(&mut self) -> Session<'_> {
        // The text may have changed since the last time.
        self.function.clear();
        Session {
            examiner: self,
            locks: TextLocks::lock(),
        }
    }

    /// A module's text is going.
    pub(crate) fn forget(&mut self, start: usize, end: usize) {
        self.function.clear();
        self.modules.retain(|text| text.start != start);
        self.index.remove(start as u64, end as u64);
    }

    /// Puts a module's reserved text into the index, the first time that its text is probed.
    fn learn_module(&mut self, addr: usize) -> Result<(), Refusal> {
        if self.modules.iter().any(|text| text.contains(&addr)) {
            return Ok(());
        }
        self.modules
            .reserve(2, GFP_KERNEL)
            .map_err(|_| Refusal::NoMemory)?;
        let [mut core, mut init] = [(); 2].map(|()| ffi::rk_range { start: 0, end: 0 });
        let sink = core::ptr::from_mut(&mut self.index).cast();
        let blacklist = symbols::address(symbols::Data::Blacklist) as kernel::ffi::c_ulong;
        // SAFETY: out-parameters, and the index; the session holds the locks.
        let result = unsafe {
            ffi::rk_reserved_module(
                addr as kernel::ffi::c_ulong,
                blacklist,
                sink,
                &mut core,
                &mut init,
            )
        };
        if result < 0 {
            self.index.discard();
            return Err(match Error::from_errno(result) {
                error if error == ENOMEM => Refusal::NoMemory,
                _ => Refusal::ModuleGoing,
            });
        }
        let learned = [core, init].map(|text| text.start..text.end);
        let is_there = |addr: u64| learned.iter().any(|text| text.contains(&(addr as usize)));
        self.index.discard_unless(is_there);
        self.index.seal();
        for text in learned.into_iter().filter(|text| !text.is_empty()) {
            // There is room, it was reserved above.
            let _ = self.modules.push_within_capacity(text);
        }
        Ok(())
    }
}

impl Session<'_> {
    /// The address where a probe on `addr` goes: an ENDBR is never overwritten, so one on it goes
    /// behind it.
    pub(crate) fn entry(&self, addr: usize) -> usize {
        // What is behind the end of a module's text may not be mapped.
        let last = addr.saturating_add(ENDBR_LEN - 1);
        if check_text(addr).is_err() || check_text(last).is_err() {
            return addr;
        }
        // SAFETY: both ends of the bytes are in text.
        let bytes = unsafe { live::<ENDBR_LEN>(addr) };
        match decode(&bytes, addr as u64) {
            Ok(insn) if insn.is_endbr() => insn.end() as usize,
            _ => addr,
        }
    }

    /// Everything for a site at `addr`, whose first probe only `counts`.
    ///
    /// # Errors
    ///
    /// Why there can be no probe.
    pub(crate) fn plan(
        &mut self,
        optimizer: &Optimizer<Shell>,
        addr: usize,
        counts: bool,
    ) -> Result<Plan, Refusal> {
        let facts = self.facts(optimizer, addr)?;
        let hidden = self.hidden(optimizer, addr, &facts);
        self.examiner.shared = true;
        let Facts { insn, region, .. } = facts;
        let Some(region) = region else {
            return ftrace_plan(addr, &insn);
        };
        let mut trap = Trap::new(addr, insn.len, Emulation::of(&insn));
        let bytes = self.examiner.function.bytes_from(addr as u64);
        let keep = region.map_or(JUMP_LEN.max(usize::from(insn.len)), |region| {
            usize::from(region.len)
        });
        for (to, from) in trap
            .original
            .iter_mut()
            .zip(bytes)
            .take(keep.min(MAX_REGION))
        {
            *to = *from;
        }
        trap.original_len = keep.min(bytes.len()).min(MAX_REGION) as u8;
        let keep_flags = counts.then(|| self.uses_flags(addr));
        let memory = SiteMemory::new(SiteLane::Text, trap, Fence::new(hidden.as_ref())?)?;
        self.place(memory, &insn, region, keep_flags)
    }

    /// What is found out about a site at `addr`; nothing is made or taken.
    ///
    /// # Errors
    ///
    /// Why there can be no probe.
    pub(crate) fn facts(
        &mut self,
        optimizer: &Optimizer<Shell>,
        addr: usize,
    ) -> Result<Facts, Refusal> {
        if check_text(addr)? {
            self.examiner.learn_module(addr)?;
        }
        let traced = self.load(optimizer, addr)?;
        let insn = self
            .examiner
            .function
            .probe(addr as u64, &self.examiner.index)?;
        if traced == Some(addr) {
            let region = None;
            return Ok(Facts {
                insn,
                region,
                traced,
            });
        }
        if kprobe_at(addr) {
            return Err(Refusal::KprobeHere);
        }
        let region = Some(self.region(addr, traced));
        Ok(Facts {
            insn,
            region,
            traced,
        })
    }

    /// What native kprobes do not see while there is a site at `addr`. `None` if that cannot be told,
    /// also where it depends on other bytes that come and go: another site's, the tracer's.
    fn hidden(&self, optimizer: &Optimizer<Shell>, addr: usize, facts: &Facts) -> Option<Hidden> {
        let Examiner {
            function, index, ..
        } = &*self.examiner;
        let region = facts.region?.map_or(0, |region| region.len);
        let hidden = function.hidden(addr as u64, facts.insn.len, region, index)?;
        let end = addr.wrapping_add(usize::from(hidden.stretch.jump));
        if facts
            .traced
            .is_some_and(|traced| addr < traced && traced < end)
        {
            return None;
        }
        if !self.examiner.shared {
            return Some(hidden);
        }
        let near = optimizer.range(addr.saturating_sub(usize::from(FAR)), end);
        let mut others = near.iter().filter_map(|id| optimizer.site(*id));
        let meets = others.any(|other| match addr.checked_sub(other.addr) {
            None => hidden
                .stretch
                .runs_over(usize::from(region), other.addr.wrapping_sub(addr)),
            Some(distance) => other
                .payload
                .fence()
                .stretch()
                .is_some_and(|stretch| stretch.runs_over(other.region(), distance)),
        });
        (!meets).then_some(hidden)
    }

    /// The function that was decoded last.
    pub(crate) fn function(&self) -> &DecodedFunction<Kernel> {
        &self.examiner.function
    }

    /// Copies for the post_handlers of a site; nothing if it has them or needs none.
    pub(crate) fn prepare_steps(&self, site: &SiteMemory) -> Result<(), Refusal> {
        let trap = site.trap();
        if trap.emulation.is_some() || trap.slot == 0 || trap.step(false).is_some() {
            return Ok(());
        }
        let mut memory = MEMORY.lock();
        let slot = memory.take_steps().map_err(|_| Refusal::NoMemory)?;
        let mut image = Image::new(slot);
        let first = trap.original().get(..usize::from(trap.len)).unwrap_or(&[]);
        let mut ends = [0; STEPS];
        for end in &mut ends {
            match image.step(trap.addr, first) {
                Ok(step) => *end = step.wrapping_add(first.len()),
                Err(refusal) => {
                    memory.give_steps(slot);
                    return Err(Refusal::Copy(refusal));
                }
            }
        }
        // SAFETY: the slot was just taken, and no CPU knows its address.
        unsafe { slots::write(self.locks.text(), slot, &image) };
        for end in ends {
            memory.table.insert(end, site.trap_ptr());
        }
        trap.steps.store(slot, Ordering::Release);
        Ok(())
    }

    /// Whether the flags at `addr` may be used. The function there is decoded.
    fn uses_flags(&self, addr: usize) -> bool {
        let Examiner {
            function, index, ..
        } = &*self.examiner;
        !function.flags_are_dead(addr as u64, index)
    }

    /// What lets the jump of a site count inline; nothing if it has that or cannot have a jump.
    pub(crate) fn prepare_count(
        &mut self,
        optimizer: &Optimizer<Shell>,
        site: &SiteMemory,
    ) -> Result<(), Refusal> {
        if !site.lacks_counter() {
            return Ok(());
        }
        self.load(optimizer, site.trap().addr)?;
        let used = usize::from(site.used);
        let mut image = Image::behind(site.trap().slot, used);
        site.add_counter(&mut image, self.uses_flags(site.trap().addr))?;
        let added = image.bytes.get(used..image.used()).unwrap_or(&[]);
        // SAFETY: the site has the slot, and no jump goes to the bytes that follow the used ones.
        unsafe { slots::append(self.locks.text(), site.trap().at_slot(site.used), added) };
        Ok(())
    }

    /// Decodes the function at `addr`, unless it is the one that was decoded last. Returns where it
    /// calls the tracer.
    fn load(
        &mut self,
        optimizer: &Optimizer<Shell>,
        addr: usize,
    ) -> Result<Option<usize>, Refusal> {
        let (start, end) = match self.examiner.function.contains(addr as u64) {
            true => (
                self.examiner.function.start() as usize,
                self.examiner.function.end() as usize,
            ),
            false => self.decode(optimizer, addr)?,
        };
        // SAFETY: looks an address range up.
        let traced = unsafe { ffi::rk_ftrace_location_range(start, end.wrapping_sub(1)) };
        Ok((traced != 0).then_some(traced))
    }

    /// Decodes the function at `addr`, with all that jumps into it.
    fn decode(
        &mut self,
        optimizer: &Optimizer<Shell>,
        addr: usize,
    ) -> Result<(usize, usize), Refusal> {
        let examiner = &mut *self.examiner;
        let named = &mut *examiner.named;
        if !named.find(addr) {
            return Err(Refusal::NotText);
        }
        let (start, end) = (named.start, named.end());
        if named.size > LONGEST {
            return Err(Refusal::Undecodable);
        }
        if is_preamble(named.name()) {
            return Err(Refusal::Reserved(Kind::Preamble));
        }
        // Of modules, too: the kernel rewrites it, and stops at bytes that it does not know.
        if named.name().to_bytes().starts_with(b"__SCT__") {
            return Err(Refusal::Reserved(Kind::StaticCall));
        }
        if let Some(base) = base_of(named.name())? {
            let (from, to) = (base as u64, base.wrapping_add(1) as u64);
            if let Some(kind) = examiner.index.reserved(from, to) {
                return Err(Refusal::Reserved(kind));
            }
        }
        let pieces = pieces::of(named, &examiner.searched)?;
        let shared = &mut examiner.shared;
        let fill = |bytes: &mut [u8]| {
            // SAFETY: the bytes are those of a function.
            *shared = unsafe { read_original(&self.locks, optimizer, start, bytes) };
        };
        let analysed = examiner.function.analyse(start as u64, named.size, fill);
        analysed.map_err(|_| Refusal::NoMemory)?;
        let mut adder = Adder {
            locks: &self.locks,
            optimizer,
            function: &mut examiner.function,
            buffer: &mut examiner.buffer,
            named,
        };
        let added = pieces.map_or(Ok(()), |found| adder.pieces(&found));
        if let Err(refusal) = added.and_then(|()| adder.neighbours(&examiner.searched)) {
            // Not all that jumps into it is known: the next site in it must not take it for whole.
            examiner.function.clear();
            return Err(refusal);
        }
        Ok((start, end))
    }

    fn region(&self, addr: usize, traced: Option<usize>) -> Result<Region, NotOptimizable> {
        let region = self
            .examiner
            .function
            .region(addr as u64, &self.examiner.index)?;
        let end = addr.wrapping_add(usize::from(region.len));
        match traced {
            Some(site) if addr < site.wrapping_add(JUMP_LEN) && site < end => {
                Err(NotOptimizable::Reserved(Kind::Ftrace))
            }
            _ => Ok(region),
        }
    }

    /// Gives the site its slot, and writes the detour and the copies.
    fn place(
        &self,
        mut memory: SiteMemory,
        insn: &Insn,
        region: Result<Region, NotOptimizable>,
        keep_flags: Option<bool>,
    ) -> Result<Plan, Refusal> {
        let addr = memory.trap().addr;
        let mut jumpable = region.err().map_or(Ok(()), Err);
        if region.is_err() && memory.trap().emulation.is_some() {
            memory.reason = region.err();
            return Ok(Plan {
                lane: SiteLane::Text,
                region: 0,
                single: false,
                memory,
            });
        }
        let slot = MEMORY.lock().slots.take().map_err(|_| Refusal::NoMemory)?;
        let mut image = Image::new(slot);
        let trap_ptr = memory.trap_ptr() as u64;
        let trap = memory.trap_mut();
        trap.slot = slot;
        let offset = |at: usize| at.wrapping_sub(slot) as u8;
        if let Ok(region) = region {
            let entry = ffi::rk_detour_entry as usize as u64;
            let bytes = trap.original.get(..usize::from(region.len)).unwrap_or(&[]);
            let made = image
                .detour(trap_ptr, entry, addr, bytes)
                .and_then(|copy| jump(addr, slot.wrapping_add(DETOUR)).map(|_| copy));
            match made {
                Ok(copy) => trap.region_copy = offset(copy),
                Err(refusal) => {
                    image = Image::new(slot);
                    jumpable = Err(NotOptimizable::Copy(refusal));
                }
            }
        }
        let single = region.is_ok_and(|region| region.single) && trap.has_detour();
        if single {
            trap.insn_copy = trap.region_copy;
        } else if trap.emulation.is_none() {
            let first = trap.original.get(..usize::from(insn.len)).unwrap_or(&[]);
            match image.copy(addr, first) {
                Ok(copy) => trap.insn_copy = offset(copy),
                Err(refusal) => {
                    MEMORY.lock().slots.give(slot);
                    return Err(Refusal::Copy(refusal));
                }
            }
        }
        memory.used = image.used() as u8;
        if let Some(keep_flags) = keep_flags.filter(|_| memory.lacks_counter()) {
            memory
                .add_counter(&mut image, keep_flags)
                .inspect_err(|_| MEMORY.lock().slots.give(slot))?;
        }
        // SAFETY: the slot was just taken, and no CPU knows its address.
        unsafe { slots::write(self.locks.text(), slot, &image) };
        memory.reason = jumpable.err();
        let region = region.ok().filter(|_| jumpable.is_ok());
        Ok(Plan {
            lane: SiteLane::Text,
            region: region.map_or(0, |region| region.len),
            single: region.is_some_and(|region| region.single),
            memory,
        })
    }
}

/// A site at a function's entry: ftrace does the poking.
fn ftrace_plan(addr: usize, insn: &Insn) -> Result<Plan, Refusal> {
    let mut trap = Trap::new(addr, insn.len, None);
    trap.original = {
        let mut bytes = [0; MAX_REGION];
        // SAFETY: the function's call of the tracer has 5 bytes.
        let now = unsafe { live::<JUMP_LEN>(addr) };
        for (to, from) in bytes.iter_mut().zip(now) {
            *to = from;
        }
        bytes
    };
    trap.original_len = JUMP_LEN as u8;
    let mut memory = SiteMemory::new(SiteLane::Ftrace, trap, Fence::new(None)?)?;
    memory.reason = Some(NotOptimizable::Reserved(Kind::Ftrace));
    Ok(Plan {
        lane: SiteLane::Ftrace,
        region: 0,
        single: false,
        memory,
    })
}

/// The function that NAME.isra.0, NAME.cold and so on were made from: what is forbidden there is
/// forbidden here.
fn base_of(name: &CStr) -> Result<Option<usize>, Refusal> {
    let bytes = name.to_bytes();
    let Some(dot) = bytes.iter().position(|byte| *byte == b'.') else {
        return Ok(None);
    };
    let stem = crate::sys::target::c_string(bytes.get(..dot).unwrap_or(&[]))?;
    Ok(Some(symbols::lookup(&stem)).filter(|addr| *addr != 0))
}
