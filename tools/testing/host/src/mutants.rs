// SPDX-License-Identifier: GPL-2.0

//! The defect of `mutants.rs` that is on.

extern crate std;

use std::cell::Cell;
use std::thread_local;

thread_local! {
    static ON: Cell<usize> = const { Cell::new(0) };
}

/// Switches one defect on for this thread, and all others off. 0 switches all off.
pub fn switch_on(number: usize) {
    ON.set(number);
}

/// Whether a defect is on.
pub fn is_on(number: usize) -> bool {
    ON.get() == number
}
