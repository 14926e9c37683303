// SPDX-License-Identifier: GPL-2.0

//! The bindings and the lock's proof that the module's files use.

pub(crate) mod ffi {
    #![allow(non_camel_case_types)] // the names of C

    use crate::atomic::{AtomicPtr, AtomicU32, AtomicU64};
    use crate::bindings::pt_regs;
    use crate::cpu::PerCpu;
    use crate::memory::Life;
    use core::ffi::{c_int, c_ulong};

    pub(crate) const RKPROBE_FLAG_DISABLED: u32 = 1;
    pub(crate) const RK_DETOUR_TRAP: u32 = 24;

    /// The link of a probe, and whether the probe is alive.
    pub(crate) struct Link<T> {
        pub(crate) life: Life,
        pub(crate) next: AtomicPtr<T>,
    }

    pub(crate) struct rkprobe {
        pub(crate) pre_handler: Option<unsafe fn(*mut rkprobe, *mut pt_regs) -> c_int>,
        pub(crate) post_handler: Option<unsafe fn(*mut rkprobe, *mut pt_regs, c_ulong)>,
        pub(crate) flags: AtomicU32,
        pub(crate) nmissed: AtomicU64,
        pub(crate) next: Link<rkprobe>,
        pub(crate) hits: *mut PerCpu,
        /// What the user's handler uses.
        pub(crate) data: Life,
    }

    /// Only its address is used.
    pub(crate) static mut RK_ANY_PROBE: u64 = 0;
}

pub(crate) mod locks {
    /// No CPU goes online or offline here, so only RCU waits.
    pub(crate) use crate::cpu::synchronize_rcu as wait_for_handlers;

    /// The writer is one thread, so the lock is always held.
    pub(crate) struct EngineHeld(());

    impl EngineHeld {
        pub(crate) fn new() -> Self {
            Self(())
        }
    }
}
