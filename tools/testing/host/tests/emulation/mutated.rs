// SPDX-License-Identifier: GPL-2.0

//! The cases for the copy of the emulation with defects.

pub use rkprobes_host::mutated::out_of_line::emulate;

// Only the cases that find a defect are used here.
#[allow(dead_code)]
#[path = "bench.rs"]
mod bench;

#[path = "../../mutants.rs"]
mod mutants;

use crate::machine::in_child;
use mutants::all;
use rkprobes_host::mutants::switch_on;

/// The case of a scope.
fn case(scope: &str) -> Option<fn()> {
    match scope {
        "loops" => Some(bench::loops_with_every_count_and_width),
        "returns" => Some(bench::returns),
        "nothing else" => Some(bench::nothing_else_is_emulated),
        _ => None,
    }
}

/// The names of the defects of the emulation, and whether each is found. A defect is found if its
/// case fails with the defect and passes without it.
pub fn found() -> Vec<(&'static str, bool)> {
    let of_emulation = all().filter(|(_, mutant)| mutant.file == "out_of_line/emulate.rs");
    of_emulation
        .map(|(number, mutant)| {
            let case = case(mutant.scope).expect(mutant.scope);
            let fails = |number| {
                in_child(|| {
                    switch_on(number);
                    case();
                }) != 0
            };
            (mutant.name, fails(number) && !fails(0))
        })
        .collect()
}
