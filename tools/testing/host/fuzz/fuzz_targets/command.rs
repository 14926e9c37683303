// SPDX-License-Identifier: GPL-2.0

//! Parses any bytes: no panic, and an accepted line means what it says.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/common/lines.rs"]
mod lines;

fuzz_target!(|text: &[u8]| {
    for line in text.split(|byte| *byte == b'\n') {
        lines::check(line);
    }
});
