// SPDX-License-Identifier: GPL-2.0

//! Uses of the Rust API that do not compile. A line that the compiler refuses ends with the error's code.

use kernel::prelude::*;
use rust_kprobes::{Handler, Hit, Registers, Registration, Registrations, Target};

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

pub struct Accepted(u32);

#[vtable]
impl Handler for Accepted {
    fn pre(&self, hit: &mut Hit<'_>) {
        let _ = hit.regs().ax();
    }
}

pub fn state_after_drop(registration: Registration<Accepted>) -> u32 {
    let state = registration.handler();
    drop(registration); //~ E0505
    state.0
}

pub fn probe_after_drop(registration: Registrations<Accepted>) -> usize {
    let probes = registration.probes();
    drop(registration); //~ E0505
    probes.len()
}

pub fn changes_the_state(registration: &mut Registration<Accepted>) {
    registration.handler().0 = 1; //~ E0594
}

pub fn takes_the_state(registration: Registration<Accepted>) -> Accepted {
    *registration.handler() //~ E0507
}

pub fn keeps_a_name(name: KVec<u8>) -> Target<'static> {
    let name = CStr::from_bytes_with_nul(&name).unwrap_or(c"");
    Target::symbol(name) //~ E0515
}

pub fn registers_while_changing(hit: &mut Hit<'_>) -> usize {
    let regs = hit.regs();
    // SAFETY: This does not compile.
    unsafe { hit.regs_mut() }.ax = 0; //~ E0502
    regs.ax()
}

pub fn changes_registers(hit: &mut Hit<'_>) {
    hit.regs_mut().ax = 0; //~ E0133
}
