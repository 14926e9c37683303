// SPDX-License-Identifier: GPL-2.0

//! Runs the handlers of a hit, on each lane.
//!
//! Between the int3 or the jump and the effect of the probed instruction only code of this module
//! runs: no kernel function, no lock, no allocation, no container of the `kernel` crate. So this
//! file uses only `core` atomics, and a probe on kernel text cannot be hit by this path itself. A
//! probe that is hit inside a handler is counted as missed, and its instruction is executed.
//!
//! Each lane runs handlers with interrupts off. Therefore `wait_for_handlers()` waits for all
//! handlers, and for all readers of the int3 table.

use crate::arch_x86::trap::Trap;
use crate::sys::ffi;
use core::arch::asm;
use core::ptr::addr_of_mut;
use core::sync::atomic::{
    AtomicU64,
    Ordering, //
};
use kernel::bindings::pt_regs;
use kernel::ffi::c_int;

/// Hits whose handlers did not run. The counters of the probes have them too.
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
    // SAFETY: The instruction reads a per-CPU variable of this module.
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

/// Notes that this CPU runs handlers of a lane, or none for 0. Interrupts are off.
#[inline(always)]
fn set_busy(busy: u32) {
    // SAFETY: The instruction sets a per-CPU variable of this module.
    unsafe {
        asm!(
            "movl {busy:e}, %gs:{flag}(%rip)",
            flag = sym ffi::rk_busy,
            busy = in(reg) busy,
            options(att_syntax, nostack, preserves_flags),
        );
    }
}

/// The lane of the handler that calls this.
pub(crate) fn lane() -> Lane {
    const INT3: u32 = Lane::Int3 as u32;
    const JUMP: u32 = Lane::Jump as u32;
    match busy() {
        INT3 => Lane::Int3,
        JUMP => Lane::Jump,
        _ => Lane::Ftrace,
    }
}

/// The proof that this CPU is noted to run handlers, until the proof is dropped.
struct Busy(());

impl Busy {
    /// Notes that this CPU runs handlers, unless it already does. Interrupts are off. An NMI
    /// between the test and the note leaves the variable as it was.
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

/// Counts a hit that was missed, because this CPU is in a handler.
#[cold]
fn missed(trap: &Trap) {
    for probe in trap.probes() {
        // SAFETY: The list has only registered probes, which are allocated, and a removed one stays
        // so until handlers have ended. Other CPUs count at the same time, so the counter is
        // atomic.
        let nmissed = unsafe { AtomicU64::from_ptr(addr_of_mut!((*probe).nmissed).cast()) };
        nmissed.fetch_add(1, Ordering::Relaxed);
        MISSED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Calls the pre_handlers. Returns whether one of them has returned a value that is not zero and
/// that counts on this lane.
#[inline(always)]
pub(crate) fn pre_handlers(trap: &Trap, regs: *mut pt_regs, lane: Lane) -> bool {
    if !trap.is_live() {
        return false;
    }
    let Some(_busy) = Busy::enter(lane) else {
        missed(trap);
        return false;
    };
    call_pre_handlers(trap, regs, lane)
}

/// Calls the pre_handlers on a CPU that is noted to run handlers.
///
/// A value that is not zero means that a handler has changed the instruction pointer. On an int3
/// and at an entry no other handler runs after it (kernel/kprobes.c:aggr_pre_handler). A jump does
/// not use the instruction pointer, so all handlers run (kernel/kprobes.c:opt_pre_handler).
#[inline(always)]
fn call_pre_handlers(trap: &Trap, regs: *mut pt_regs, lane: Lane) -> bool {
    for probe in trap.probes() {
        // SAFETY: The list has only registered probes, which are allocated, and a removed one stays
        // so until handlers have ended. `hits` and `pre_handler` do not change meanwhile.
        let (hits, handler) = unsafe { ((*probe).hits, (*probe).pre_handler) };
        // SAFETY: `hits` is a per-CPU counter of the probe, and is freed after handlers have ended.
        unsafe { asm!("incq %gs:({})", in(reg) hits, options(att_syntax, nostack)) };
        if let Some(handler) = handler {
            // SAFETY: The user's handler is called under its contract: interrupts off, the
            // registers of the hit. The assembly calls it with these arguments. At an int3 the
            // registers are on this CPU's stack, before the frames of the calls.
            let value = unsafe {
                match lane {
                    Lane::Int3 => ffi::rk_call_pre_handler(probe, regs, Some(handler)),
                    Lane::Jump | Lane::Ftrace => handler(probe, regs),
                }
            };
            if value != 0 && lane != Lane::Jump {
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
        // SAFETY: The list has only registered probes, which are allocated, and a removed one stays
        // so until handlers have ended.
        if let Some(handler) = unsafe { (*probe).post_handler } {
            // SAFETY: The user's handler is called under its contract: interrupts off, the
            // registers of the hit.
            unsafe { handler(probe, regs, 0) };
        }
    }
}

/// Runs the handlers of a jump's site that detour_entry.S does not call itself. It is the
/// pre_handler of `rk_any_probe`. The lane is noted, and interrupts are off.
///
/// # Safety
///
/// Called by `rk_detour_entry` only, with the registers that it has built.
#[no_mangle]
#[link_section = ".kprobes.text"]
unsafe extern "C" fn rk_detour_hit(_any: *mut ffi::rkprobe, regs: *mut pt_regs) -> c_int {
    // SAFETY: No handler has run yet, so `orig_ax` is the return address of the detour's call. The
    // detour has the pointer to its trap before that address. Both are freed together, after all
    // tasks have left the detour.
    let trap = unsafe {
        let back = (*regs).orig_ax;
        &**(back.wrapping_sub(ffi::RK_DETOUR_TRAP as usize) as *const *const Trap)
    };
    if trap.is_live() {
        call_pre_handlers(trap, regs, Lane::Jump);
    }
    0
}

/// Counts a hit of a jump inside a handler.
///
/// # Safety
///
/// Called by `rk_detour_entry` only, with the trap of the detour that called it.
#[no_mangle]
#[link_section = ".kprobes.text"]
unsafe extern "C" fn rk_detour_missed(trap: *const kernel::ffi::c_void) {
    // SAFETY: The trap is freed after all tasks have left its detour, and one is in it.
    let trap = unsafe { &*trap.cast::<Trap>() };
    if trap.is_live() {
        missed(trap);
    }
}
