// SPDX-License-Identifier: GPL-2.0

//! Running the handlers of a hit, on every lane.
//!
//! Everything from the int3 (or the jump) to the probed instruction's effect runs module code only:
//! no kernel function, no lock, no allocation, no `kernel` container. So only `core` atomics here,
//! and no probe on kernel text can recurse through this path by itself; a probe that is hit inside
//! a handler is counted as missed and its instruction is executed.
//!
//! All lanes run handlers with interrupts off, so that `wait_for_handlers()` waits for every handler,
//! and for every reader of the int3 table.

use crate::arch_x86::trap::Trap;
use crate::sys::ffi;
use core::arch::asm;
use core::ptr::addr_of_mut;
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::bindings::pt_regs;
use kernel::ffi::c_int;

/// Hits whose handlers did not run; counted in the per-probe counters as well.
pub(crate) static MISSED: AtomicU64 = AtomicU64::new(0);

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
pub(crate) fn pre_handlers(trap: &Trap, regs: *mut pt_regs, lane: Lane) -> bool {
    if !trap.is_live() {
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
pub(crate) fn post_handlers(trap: &Trap, regs: *mut pt_regs, lane: Lane) {
    if !trap.is_live() {
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
    if trap.is_live() {
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
    if trap.is_live() {
        missed(trap);
    }
}
