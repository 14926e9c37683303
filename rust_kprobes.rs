// SPDX-License-Identifier: GPL-2.0

//! rkprobes: breakpoint probes on live kernel text, turned into jumps by a delayed optimizer.
//!
//! This file only wires. Data flows one way: API or debugfs -> engine -> optimizer (pure) -> shell
//! -> text.

use core::sync::atomic::Ordering;
use kernel::prelude::*;

// The pure files are libraries of their own, which the host's tests use more of than this module.
pub mod command;
pub mod detour;
pub mod eligibility;
pub mod emulate;
pub mod find_bytes;
pub mod hidden;
pub mod insn_decode;
pub mod limit;
pub mod optimizer;
pub mod refusal;
pub mod relocate;
pub mod reserved;
mod sections;
pub mod slab;
pub mod sort;

mod api;
mod arch_x86;
mod arrays;
mod blacklist;
mod counting;
mod debugfs;
mod debugfs_file;
mod engine;
mod examine;
mod explain;
mod ffi;
mod ftrace_lane;
mod handlers;
mod int3_path;
mod int3_table;
mod limits;
mod locks;
mod named;
mod natives;
mod notifiers;
mod pieces;
mod probe;
mod probe_commands;
mod probe_files;
mod report;
mod saved_regs;
mod shell;
mod slots;
mod stats;
mod symbols;
mod target;
mod text;
mod text_poke;
mod trap;

pub use probe::{flush, Handler, Hit, Lane, Probe, Registers, Registration, Registrations, Target};

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
    _notifiers: notifiers::Notifiers,
    running: Running,
}

/// The engine with its delayed work. When it is dropped there are no sites, and nobody tells of any.
struct Running(Pin<KBox<engine::Engine>>);

impl Running {
    fn start() -> Result<Self> {
        symbols::init()?;
        let engine = KBox::pin_init(engine::Engine::new(), GFP_KERNEL)?;
        shell::start()?;
        engine.publish();
        Ok(Self(engine))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        shell::stop();
        engine::retract();
        shell::free_memory();
    }
}

impl kernel::InPlaceModule for RkProbes {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // SAFETY: once, and before its first use.
        unsafe { shell::MEMORY.init() };
        shell::OPTIMIZE_DELAY.store(module_parameters::optimize_delay.value(), Ordering::Relaxed);
        try_pin_init!(Self {
            running: Running::start()?,
            _notifiers: notifiers::Notifiers::register()?,
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
