// SPDX-License-Identifier: GPL-2.0

//! x86-64: what happens when a CPU hits a probe.
//!
//! Everything from the int3 (or the jump) to the probed instruction's effect runs module code only:
//! no kernel function, no lock, no allocation, no `kernel` container. So only `core` atomics here,
//! and no probe on kernel text can recurse through this path by itself; a probe that is hit inside
//! a handler is counted as missed and its instruction is executed.
//!
//! Both lanes run handlers with interrupts off. `synchronize_rcu()` therefore waits for every
//! handler, and for every reader of the int3 table.

use crate::emulate::{Emulation, Regs};
use crate::ffi;
use crate::int3_table;
use crate::locks::KprobeMutex;
use crate::symbols;
use core::arch::asm;
use core::cell::UnsafeCell;
use core::ptr::{addr_of, addr_of_mut, null_mut};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use kernel::bindings::{notifier_block, pt_regs};
use kernel::ffi::c_int;

/// The breakpoint instruction.
pub(crate) const INT3: u8 = 0xcc;
/// The interrupt flag.
const FLAGS_IF: u64 = 1 << 9;
/// Original bytes that are kept: the longest region.
pub(crate) const ORIGINAL: usize = crate::optimizer::MAX_REGION;

/// All hits whose handlers ran, for `stats`; counted in the per-probe counters as well.
pub(crate) static MISSED: AtomicU64 = AtomicU64::new(0);

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
    /// The site's bytes in the text before it was armed: the region, or the first instruction, but
    /// at least 5 bytes.
    pub(crate) original: [u8; ORIGINAL],
    /// How many bytes of `original` count.
    pub(crate) original_len: u8,
    /// Bytes of the probed instruction.
    pub(crate) len: u8,
    /// How the instruction is emulated; else it is executed in `slot`.
    pub(crate) emulation: Option<Emulation>,
    /// The copy of the instruction with a jump back; 0 if it is emulated.
    pub(crate) slot: usize,
    /// What the jump calls; 0 if there can be none.
    pub(crate) detour: usize,
    /// The detour's copy of the region; 0 if there can be no jump.
    pub(crate) copy: usize,
    /// Copies of the instruction with an int3 behind, for post_handlers; 0 until one comes.
    pub(crate) steps: [AtomicUsize; 2],
    /// Handlers run.
    live: AtomicBool,
    /// Int3 hits go on in `copy`; cleared by a hit that did not.
    detour_hits: AtomicBool,
    /// The probes, in registration order.
    first: AtomicPtr<ffi::rkprobe>,
    /// What native kprobes are refused; changed under `kprobe_mutex`.
    refused: UnsafeCell<ffi::rk_blacklisted>,
}

impl Trap {
    /// A trap without probes.
    pub(crate) fn new(addr: usize, len: u8, emulation: Option<Emulation>) -> Self {
        Self {
            direct: AtomicPtr::new(any_probe()),
            addr,
            original: [0; ORIGINAL],
            original_len: 0,
            len,
            emulation,
            slot: 0,
            detour: 0,
            copy: 0,
            steps: [AtomicUsize::new(0), AtomicUsize::new(0)],
            live: AtomicBool::new(false),
            detour_hits: AtomicBool::new(false),
            first: AtomicPtr::new(null_mut()),
            refused: UnsafeCell::default(),
        }
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

    /// The one probe of the site, if it is to run.
    fn choose_direct(&self) -> *mut ffi::rkprobe {
        let first = self.first.load(Ordering::Acquire);
        if first.is_null() || !self.live.load(Ordering::Acquire) {
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

    /// Chooses where int3 hits go on. While that is the copy of the region, or the jump is there,
    /// native kprobes are refused all of the region.
    pub(crate) fn set_detour_hits(&self, on: bool) {
        self.detour_hits.store(on, Ordering::Release);
        let end = match on {
            true => self.addr.wrapping_add(self.original().len()),
            false => self.insn_end(),
        };
        // SAFETY: stores a word that others only read.
        unsafe { ffi::rk_blacklist_end(self.refused.get(), end as kernel::ffi::c_ulong) };
    }

    /// The address behind the instruction.
    fn insn_end(&self) -> usize {
        self.addr.wrapping_add(usize::from(self.len))
    }

    /// Refuses native kprobes what is behind the int3, or lets them in again.
    ///
    /// They decode the text with our int3 and our jump in it, so they may take bytes behind those
    /// for instructions, also of our neighbours, and would write there.
    pub(crate) fn refuse_natives(&self, _held: &KprobeMutex, refused: bool) {
        let list = symbols::address(symbols::Data::Blacklist) as kernel::ffi::c_ulong;
        let start = self.addr.wrapping_add(1) as kernel::ffi::c_ulong;
        let end = self.insn_end() as kernel::ffi::c_ulong;
        let at = self.refused.get();
        // SAFETY: the mutex is held, and by the invariant the trap stays for a grace period.
        unsafe {
            match refused {
                true => ffi::rk_blacklist_add(list, at, start, end),
                false => ffi::rk_blacklist_del(at),
            }
        }
    }

    /// Whether an int3 hit goes on in the copy of the region: not when somebody has changed the
    /// region behind the int3 meanwhile.
    ///
    /// A native kprobe there is to be hit, and it may become a jump over the region's end, which the
    /// copy goes back to. It waits for RCU-tasks between its int3 and its jump, as we do: who has
    /// seen the region without the int3 has left the copy before the jump is there.
    #[inline(always)]
    fn goes_on_in_copy(&self) -> bool {
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

    fn probes(&self) -> Probes {
        Probes(self.first.load(Ordering::Acquire))
    }
}

fn any_probe() -> *mut ffi::rkprobe {
    addr_of_mut!(ffi::rk_any_probe)
}

/// The enabled probes of a trap, as a handler sees them.
struct Probes(*mut ffi::rkprobe);

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

/// detour_entry.S sets one bit to say that it runs handlers, and asks for it.
const _: () = {
    let bit = 1 << ffi::RK_LANE_BIT;
    assert!(Lane::Jump as u32 == bit);
    assert!(Lane::Int3 as u32 & bit != 0 && Lane::Ftrace as u32 & bit != 0);
};
/// And takes the probe from a trap's beginning.
const _: () = assert!(core::mem::offset_of!(Trap, direct) == 0);

/// The way to a probe's handlers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Lane {
    /// A breakpoint.
    Int3 = 3,
    /// A jump, through its detour.
    Jump = 2,
    /// The function tracer, at a function's entry.
    Ftrace = 6,
}

/// The [`Lane`] of the handlers that this CPU runs, 0 if it runs none. Interrupts are off.
#[inline(always)]
fn busy() -> u32 {
    let busy: u32;
    // SAFETY: reads a per-CPU variable of this module.
    unsafe {
        asm!(
            "movl %gs:{flag}(%rip), {busy:e}",
            flag = sym ffi::rk_busy,
            busy = out(reg) busy,
            options(att_syntax, nostack, preserves_flags, readonly),
        );
    }
    busy
}

/// Says that this CPU runs handlers, or with 0 that it does not. Interrupts are off.
#[inline(always)]
fn set_busy(busy: u32) {
    // SAFETY: sets a per-CPU variable of this module.
    unsafe {
        asm!(
            "movl {busy:e}, %gs:{flag}(%rip)",
            flag = sym ffi::rk_busy,
            busy = in(reg) busy,
            options(att_syntax, nostack, preserves_flags),
        );
    }
}

/// The lane of the handler that asks.
pub(crate) fn lane() -> Lane {
    const INT3: u32 = Lane::Int3 as u32;
    const JUMP: u32 = Lane::Jump as u32;
    match busy() {
        INT3 => Lane::Int3,
        JUMP => Lane::Jump,
        _ => Lane::Ftrace,
    }
}

/// This CPU runs handlers until this is dropped.
struct Busy(());

impl Busy {
    /// Enters the handlers, unless this CPU is in some already. Interrupts are off; an NMI that
    /// comes between leaves the variable as it found it.
    #[inline(always)]
    fn enter(lane: Lane) -> Option<Self> {
        if busy() != 0 {
            return None;
        }
        set_busy(lane as u32);
        Some(Self(()))
    }
}

impl Drop for Busy {
    #[inline(always)]
    fn drop(&mut self) {
        set_busy(0);
    }
}

/// The handlers of every live probe are passed over: this CPU is in a handler.
#[cold]
fn missed(trap: &Trap) {
    for probe in trap.probes() {
        // SAFETY: as in `Probes`; other CPUs count at the same time.
        let nmissed = unsafe { AtomicU64::from_ptr(addr_of_mut!((*probe).nmissed).cast()) };
        nmissed.fetch_add(1, Ordering::Relaxed);
        MISSED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Calls the pre_handlers; `true` if one of them has changed the instruction pointer.
#[inline(always)]
fn pre_handlers(trap: &Trap, regs: *mut pt_regs, lane: Lane) -> bool {
    if !trap.live.load(Ordering::Acquire) {
        return false;
    }
    let Some(_busy) = Busy::enter(lane) else {
        missed(trap);
        return false;
    };
    call_pre_handlers(trap, regs)
}

/// The same, for a CPU that is known not to be in a handler.
#[inline(always)]
fn call_pre_handlers(trap: &Trap, regs: *mut pt_regs) -> bool {
    for probe in trap.probes() {
        // SAFETY: as in `Probes`; `hits` and `pre_handler` do not change while it is registered.
        let (hits, handler) = unsafe { ((*probe).hits, (*probe).pre_handler) };
        // SAFETY: `hits` is a per-CPU counter of the probe.
        unsafe { asm!("incq %gs:({})", in(reg) hits, options(att_syntax, nostack)) };
        if let Some(handler) = handler {
            // SAFETY: the user's handler, called as its contract says.
            if unsafe { handler(probe, regs) } != 0 {
                return true;
            }
        }
    }
    false
}

/// Calls the post_handlers.
fn post_handlers(trap: &Trap, regs: *mut pt_regs, lane: Lane) {
    if !trap.live.load(Ordering::Acquire) {
        return;
    }
    let Some(_busy) = Busy::enter(lane) else {
        return;
    };
    for probe in trap.probes() {
        // SAFETY: as in `pre_handlers`.
        if let Some(handler) = unsafe { (*probe).post_handler } {
            // SAFETY: the user's handler, called as its contract says.
            unsafe { handler(probe, regs, 0) };
        }
    }
}

/// The handlers of a jump's site that detour_entry.S does not call itself; the pre_handler of
/// `rk_any_probe`, with the lane noted and interrupts off.
///
/// # Safety
///
/// Called by `rk_detour_entry` only, with the registers that it has built.
#[no_mangle]
#[link_section = ".kprobes.text"]
unsafe extern "C" fn rk_detour_hit(_any: *mut ffi::rkprobe, regs: *mut pt_regs) -> c_int {
    // SAFETY: where `orig_ax` is stands the return address of the detour's call, in front of which
    // the detour has its trap; it is freed with it, and not before tasks have left it.
    let trap = unsafe {
        let back = (*regs).orig_ax;
        &**(back.wrapping_sub(ffi::RK_DETOUR_TRAP as usize) as *const *const Trap)
    };
    if trap.live.load(Ordering::Acquire) {
        call_pre_handlers(trap, regs);
    }
    0
}

/// A jump was hit inside a handler.
///
/// # Safety
///
/// Called by `rk_detour_entry` only, with the trap of the detour that called it.
#[no_mangle]
#[link_section = ".kprobes.text"]
unsafe extern "C" fn rk_detour_missed(trap: *const kernel::ffi::c_void) {
    // SAFETY: as in `rk_detour_hit`.
    let trap = unsafe { &*trap.cast::<Trap>() };
    if trap.live.load(Ordering::Acquire) {
        missed(trap);
    }
}

/// The handlers of a function's entry, called by helpers.c with interrupts off.
///
/// # Safety
///
/// Called by `rk_ftrace_fn` only.
#[no_mangle]
#[link_section = ".kprobes.text"]
unsafe extern "C" fn rk_ftrace_hit(ip: kernel::ffi::c_ulong, regs: *mut pt_regs) {
    let trap = int3_table::find(ip);
    if trap.is_null() {
        return;
    }
    // SAFETY: a trap in the table is alive, and stays so for a grace period; interrupts are off.
    let trap = unsafe { &*trap };
    // A detach does not wait for callbacks: the bucket may be another site's by now.
    if trap.addr != ip {
        return;
    }
    if !pre_handlers(trap, regs, Lane::Ftrace) {
        SavedRegs(regs).set_ip(trap.addr.wrapping_add(usize::from(trap.len)) as u64);
        post_handlers(trap, regs, Lane::Ftrace);
    }
}

/// The saved registers, for emulation.
struct SavedRegs(*mut pt_regs);

impl SavedRegs {
    fn gpr_place(&self, number: u8) -> *mut u64 {
        let regs = self.0;
        // SAFETY: only computes addresses inside the registers.
        let place = unsafe {
            match number {
                0 => addr_of_mut!((*regs).ax),
                1 => addr_of_mut!((*regs).cx),
                2 => addr_of_mut!((*regs).dx),
                3 => addr_of_mut!((*regs).bx),
                4 => addr_of_mut!((*regs).sp),
                5 => addr_of_mut!((*regs).bp),
                6 => addr_of_mut!((*regs).si),
                7 => addr_of_mut!((*regs).di),
                8 => addr_of_mut!((*regs).r8),
                9 => addr_of_mut!((*regs).r9),
                10 => addr_of_mut!((*regs).r10),
                11 => addr_of_mut!((*regs).r11),
                12 => addr_of_mut!((*regs).r12),
                13 => addr_of_mut!((*regs).r13),
                14 => addr_of_mut!((*regs).r14),
                _ => addr_of_mut!((*regs).r15),
            }
        };
        place.cast()
    }
}

impl Regs for SavedRegs {
    fn ip(&self) -> u64 {
        // SAFETY: the exception entry's registers.
        unsafe { (*self.0).ip as u64 }
    }

    fn set_ip(&mut self, ip: u64) {
        // SAFETY: as in `ip`.
        unsafe { (*self.0).ip = ip as usize };
    }

    fn flags(&self) -> u64 {
        // SAFETY: as in `ip`.
        unsafe { (*self.0).flags as u64 }
    }

    fn set_flags(&mut self, flags: u64) {
        // SAFETY: as in `ip`.
        unsafe { (*self.0).flags = flags as usize };
    }

    fn gpr(&self, number: u8) -> u64 {
        // SAFETY: the place is inside the registers.
        unsafe { self.gpr_place(number).read() }
    }

    fn set_gpr(&mut self, number: u8, value: u64) {
        // SAFETY: the place is inside the registers.
        unsafe { self.gpr_place(number).write(value) };
    }

    fn push(&mut self, value: u64) {
        let sp = self.gpr(4).wrapping_sub(8);
        self.set_gpr(4, sp);
        // SAFETY: the int3 entry leaves a gap below the interrupted stack for exactly this
        // (arch/x86/entry/entry_64.S: idtentry of exc_int3; FRED has its red zone).
        unsafe { (sp as *mut u64).write(value) };
    }

    fn pop(&mut self) -> u64 {
        let sp = self.gpr(4);
        self.set_gpr(4, sp.wrapping_add(8));
        // SAFETY: the instruction itself would have read there.
        unsafe { (sp as *const u64).read() }
    }
}

/// Runs the handlers of an int3 and makes its instruction happen.
fn hit(trap: &Trap, regs: *mut pt_regs) {
    if pre_handlers(trap, regs, Lane::Int3) {
        return;
    }
    let mut saved = SavedRegs(regs);
    if trap.goes_on_in_copy() {
        saved.set_ip(trap.copy as u64);
        return;
    }
    // A site with a post_handler has `steps`, or its instruction is emulated.
    let flags = saved.flags();
    let interrupts = usize::from(flags & FLAGS_IF != 0);
    let step = trap
        .steps
        .get(interrupts)
        .map_or(0, |step| step.load(Ordering::Acquire));
    if let Some(emulation) = trap.emulation {
        emulation.apply(&mut saved, trap.addr as u64, trap.len);
        post_handlers(trap, regs, Lane::Int3);
    } else if step != 0 {
        // Interrupts stay off until the int3 behind the copy, whose address says whether they
        // were on: so nothing needs to be kept for the CPU.
        saved.set_flags(flags & !FLAGS_IF);
        saved.set_ip(step as u64);
    } else {
        saved.set_ip(trap.slot as u64);
    }
}

/// The int3 behind a copy of the instruction: the instruction has been executed.
fn stepped(trap: &Trap, at: usize, regs: *mut pt_regs) {
    let mut saved = SavedRegs(regs);
    let with_interrupts = trap
        .steps
        .get(1)
        .map_or(0, |step| step.load(Ordering::Acquire));
    if at == with_interrupts.wrapping_add(usize::from(trap.len)) {
        saved.set_flags(saved.flags() | FLAGS_IF);
    }
    saved.set_ip(trap.addr.wrapping_add(usize::from(trap.len)) as u64);
    post_handlers(trap, regs, Lane::Int3);
}

/// The die notifier: takes the int3s that are in the table, and no others.
///
/// # Safety
///
/// Called by `notify_die` only.
#[link_section = ".kprobes.text"]
pub(crate) unsafe extern "C" fn int3_notify(
    _block: *mut notifier_block,
    event: kernel::ffi::c_ulong,
    args: *mut kernel::ffi::c_void,
) -> c_int {
    if event != ffi::die_val_DIE_INT3 as kernel::ffi::c_ulong {
        return ffi::NOTIFY_DONE as c_int;
    }
    // SAFETY: for DIE_INT3 `args` is a `die_args` whose registers are the exception's.
    let regs = unsafe { (*args.cast::<ffi::die_args>()).regs };
    // SAFETY: as above.
    let (cs, ip) = unsafe { ((*regs).__bindgen_anon_1.cs, (*regs).ip) };
    if cs & 3 != 0 {
        return ffi::NOTIFY_DONE as c_int;
    }
    let at = ip.wrapping_sub(1);
    let trap = int3_table::find(at);
    if trap.is_null() {
        return ffi::NOTIFY_DONE as c_int;
    }
    // SAFETY: a trap in the table is alive, and stays so for a grace period; interrupts are off.
    let trap = unsafe { &*trap };
    if at == trap.addr {
        hit(trap, regs);
    } else {
        stepped(trap, at, regs);
    }
    ffi::NOTIFY_STOP as c_int
}
