// SPDX-License-Identifier: GPL-2.0

//! rkprobes: breakpoint probes on live kernel text, turned into jumps by a delayed optimizer.
//!
//! This file only wires. Data flows one way: API or debugfs -> engine -> optimizer (pure) -> shell
//! -> text.

use core::sync::atomic::Ordering;
use kernel::prelude::*;

// Pure: the host's tests compile these files as well, and use more of them than this module.
pub mod command;
pub mod containers;
pub mod eligibility;
pub mod insn_decode;
pub mod optimizer;
pub mod out_of_line;

// Of the kernel.
mod api;
mod arch_x86;
mod debugfs;
mod engine;
mod examine;
mod shell;
mod sys;

pub use api::{flush, Handler, Hit, Lane, Probe, Registers, Registration, Registrations, Target};

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
    },
}

/// The module. Fields are dropped in this order, also when one of them cannot be made: first nobody
/// can hit or call us, then what was hit is freed.
#[pin_data(PinnedDrop)]
pub struct RkProbes {
    /// With the probes that were made there. `None` from the beginning of the end.
    debugfs: Option<Pin<KBox<debugfs::Debugfs>>>,
    _notifiers: engine::notifiers::Notifiers,
    running: Running,
}

/// The engine with its delayed work. When it is dropped there are no sites, and nobody tells of any.
struct Running(Pin<KBox<engine::Engine>>);

impl Running {
    fn start() -> Result<Self> {
        sys::symbols::init()?;
        let engine = KBox::pin_init(engine::Engine::new(), GFP_KERNEL)?;
        shell::work::start()?;
        engine.publish();
        Ok(Self(engine))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        shell::work::stop();
        engine::retract();
        shell::memory::free();
    }
}

impl kernel::InPlaceModule for RkProbes {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // SAFETY: once, and before its first use.
        unsafe { shell::memory::MEMORY.init() };
        shell::work::OPTIMIZE_DELAY
            .store(module_parameters::optimize_delay.value(), Ordering::Relaxed);
        try_pin_init!(Self {
            running: Running::start()?,
            _notifiers: engine::notifiers::Notifiers::register()?,
            // Last: nothing may fail when somebody can open a file.
            debugfs: Some(debugfs::Debugfs::new()?),
        })
    }
}

#[pinned_drop]
impl PinnedDrop for RkProbes {
    fn drop(mut self: Pin<&mut Self>) {
        *self.as_mut().project().debugfs = None;
        // While the notifier still claims our int3s.
        self.running.0.drain();
    }
}
