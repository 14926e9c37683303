// SPDX-License-Identifier: GPL-2.0

//! Function entries: where a function calls the tracer, ftrace does the poking.
//!
//! All entries of a batch are added or removed with one update of ftrace's filter. The addresses
//! are in the int3 table like the others, which is where a hit finds its trap.

use crate::arch_x86::handlers::{post_handlers, pre_handlers, Lane};
use crate::arch_x86::int3_table;
use crate::arch_x86::saved_regs::SavedRegs;
use crate::optimizer::{Foreign, Poke};
use crate::out_of_line::emulate::Regs;
use crate::shell::SiteMemory;
use crate::sys::ffi;
use crate::sys::stats;
use kernel::bindings::pt_regs;
use kernel::prelude::*;

/// The entries of one batch.
pub(crate) struct FtraceLane {
    ips: KVVec<kernel::ffi::c_ulong>,
}

impl FtraceLane {
    /// An empty batch. ftrace takes its own locks when it is finished.
    pub(crate) fn begin() -> Self {
        Self { ips: KVVec::new() }
    }

    /// Adds a site to the batch.
    pub(crate) fn add(&mut self, _poke: Poke, site: &SiteMemory) -> Result<(), Foreign> {
        let ip = site.trap.addr as kernel::ffi::c_ulong;
        self.ips.push(ip, GFP_KERNEL).map_err(|_| Foreign::Ftrace)
    }

    /// Attaches or detaches all.
    pub(crate) fn finish(&mut self, poke: Poke) -> Result<(), Foreign> {
        let count = self.ips.len() as kernel::ffi::c_uint;
        // SAFETY: the array has that many addresses; the engine's lock is held.
        let result =
            unsafe { ffi::rk_ftrace_filter(self.ips.as_mut_ptr(), count, poke == Poke::Disarm) };
        stats::add(&stats::BATCHES, 1);
        self.ips.clear();
        if result < 0 {
            return Err(Foreign::Ftrace);
        }
        Ok(())
    }
}

/// The handlers of a function's entry, called by ftrace_ops.c with interrupts off.
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
