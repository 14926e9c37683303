// SPDX-License-Identifier: GPL-2.0

//! Sample of the Rust API of rkprobes: a handler with state.
//!
//! Counts the calls of `vfs_read` by how much is asked for, and prints the counts when it is
//! unloaded:
//!
//! ```text
//! insmod rkprobe_rust.ko
//! ```

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
            description: "Bytes behind the begin of vfs_read; an instruction must begin there",
        },
    },
}

/// How many reads there were of less than 16, 256, 4096 bytes, and of more.
struct Sizes([Atomic<u64>; 4]);

#[vtable]
impl Handler for Sizes {
    fn pre(&self, hit: &mut Hit<'_>) {
        // vfs_read(file, buffer, count, position): at its begin, the third argument.
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
    // When the registration is dropped, the probe is gone before its handler's state is.
    fn drop(&mut self) {
        for (counter, below) in self.0.iter().zip(["16", "256", "4096", "any size"]) {
            pr_info!("{} reads below {}\n", counter.load(Relaxed), below);
        }
    }
}

/// The module: its probe is removed when this is dropped.
#[pin_data]
struct Sample {
    #[pin]
    reads: Registration<Sizes>,
}

impl kernel::InPlaceModule for Sample {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let target = Target::symbol(c"vfs_read").offset(module_parameters::offset.value());
        let sizes = Sizes([const { Atomic::new(0) }; 4]);
        try_pin_init!(Self {
            reads <- Registration::new(target, sizes),
            _: { pr_info!("a probe at {:#x}\n", reads.probe().address()) },
        })
    }
}
