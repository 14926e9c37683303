// SPDX-License-Identifier: GPL-2.0

//! Uses of the Rust API that do not compile. A line that the compiler refuses ends with the error's code.

use core::cell::Cell;
use kernel::prelude::*;
use rust_kprobes::{Handler, Hit, Probe, RegisterError, Registration, Registrations, Target};

module! {
    type: Wrong,
    name: "wrong",
    authors: ["The rkprobes developers"],
    description: "Wrong uses of the Rust API of rkprobes",
    license: "GPL",
}

struct Wrong;

impl kernel::Module for Wrong {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

pub struct Accepted;

#[vtable]
impl Handler for Accepted {
    fn pre(&self, hit: &mut Hit<'_>) {
        let _ = hit.regs().ax();
    }
}

/// Handlers run on all CPUs at one time.
pub struct NotSync(Cell<u32>);

#[vtable]
impl Handler for NotSync {} //~ E0277

/// A handler may be dropped by another task than the one that made it.
pub struct NotSend(core::marker::PhantomData<*mut u8>);

#[vtable]
impl Handler for NotSend {} //~ E0277

pub fn exclusive(mut registration: Registration<Accepted>) {
    // Handlers use the state at the same time.
    let state: &mut Accepted = registration.handler(); //~ E0308
    let pinned = Pin::new(&mut registration);
    let _ = pinned.project(); //~ E0599
    let _ = registration.handler_mut(); //~ E0599
    let _ = registration.clone(); //~ E0599
    let _ = &registration.0; //~ E0616
}

pub fn looks_inside(probe: &Probe) {
    let _ = probe.raw(); //~ E0624
    probe.set_state(core::ptr::null()); //~ E0624
    let _ = probe.clone().index; //~ E0616
}

pub fn reads_only(hit: &mut Hit<'_>) {
    hit.regs().0.ax = 0; //~ E0616
    let _ = hit.clone().address(); //~ E0599
}

pub fn no_handler() {
    let _ = Registration::new(Target::symbol(c"vfs_read"), 1u32); //~ E0277
    let _ = Registrations::new(Target::symbol(c"vfs_read"), ()); //~ E0308
}
