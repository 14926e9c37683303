// SPDX-License-Identifier: GPL-2.0

//! Parses anything: no panic, and what is accepted means what is written.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/common/lines.rs"]
mod lines;

fuzz_target!(|text: &[u8]| {
    for line in text.split(|byte| *byte == b'\n') {
        lines::check(line);
    }
});
