// SPDX-License-Identifier: GPL-2.0

//! Compiles any bytes as arguments of an event, and runs what is accepted: no panic, and each record
//! stays in its bounds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rkprobes_host::arguments;

#[path = "../../tests/arguments/hit.rs"]
mod hit;
#[path = "../../tests/arguments/lines.rs"]
mod lines;

fuzz_target!(|text: &[u8]| {
    for line in text.split(|byte| *byte == b'\n') {
        lines::check(line);
    }
});
