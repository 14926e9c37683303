// SPDX-License-Identifier: GPL-2.0

//! Probes whose owner gave them up inside a handler.
//!
//! Removing a probe sleeps, so a handler cannot do it. It leaves the probe here, and the next pass
//! removes it.

use super::state::Engine;
use crate::arch_x86::probe_list::ProbePtr;
use crate::sys::ffi::{
    self,
    rkprobe, //
};
use core::iter::successors;
use core::ptr::{
    addr_of_mut,
    null_mut, //
};
use core::sync::atomic::{
    AtomicPtr,
    Ordering, //
};
use kernel::prelude::*;

/// The abandoned probe that was added last. The others follow by `rkprobe::abandoned`.
static LAST: AtomicPtr<rkprobe> = AtomicPtr::new(null_mut());

/// Leaves a probe to the next pass, which removes it. May be called in a handler.
///
/// # Safety
///
/// The probe stays allocated for ever, and was not abandoned before.
pub(crate) unsafe fn abandon(probe: *mut rkprobe) {
    let mut last = LAST.load(Ordering::Relaxed);
    loop {
        // SAFETY: The probe is alive by the contract. No other task uses the link before the exchange.
        unsafe { addr_of_mut!((*probe).abandoned).write(last) };
        match LAST.compare_exchange_weak(last, probe, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => break,
            Err(other) => last = other,
        }
    }
    // SAFETY: The function may be called in any context, because it only queues an irq_work.
    unsafe { ffi::rk_kick_from_handler() };
}

impl Engine {
    /// Removes the abandoned probes. May sleep for a grace period.
    pub(super) fn remove_abandoned(&self) {
        let last = LAST.swap(null_mut(), Ordering::Acquire);
        if last.is_null() {
            return;
        }
        // SAFETY: Abandoned probes stay allocated, and their links do not change any more.
        let probes = successors(Some(last), |probe| match unsafe { (**probe).abandoned } {
            next if next.is_null() => None,
            next => Some(next),
        });
        // SAFETY: Abandoned probes stay allocated.
        self.unregister(probes.clone().map(|probe| unsafe { ProbePtr::new(probe) }));
        pr_err!(
            "a handler dropped the registrations of {} probes: removed them, their memory is lost\n",
            probes.count()
        );
    }
}
