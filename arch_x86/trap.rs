// SPDX-License-Identifier: GPL-2.0

//! A trap: what a hit needs to know of a site, in one piece of memory that stays where it is.

use crate::optimizer::MAX_REGION;
use crate::out_of_line::emulate::Emulation;
use crate::out_of_line::slot_image::{step_len, DETOUR, SLOT};
use crate::shell::native::blacklist::Refused;
use crate::shell::native::fence::{Behind, InFront};
use crate::sys::ffi;
use core::ptr::{addr_of, addr_of_mut, null_mut};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicUsize, Ordering};

/// detour_entry.S takes the probe from a trap's beginning.
const _: () = assert!(core::mem::offset_of!(Trap, direct) == 0);

/// What a hit needs to know of a site.
///
/// # Invariants
///
/// A trap stays allocated, and its out-of-line memory executable, for an RCU-tasks and an RCU grace
/// period after the last of its bytes left the text and the int3 table.
#[repr(C)]
pub(crate) struct Trap {
    /// What detour_entry.S calls: the one probe, or `rk_any_probe`.
    direct: AtomicPtr<ffi::rkprobe>,
    /// The probed address.
    pub(crate) addr: usize,
    /// The detour and the copies, or what of them there is; 0 if there is none.
    pub(crate) slot: usize,
    /// Copies of the instruction with an int3 behind, for post_handlers; 0 until one comes.
    pub(crate) steps: AtomicUsize,
    /// The probes, in registration order.
    first: AtomicPtr<ffi::rkprobe>,
    /// How the instruction is emulated; else its copy is executed.
    pub(crate) emulation: Option<Emulation>,
    /// What native kprobes are refused behind the site, or of its function; natives.rs.
    pub(crate) refused: Refused,
    /// Where else they are refused while it is armed.
    pub(crate) in_front: InFront,
    /// What they are refused behind it.
    pub(crate) behind: Behind,
    /// The site's bytes in the text before it was armed: the region, or the first instruction, but
    /// at least 5 bytes.
    pub(crate) original: [u8; MAX_REGION],
    /// How many bytes of `original` count.
    pub(crate) original_len: u8,
    /// Bytes of the probed instruction.
    pub(crate) len: u8,
    /// Where in the slot the copy of the instruction with a jump back is, if it is not emulated.
    pub(crate) insn_copy: u8,
    /// Where in the slot the detour's copy of the region is; 0 if there can be no jump.
    pub(crate) region_copy: u8,
    /// Where in the slot hits are counted inline; 0 if there is nothing that does.
    pub(crate) count: AtomicU8,
    /// How many bytes of the slot are written, but for what counts inline.
    pub(crate) used: u8,
    /// Handlers run.
    live: AtomicBool,
    /// Int3 hits go on in the copy of the region; cleared by a hit that did not.
    detour_hits: AtomicBool,
    /// The region behind its first byte is a jump's, and stays so: somebody may still have put an
    /// int3 on that.
    left_jump: AtomicBool,
}

// There is one for each site: what the slab allocator takes for it, and an offset is enough for a slot.
const _: () = assert!(size_of::<Trap>() <= 128 && SLOT <= 256);

impl Trap {
    /// A trap without probes.
    pub(crate) fn new(addr: usize, len: u8, emulation: Option<Emulation>) -> Self {
        Self {
            direct: AtomicPtr::new(any_probe()),
            addr,
            slot: 0,
            steps: AtomicUsize::new(0),
            first: AtomicPtr::new(null_mut()),
            emulation,
            refused: Refused::new(0..0),
            in_front: InFront::default(),
            behind: Behind::default(),
            original: [0; MAX_REGION],
            original_len: 0,
            len,
            insn_copy: 0,
            region_copy: 0,
            count: AtomicU8::new(0),
            used: 0,
            live: AtomicBool::new(false),
            detour_hits: AtomicBool::new(false),
            left_jump: AtomicBool::new(false),
        }
    }

    /// Whether there is a detour, which a jump can go to.
    pub(crate) fn has_detour(&self) -> bool {
        self.region_copy != 0
    }

    /// What a jump goes to that calls the handlers, if there is a detour.
    pub(crate) fn detour(&self) -> usize {
        self.slot.wrapping_add(DETOUR)
    }

    /// The detour's copy of the region, if there is a detour.
    #[inline(always)]
    pub(crate) fn region_copy(&self) -> usize {
        self.at_slot(self.region_copy)
    }

    /// The copy of the instruction, if it is not emulated.
    #[inline(always)]
    pub(crate) fn insn_copy(&self) -> usize {
        self.at_slot(self.insn_copy)
    }

    /// The address of the slot's byte `at`.
    #[inline(always)]
    pub(crate) fn at_slot(&self, at: u8) -> usize {
        self.slot.wrapping_add(usize::from(at))
    }

    /// The copy of the instruction for post_handlers: the second one if it is executed for an
    /// interrupted place that has interrupts on. `None` until a post_handler comes.
    #[inline(always)]
    pub(crate) fn step(&self, interrupts: bool) -> Option<usize> {
        match self.steps.load(Ordering::Acquire) {
            0 => None,
            steps if interrupts => Some(steps.wrapping_add(step_len(self.len))),
            steps => Some(steps),
        }
    }

    /// The addresses of the int3s behind these copies.
    pub(crate) fn step_ends(&self) -> impl Iterator<Item = usize> {
        let steps = [false, true].map(|interrupts| self.step(interrupts));
        let len = usize::from(self.len);
        steps
            .into_iter()
            .flatten()
            .map(move |step| step.wrapping_add(len))
    }

    /// The bytes of the text before it was armed.
    pub(crate) fn original(&self) -> &[u8] {
        self.original
            .get(..usize::from(self.original_len))
            .unwrap_or(&[])
    }

    /// Lets handlers run.
    pub(crate) fn set_live(&self, live: bool) {
        self.live.store(live, Ordering::Release);
        self.direct.store(self.choose_direct(), Ordering::Release);
    }

    /// Whether handlers run.
    #[inline(always)]
    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Ordering::Acquire)
    }

    /// The one probe of the site, if it is to run.
    fn choose_direct(&self) -> *mut ffi::rkprobe {
        let first = self.first.load(Ordering::Acquire);
        if first.is_null() || !self.is_live() {
            return any_probe();
        }
        // SAFETY: probes on the list live until after they are unlinked; the engine's lock is held.
        let probe = unsafe { &*first };
        match probe.next.is_null() && probe.flags & ffi::RKPROBE_FLAG_DISABLED == 0 {
            true => first,
            false => any_probe(),
        }
    }

    /// Whether int3 hits go on in the copy of the region.
    pub(crate) fn has_detour_hits(&self) -> bool {
        self.detour_hits.load(Ordering::Acquire)
    }

    /// Chooses whether int3 hits go on in the copy of the region.
    pub(crate) fn set_detour_hits(&self, on: bool) {
        self.detour_hits.store(on, Ordering::Release);
    }

    /// The jump stays in the text, which goes.
    pub(crate) fn leave_jump(&self) {
        self.left_jump.store(true, Ordering::Release);
    }

    /// The address so many `bytes` behind the site's.
    pub(crate) fn at(&self, bytes: u8) -> usize {
        self.addr.wrapping_add(usize::from(bytes))
    }

    /// The address behind the instruction.
    pub(crate) fn insn_end(&self) -> usize {
        self.at(self.len)
    }

    /// Whether an int3 hit goes on in the copy of the region: not when somebody has changed the
    /// region behind the int3 meanwhile.
    ///
    /// A native kprobe there is to be hit, and it may become a jump over the region's end, which the
    /// copy goes back to. It waits for RCU-tasks between its int3 and its jump, as we do: who has
    /// seen the region without the int3 has left the copy before the jump is there.
    #[inline(always)]
    pub(crate) fn goes_on_in_copy(&self) -> bool {
        if self.left_jump.load(Ordering::Acquire) {
            return true;
        }
        if !self.has_detour_hits() {
            return false;
        }
        if self.region_is_original() {
            return true;
        }
        // This hit will be inside the region: whatever grace period has begun is of no use, also if
        // the bytes are back when it is over.
        self.detour_hits.store(false, Ordering::Release);
        false
    }

    /// Whether the region is as it was, behind the first byte. Nobody is told of a change before all
    /// CPUs have synced, and interrupts are off.
    #[inline(always)]
    fn region_is_original(&self) -> bool {
        self.original()
            .iter()
            .enumerate()
            .skip(1)
            .all(|(at, byte)| {
                // SAFETY: text that an int3 was executed in just now, so it is mapped (rule 13).
                *byte == unsafe { (self.addr.wrapping_add(at) as *const u8).read_volatile() }
            })
    }

    /// Appends a probe. The engine's lock is held.
    pub(crate) fn link(&self, probe: *mut ffi::rkprobe) {
        // SAFETY: the caller owns the probe, which is on no list.
        let next = unsafe { AtomicPtr::from_ptr(addr_of_mut!((*probe).next)) };
        next.store(null_mut(), Ordering::Relaxed);
        let mut last = &self.first;
        loop {
            let probe = last.load(Ordering::Acquire);
            if probe.is_null() {
                break;
            }
            // SAFETY: probes on the list live until after they are unlinked; we hold the lock.
            last = unsafe { AtomicPtr::from_ptr(addr_of_mut!((*probe).next)) };
        }
        last.store(probe, Ordering::Release);
        self.direct.store(any_probe(), Ordering::Release);
    }

    /// Takes a probe off. The engine's lock is held; handlers may still see it until a grace
    /// period is over, and go on from it, so its `next` is left alone.
    pub(crate) fn unlink(&self, probe: *mut ffi::rkprobe) {
        let mut last = &self.first;
        loop {
            let at = last.load(Ordering::Acquire);
            if at.is_null() {
                return;
            }
            // SAFETY: as in `link`.
            let next = unsafe { AtomicPtr::from_ptr(addr_of_mut!((*at).next)) };
            if at == probe {
                last.store(next.load(Ordering::Acquire), Ordering::Release);
                self.direct.store(any_probe(), Ordering::Release);
                return;
            }
            last = next;
        }
    }

    /// Every probe, disabled ones too. The engine's lock is held.
    pub(crate) fn each_probe(&self, mut each: impl FnMut(*mut ffi::rkprobe)) {
        let mut probe = self.first.load(Ordering::Acquire);
        while !probe.is_null() {
            each(probe);
            // SAFETY: as in `link`.
            let next = unsafe { AtomicPtr::from_ptr(addr_of_mut!((*probe).next)) };
            probe = next.load(Ordering::Acquire);
        }
    }

    /// Whether the probe is on the list. The engine's lock is held.
    pub(crate) fn has_probe(&self, probe: *mut ffi::rkprobe) -> bool {
        let mut found = false;
        self.each_probe(|other| found |= other == probe);
        found
    }

    /// The enabled probes, as a handler sees them. Interrupts are off.
    #[inline(always)]
    pub(crate) fn probes(&self) -> Probes {
        Probes(self.first.load(Ordering::Acquire))
    }
}

fn any_probe() -> *mut ffi::rkprobe {
    addr_of_mut!(ffi::rk_any_probe)
}

/// The enabled probes of a trap, as a handler sees them.
pub(crate) struct Probes(*mut ffi::rkprobe);

impl Iterator for Probes {
    type Item = *mut ffi::rkprobe;

    fn next(&mut self) -> Option<*mut ffi::rkprobe> {
        loop {
            let probe = self.0;
            if probe.is_null() {
                return None;
            }
            // SAFETY: interrupts are off, so a probe that was reachable is not freed meanwhile.
            let next = unsafe { AtomicPtr::from_ptr(addr_of_mut!((*probe).next)) };
            self.0 = next.load(Ordering::Acquire);
            // SAFETY: as above; `flags` is changed by one store.
            let flags = unsafe { addr_of!((*probe).flags).read_volatile() };
            if flags & ffi::RKPROBE_FLAG_DISABLED == 0 {
                return Some(probe);
            }
        }
    }
}
