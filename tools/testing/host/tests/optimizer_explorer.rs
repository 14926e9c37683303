// SPDX-License-Identifier: GPL-2.0

//! Explores the optimizer over a modelled machine. Every invariant holds in every state, and each
//! defect that is built into a copy of the optimizer is found.

// The model is compiled twice: for the optimizer of the module, and for the copy with defects.
#![allow(clippy::duplicate_mod)]

#[path = "explorer/mutated.rs"]
#[cfg(feature = "mutants")]
mod mutated;

#[path = "explorer/real.rs"]
mod real;

use real::model::explore::{explore, wander, Scope};
use real::model::scopes;

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get())
}

/// Explores a scope. Returns its number of states and its depth.
fn explored(scope: &Scope, threads: usize) -> (usize, usize) {
    let explored = explore(*scope, threads);
    assert!(
        explored.fault.is_none(),
        "{}\n{}",
        scope.name,
        explored.trace()
    );
    println!(
        "scope {}: states={} depth={}",
        scope.name, explored.states, explored.depth
    );
    (explored.states, explored.depth)
}

#[test]
fn every_scope_holds_to_its_end() {
    for scope in scopes::TO_THE_END {
        explored(scope, processors());
    }
}

#[test]
#[cfg(not(feature = "slow"))]
fn everything_holds_up_to_a_small_depth() {
    let small = Scope {
        depth: 3,
        ..scopes::EVERYTHING
    };
    explored(&small, 1);
}

#[test]
fn everything_holds_on_long_random_ways() {
    let (ways, steps) = match cfg!(feature = "slow") {
        true => (400, 5_000),
        false => (40, 1_000),
    };
    for seed in 1..=ways {
        let explored = wander(&scopes::EVERYTHING, seed, steps);
        assert!(
            explored.fault.is_none(),
            "seed {seed}:\n{}",
            explored.trace()
        );
    }
}

#[test]
#[cfg(feature = "mutants")]
fn every_defect_is_found() {
    assert_eq!(mutated::missed(), [""; 0]);
}

#[test]
#[cfg(all(feature = "slow", feature = "mutants"))]
fn everything_holds_up_to_a_depth() {
    let (everything, _) = explored(&scopes::EVERYTHING, 1);
    let (states, depth) = explored(&scopes::THREE_SITES, 1);
    let found = mutated::COUNT - mutated::missed().len();
    println!(
        "explorer states={states} sites={} depth={depth} mutants={} found={found}",
        scopes::THREE_SITES.places.len(),
        mutated::COUNT
    );
    assert!(everything > 1_000_000 && states > 1_000_000);
}
