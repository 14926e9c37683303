// SPDX-License-Identifier: GPL-2.0

//! The cases of the arguments find every defect that is built into a copy of them.

#![cfg(feature = "mutants")]

use rkprobes_host::mutated::arguments;

#[path = "arguments/cases.rs"]
mod cases;
#[path = "arguments/hit.rs"]
mod hit;
#[path = "../mutants.rs"]
mod mutants;

use mutants::{all, ARGUMENTS};
use rkprobes_host::mutants::switch_on;
use std::panic::catch_unwind;

/// The case of a scope.
fn case(scope: &str) -> fn() {
    match scope {
        "arrays" => cases::arrays,
        "faults" => cases::faults_are_zero,
        "function arguments" => cases::function_arguments,
        "limits" => cases::limits,
        "members" => cases::members,
        "memory" => cases::memory,
        "places of parameters" => cases::places_of_parameters,
        "places" => cases::places_of_strings,
        "refused" => cases::refused_arguments,
        "room" => cases::strings_without_room,
        "stack" => cases::stack,
        "strings" => cases::strings,
        "types" => cases::types,
        _ => panic!("no case {scope}"),
    }
}

/// A defect is found if its case fails with the defect and passes without it.
#[test]
fn every_defect_is_found() {
    let of_arguments = all().filter(|(_, mutant)| mutant.file.starts_with("arguments/"));
    let mut count = 0;
    for (number, mutant) in of_arguments {
        let fails = |number| {
            switch_on(number);
            let failed = catch_unwind(case(mutant.scope)).is_err();
            switch_on(0);
            failed
        };
        assert!(!fails(0), "{}: fails without it", mutant.name);
        assert!(fails(number), "{}: is not found", mutant.name);
        count += 1;
    }
    assert_eq!(count, ARGUMENTS.len());
}
