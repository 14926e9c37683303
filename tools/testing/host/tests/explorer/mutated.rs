// SPDX-License-Identifier: GPL-2.0

//! The model for the copy of the optimizer with defects.

pub use rkprobes_host::mutated::optimizer;

#[path = "../model/mod.rs"]
pub mod model;

#[path = "../../mutants.rs"]
mod mutants;

use model::explore::{explore, Explored, Scope};
use model::scopes;
use mutants::{Mutant, MUTANTS};

/// The number of defects.
#[cfg(feature = "slow")]
pub const COUNT: usize = MUTANTS.len();

/// Looks for each defect in its scope, and prints the shortest trace to it. Returns the names of
/// the defects that are not found.
pub fn missed() -> Vec<&'static str> {
    let mut missed = Vec::new();
    for (number, mutant) in (1..).zip(MUTANTS) {
        let explored = find(number, mutant);
        println!(
            "{} (scope {}, {} states)",
            mutant.name, mutant.scope, explored.states
        );
        match explored.fault {
            Some(_) => print!("{}", explored.trace()),
            None => missed.push(mutant.name),
        }
    }
    missed
}

fn find(number: usize, mutant: &Mutant) -> Explored {
    let scope = scopes::TO_THE_END
        .iter()
        .find(|scope| scope.name == mutant.scope);
    let scope = Scope {
        mutant: number,
        ..*scope.expect(mutant.scope)
    };
    // With one thread the first trace is a shortest trace.
    explore(scope, 1)
}
