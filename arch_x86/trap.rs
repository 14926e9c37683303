// SPDX-License-Identifier: GPL-2.0

//! A trap: what a hit needs to know of a site.

use crate::arch_x86::probe_list::{
    EnabledProbes,
    ProbeList,
    ProbePtr, //
};
use crate::optimizer::MAX_REGION;
use crate::out_of_line::emulate::Emulation;
use crate::out_of_line::slot_image::{
    step_len,
    DETOUR,
    SLOT, //
};
use crate::sys::ffi;
use crate::sys::locks::EngineHeld;
use core::ptr::addr_of_mut;
use core::sync::atomic::{
    AtomicPtr,
    AtomicU8,
    AtomicUsize,
    Ordering, //
};

/// Handlers run.
const LIVE: u8 = 1 << 0;
/// Int3 hits continue in the copy of the region. A hit that continued elsewhere clears the bit.
const DETOUR_HITS: u8 = 1 << 1;
/// The region after its first byte belongs to a jump, and stays so. The first byte may be an int3 that
/// another tool has put on the jump.
const LEFT_JUMP: u8 = 1 << 2;

/// What a hit needs to know of a site.
///
/// # Invariants
///
/// A trap stays allocated, and its out-of-line memory executable, for an RCU-tasks and an RCU grace
/// period after the last of its bytes left the text and the int3 table.
#[repr(C)]
pub(crate) struct Trap {
    /// The probe that detour_entry.S calls: the only one of the site, or `rk_any_probe`.
    pub(super) direct: AtomicPtr<ffi::rkprobe>,
    /// The probed address.
    pub(crate) addr: usize,
    /// The slot with the detour and the copies; 0 if the site has none.
    pub(crate) slot: usize,
    /// The slot with copies of the instruction that an int3 follows, for post_handlers; 0 until a
    /// post_handler is registered.
    pub(crate) steps: AtomicUsize,
    probes: ProbeList,
    /// How the instruction is emulated; `None` if its copy is executed.
    pub(crate) emulation: Option<Emulation>,
    /// The site's bytes in the text before it was armed: the region, or the first instruction, but
    /// at least 5 bytes.
    pub(crate) original: [u8; MAX_REGION],
    /// How many bytes of `original` are valid.
    pub(crate) original_len: u8,
    /// Bytes of the probed instruction.
    pub(crate) len: u8,
    /// Where in the slot the copy of the instruction begins that a jump back follows. Unused if the
    /// instruction is emulated.
    pub(crate) insn_copy: u8,
    /// Where in the slot the detour's copy of the region begins; 0 if there can be no jump.
    pub(crate) region_copy: u8,
    flags: AtomicU8,
}

// An offset in a slot fits a byte.
const _: () = assert!(SLOT <= 256);

impl Trap {
    /// A trap without probes.
    pub(crate) fn new(addr: usize, len: u8, emulation: Option<Emulation>) -> Self {
        Self {
            direct: AtomicPtr::new(any_probe()),
            addr,
            slot: 0,
            steps: AtomicUsize::new(0),
            probes: ProbeList::new(),
            emulation,
            original: [0; MAX_REGION],
            original_len: 0,
            len,
            insn_copy: 0,
            region_copy: 0,
            flags: AtomicU8::new(0),
        }
    }

    #[inline(always)]
    fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Acquire) & flag != 0
    }

    #[inline(always)]
    fn set(&self, flag: u8, on: bool) {
        match on {
            true => self.flags.fetch_or(flag, Ordering::AcqRel),
            false => self.flags.fetch_and(!flag, Ordering::AcqRel),
        };
    }

    /// Whether the module puts an int3 on the site's address. It does not at an entry that the function
    /// tracer pokes: such a site has neither a slot nor an emulated instruction.
    #[inline(always)]
    pub(crate) fn takes_int3(&self) -> bool {
        self.slot != 0 || self.emulation.is_some()
    }

    /// Whether the slot has a detour, so that a jump is possible.
    pub(crate) fn has_detour(&self) -> bool {
        self.region_copy != 0
    }

    /// The address of the detour, which calls the handlers. The site must have one.
    pub(crate) fn detour(&self) -> usize {
        self.slot.wrapping_add(DETOUR)
    }

    /// The address of the detour's copy of the region. The site must have a detour.
    #[inline(always)]
    pub(crate) fn region_copy(&self) -> usize {
        self.at_slot(self.region_copy)
    }

    /// The address of the copy of the instruction. The instruction must not be emulated.
    #[inline(always)]
    pub(crate) fn insn_copy(&self) -> usize {
        self.at_slot(self.insn_copy)
    }

    /// The address of the slot's byte `at`.
    #[inline(always)]
    pub(crate) fn at_slot(&self, at: u8) -> usize {
        self.slot.wrapping_add(usize::from(at))
    }

    /// The copy of the instruction for post_handlers. There are two: the second one is executed when
    /// the interrupted code has interrupts on. `None` until a post_handler is registered.
    #[inline(always)]
    pub(crate) fn step(&self, interrupts: bool) -> Option<usize> {
        match self.steps.load(Ordering::Acquire) {
            0 => None,
            steps if interrupts => Some(steps.wrapping_add(step_len(self.len))),
            steps => Some(steps),
        }
    }

    /// The addresses of the int3s that follow these copies.
    pub(crate) fn step_ends(&self) -> impl Iterator<Item = usize> {
        let steps = [false, true].map(|interrupts| self.step(interrupts));
        let len = usize::from(self.len);
        steps
            .into_iter()
            .flatten()
            .map(move |step| step.wrapping_add(len))
    }

    /// The site's bytes in the text before it was armed.
    pub(crate) fn original(&self) -> &[u8] {
        self.original
            .get(..usize::from(self.original_len))
            .unwrap_or(&self.original)
    }

    /// The original bytes of the probed instruction.
    pub(crate) fn insn(&self) -> &[u8] {
        self.original
            .get(..usize::from(self.len))
            .unwrap_or(&self.original)
    }

    /// Lets handlers run, or silences them.
    pub(crate) fn set_live(&self, held: &EngineHeld, live: bool) {
        self.set(LIVE, live);
        let only = match live {
            true => self.probes.only(held),
            false => core::ptr::null_mut(),
        };
        let direct = if only.is_null() { any_probe() } else { only };
        self.direct.store(direct, Ordering::Release);
    }

    /// Whether handlers run.
    #[inline(always)]
    pub(crate) fn is_live(&self) -> bool {
        self.has(LIVE)
    }

    /// Whether int3 hits continue in the copy of the region.
    pub(crate) fn has_detour_hits(&self) -> bool {
        self.has(DETOUR_HITS)
    }

    /// Chooses whether int3 hits continue in the copy of the region.
    pub(crate) fn set_detour_hits(&self, on: bool) {
        self.set(DETOUR_HITS, on);
    }

    /// The jump stays in the text of a module that is being unloaded.
    pub(crate) fn leave_jump(&self) {
        self.set(LEFT_JUMP, true);
    }

    /// The address that is `bytes` bytes after the site's address.
    pub(crate) fn at(&self, bytes: u8) -> usize {
        self.addr.wrapping_add(usize::from(bytes))
    }

    /// The address after the instruction.
    pub(crate) fn insn_end(&self) -> usize {
        self.at(self.len)
    }

    /// Whether an int3 hit continues in the copy of the region. It does not when another tool has
    /// changed the region after the int3 meanwhile.
    ///
    /// A native kprobe there must be hit, and it may become a jump over the region's end, which the
    /// copy returns to. A native kprobe waits for RCU-tasks between its int3 and its jump, as a site
    /// does. So a task that saw the region without the native int3 has left the copy before the
    /// native jump is written.
    #[inline(always)]
    pub(crate) fn goes_on_in_copy(&self) -> bool {
        let flags = self.flags.load(Ordering::Acquire);
        if flags & LEFT_JUMP != 0 {
            return true;
        }
        if flags & DETOUR_HITS == 0 {
            return false;
        }
        if self.region_is_original() {
            return true;
        }
        // This hit will be inside the region. A grace period that has begun before it is of no use,
        // even if the original bytes are back when the grace period is over.
        self.set(DETOUR_HITS, false);
        false
    }

    /// Whether the region after its first byte has its original bytes. A tool that changes it waits
    /// for a sync of all CPUs before it relies on the change, and interrupts are off here.
    #[inline(always)]
    fn region_is_original(&self) -> bool {
        self.original()
            .iter()
            .enumerate()
            .skip(1)
            .all(|(at, byte)| {
                // SAFETY: An int3 in this text was executed just now, so the text is mapped (rule 13
                // of optimizer.rs).
                *byte == unsafe { (self.addr.wrapping_add(at) as *const u8).read_volatile() }
            })
    }

    /// Adds a probe, whose handlers are called first.
    pub(crate) fn link(&self, held: &EngineHeld, probe: ProbePtr) {
        self.probes.link(held, probe);
        self.direct.store(any_probe(), Ordering::Release);
    }

    /// Takes a probe off. Handlers may still see it until a grace period is over.
    pub(crate) fn unlink(&self, held: &EngineHeld, probe: ProbePtr) {
        self.probes.unlink(held, probe);
        self.direct.store(any_probe(), Ordering::Release);
    }

    /// Every probe of the site, disabled ones included.
    pub(crate) fn all_probes<'a>(
        &'a self,
        held: &'a EngineHeld,
    ) -> impl Iterator<Item = ProbePtr> + 'a {
        self.probes.all(held)
    }

    /// The enabled probes, as a handler sees them. Interrupts are off.
    #[inline(always)]
    pub(crate) fn probes(&self) -> EnabledProbes {
        self.probes.enabled()
    }
}

/// The probe that stands for all probes of a site; see busy.c.
fn any_probe() -> *mut ffi::rkprobe {
    addr_of_mut!(ffi::rk_any_probe)
}
