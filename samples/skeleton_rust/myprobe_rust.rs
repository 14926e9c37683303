// SPDX-License-Identifier: GPL-2.0

//! The beginning of a module of your own: one probe, which counts the calls of `vfs_read`.

use kernel::prelude::*;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};
use rust_kprobes::{
    Handler,
    Hit,
    Registration,
    Target, //
};

module! {
    type: MyProbe,
    name: "myprobe_rust",
    authors: ["You"],
    description: "A module with a probe",
    license: "GPL",
}

/// How often the function was called.
struct Calls(Atomic<u64>);

#[vtable]
impl Handler for Calls {
    fn pre(&self, _hit: &mut Hit<'_>) {
        // Any context may have been interrupted: no locks, no sleep, no allocations.
        self.0.add(1, Relaxed);
    }
}

impl Drop for Calls {
    // The probe is removed before this is dropped: no handler runs any more.
    fn drop(&mut self) {
        pr_info!("{} calls\n", self.0.load(Relaxed));
    }
}

/// The module. Dropping it removes its probe.
#[pin_data]
struct MyProbe {
    #[pin]
    probe: Registration<Calls>,
}

impl kernel::InPlaceModule for MyProbe {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            probe <- Registration::new(Target::symbol(c"vfs_read"), Calls(Atomic::new(0))),
        })
    }
}
