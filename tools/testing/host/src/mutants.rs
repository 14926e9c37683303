// SPDX-License-Identifier: GPL-2.0

//! Which defect of `mutants.rs` is switched on.

extern crate std;

use std::cell::Cell;
use std::thread_local;

thread_local! {
    static ON: Cell<usize> = const { Cell::new(0) };
}

/// Switches one defect on for this thread, and the others off; 0 for none.
pub fn switch_on(number: usize) {
    ON.set(number);
}

/// Whether a defect is switched on.
pub fn is_on(number: usize) -> bool {
    ON.get() == number
}
