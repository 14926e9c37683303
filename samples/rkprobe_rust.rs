// SPDX-License-Identifier: GPL-2.0

//! Sample of the Rust API of rkprobes: a handler with state.
//!
//! Counts the calls of `vfs_read` by the size that they ask for, and prints the counts when the module
//! is unloaded:
//!
//! ```text
//! insmod rkprobe_rust.ko
//! ```

use core::borrow::Borrow;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use rust_kprobes::{Handler, Hit, Registration, Target};

module! {
    type: Sample,
    name: "rkprobe_rust",
    authors: ["The rkprobes developers"],
    description: "Sample of the Rust API of rkprobes: sizes of reads",
    license: "GPL",
    params: {
        offset: usize {
            default: 0,
            description: "Bytes from the beginning of vfs_read; an instruction must begin there",
        },
    },
}

/// How many reads of less than 16, 256 and 4096 bytes there were, and of 4096 bytes or more.
struct Sizes([Atomic<u64>; 4]);

#[vtable]
impl Handler for Sizes {
    fn pre(&self, hit: &mut Hit<'_>) {
        // The third argument, at the beginning of vfs_read(file, buffer, count, position).
        let count = hit.regs().argument(2).unwrap_or(0);
        let class = match count {
            0..=15 => 0,
            16..=255 => 1,
            256..=4095 => 2,
            _ => 3,
        };
        if let Some(counter) = self.0.get(class) {
            counter.add(1, Relaxed);
        }
    }
}

impl Drop for Sizes {
    // The registration removes its probe before it drops the handler's state.
    fn drop(&mut self) {
        for (counter, below) in self.0.iter().zip(["16", "256", "4096", "any size"]) {
            pr_info!("{} reads below {}\n", counter.load(Relaxed), below);
        }
    }
}

/// The module. Dropping it removes its probe.
struct Sample {
    _reads: Registration<Sizes>,
}

impl kernel::Module for Sample {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // A value since Linux 7.3, and a reference before.
        let offset = *Borrow::<usize>::borrow(&module_parameters::offset.value());
        let target = Target::symbol(c"vfs_read").offset(offset);
        let sizes = Sizes([const { Atomic::new(0) }; 4]);
        let reads = Registration::new(target, sizes).inspect_err(|refused| {
            pr_err!("no probe: {}\n", refused.reason());
        })?;
        pr_info!("a probe at {:#x}\n", reads.probe().address());
        Ok(Self { _reads: reads })
    }
}
