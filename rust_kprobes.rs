// SPDX-License-Identifier: GPL-2.0

//! rkprobes: breakpoint probes on live kernel text, turned into jumps by a delayed optimizer.
//!
//! This file only connects the families, and ends them in the right order. The two blocks of `mod` lines
//! are the table of contents. Calls go one way: api, debugfs or trace -> engine -> optimizer (pure) ->
//! shell -> text.

use core::sync::atomic::Ordering;
use kernel::prelude::*;

// Pure: no kernel. The host's tests compile these families too, and use more of them than the module.
pub mod arguments;
pub mod command;
pub mod containers;
pub mod eligibility;
pub mod insn_decode;
pub mod optimizer;
pub mod out_of_line;

// Kernel. A family uses the families that stand later in this order: api and debugfs, trace, engine,
// examine, shell, arch_x86, sys.
mod api;
mod arch_x86;
mod debugfs;
mod engine;
mod examine;
mod shell;
mod sys;
mod trace;

pub use api::{
    flush,
    Handler,
    Hit,
    Lane,
    Probe,
    RegisterError,
    Registers,
    Registration,
    Registrations,
    Target, //
};

module! {
    type: RkProbes,
    name: "rkprobes",
    authors: ["The rkprobes developers"],
    description: "Breakpoint probes with a delayed jump optimizer",
    license: "GPL",
    params: {
        optimize_delay: u32 {
            default: 5,
            description: "Jiffies between a change and the optimizer's pass",
        },
        unknown_kernel: u8 {
            default: 0,
            description: "1: load on a kernel that this version does not know",
        },
    },
}

/// The module. Fields are dropped in this order, also when one of them cannot be made: first no CPU can
/// hit or call the module any more, then the memory that hits used is freed.
#[pin_data(PinnedDrop)]
pub struct RkProbes {
    /// The files, with the probes that were made by them. `None` while the module is unloaded.
    debugfs: Option<Pin<KBox<debugfs::Debugfs>>>,
    _notifiers: engine::Notifiers,
    running: Running,
}

/// The engine with its delayed work. When this is dropped there are no sites, and the notifiers are
/// unregistered.
struct Running(Pin<KBox<engine::Engine>>);

impl Running {
    fn start() -> Result<Self> {
        let allowed: u8 = sys::compat::parameter(module_parameters::unknown_kernel.value());
        sys::release::check(allowed != 0)?;
        if sys::processor::is_xen_pv() {
            pr_err!("probes are not safe in a paravirtual guest of Xen: use a PVH or HVM guest\n");
            return Err(sys::compat::not_supported());
        }
        sys::symbols::init()?;
        sys::registering::init()?;
        let engine = KBox::pin_init(engine::Engine::new(), GFP_KERNEL)?;
        trace::start()?;
        shell::work::start().inspect_err(|_| trace::stop())?;
        engine.publish();
        Ok(Self(engine))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        shell::work::stop();
        engine::retract();
        trace::stop();
        shell::memory::free();
    }
}

impl kernel::InPlaceModule for RkProbes {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // SAFETY: The kernel calls `init` once, and nothing has used `MEMORY` before.
        unsafe { shell::memory::MEMORY.init() };
        let delay: u32 = sys::compat::parameter(module_parameters::optimize_delay.value());
        shell::work::OPTIMIZE_DELAY.store(delay, Ordering::Relaxed);
        try_pin_init!(Self {
            running: Running::start()?,
            _notifiers: engine::Notifiers::register()?,
            // Last: after a user can open a file, nothing may fail.
            // SAFETY: The kernel calls `init` once.
            debugfs: Some(unsafe { debugfs::Debugfs::new()? }),
        })
    }
}

#[pinned_drop]
impl PinnedDrop for RkProbes {
    fn drop(mut self: Pin<&mut Self>) {
        *self.as_mut().project().debugfs = None;
        // The int3 notifier is still registered, because the last int3s are taken out here.
        self.running.0.drain();
    }
}
