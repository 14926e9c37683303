// SPDX-License-Identifier: GPL-2.0

//! The ftrace lane: sites at function entries, which ftrace pokes.
//!
//! One update of ftrace's filter adds or removes all entries of a batch. The int3 table has the
//! addresses of these sites as well, so that a hit finds its trap.

use crate::optimizer::{
    Foreign,
    Poke, //
};
use crate::shell::site::SiteMemory;
use crate::sys::{
    ffi,
    stats, //
};
use kernel::prelude::*;

/// The entries of one batch.
pub(crate) struct FtraceLane {
    ips: KVVec<kernel::ffi::c_ulong>,
}

impl FtraceLane {
    /// An empty batch. ftrace takes its own locks when the batch is finished.
    pub(crate) fn begin() -> Self {
        Self { ips: KVVec::new() }
    }

    /// Adds a site to the batch.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(crate) fn add(&mut self, _poke: Poke, site: &SiteMemory) -> Result<(), Foreign> {
        let ip = site.trap().addr as kernel::ffi::c_ulong;
        self.ips.push(ip, GFP_KERNEL).map_err(|_| Foreign::NoMemory)
    }

    /// Attaches or detaches all sites of the batch.
    ///
    /// # Errors
    ///
    /// `NoMemory` if ftrace had no memory, and `Ftrace` if it refuses. Then it has changed none of
    /// them.
    pub(crate) fn finish(&mut self, poke: Poke) -> Result<(), Foreign> {
        let count = self.ips.len() as kernel::ffi::c_uint;
        // SAFETY: The array has that many addresses; the engine's lock is held.
        let result =
            unsafe { ffi::rk_ftrace_filter(self.ips.as_mut_ptr(), count, poke == Poke::Disarm) };
        stats::add(&stats::BATCHES, 1);
        self.ips.clear();
        kernel::error::to_result(result).map_err(|error| match error {
            error if error == ENOMEM => Foreign::NoMemory,
            _ => Foreign::Ftrace,
        })
    }
}
