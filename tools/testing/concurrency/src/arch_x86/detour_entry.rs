// SPDX-License-Identifier: GPL-2.0

//! What detour_entry.S does, on x86: a load of a pointer is an acquire.

use crate::arch_x86::handlers::{rk_detour_hit, rk_detour_missed, Lane};
use crate::arch_x86::trap::Trap;
use crate::atomic::Ordering;
use crate::bindings::pt_regs;
use crate::cpu;
use crate::sys::ffi;
use core::ptr::{addr_of, addr_of_mut, from_ref};

/// A jump goes to the detour of a trap. Interrupts are off.
pub(crate) fn detour(trap: &Trap) {
    // One instruction there. An NMI between these two leaves the flag as it found it.
    // SAFETY: the trap is alive.
    unsafe {
        if cpu::busy() != 0 {
            rk_detour_missed(from_ref(trap).cast());
            return;
        }
        cpu::set_busy(Lane::Jump as u32);
    }
    let probe = trap.direct.load(Ordering::Acquire);
    // The detour has the trap's address before the return address of its call.
    let slot = [from_ref(trap) as usize, 0, 0];
    let mut regs = pt_regs {
        orig_ax: addr_of!(slot) as usize + ffi::RK_DETOUR_TRAP as usize,
    };
    // SAFETY: the probe is alive, which the check of its life shows.
    unsafe {
        if probe.cast() == addr_of_mut!(ffi::RK_ANY_PROBE) {
            rk_detour_hit(probe, &mut regs);
        } else {
            (*probe).next.life.check();
            cpu::add_hit((*probe).hits);
            if let Some(handler) = (*probe).pre_handler {
                handler(probe, &mut regs);
            }
        }
        cpu::set_busy(0);
    }
}
