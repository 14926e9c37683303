// SPDX-License-Identifier: GPL-2.0

//! Function entries: where a function calls the tracer, ftrace does the poking.
//!
//! All entries of a batch are added or removed with one update of ftrace's filter. The addresses
//! are in the int3 table like the others, which is where the callback finds its trap.

use crate::ffi;
use crate::optimizer::{Foreign, Poke};
use crate::shell::{SiteMemory, MEMORY};
use crate::stats;
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
        if result < 0 && poke == Poke::Arm {
            // The sites stay disarmed, and nothing else takes their addresses out before their
            // traps are freed.
            let mut memory = MEMORY.lock();
            for ip in &self.ips {
                memory.table.remove(*ip);
            }
        }
        self.ips.clear();
        if result < 0 {
            return Err(Foreign::Ftrace);
        }
        Ok(())
    }
}
