// SPDX-License-Identifier: GPL-2.0

//! Running scenarios in the model checker, with a defect of `mutants.rs` or without.

use crate::{cpu, memory};
use core::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Once;

std::thread_local! {
    static ON: Cell<usize> = const { Cell::new(0) };
    static EXECUTIONS: Cell<usize> = const { Cell::new(0) };
    static SEEN: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

/// What several threads do at once.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: fn(),
    /// What some execution must show, because a scenario in which it never happens would show nothing.
    pub(crate) shows: &'static [&'static str],
}

/// Whether a defect is on.
pub(crate) fn is_on(number: usize) -> bool {
    ON.get() == number
}

/// Notes that something happened that the scenario is for.
pub(crate) fn saw(what: &'static str) {
    SEEN.with_borrow_mut(|seen| seen.insert(what));
}

/// Tries all executions of a scenario. Returns their number, or how one failed.
pub(crate) fn explore(scenario: Scenario, mutant: usize) -> Result<usize, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |failure| {
            if ON.get() == 0 {
                print(failure);
            }
        }));
    });
    // A thread of its own, because a failed execution leaves its state in the thread.
    let explorer = std::thread::spawn(move || {
        ON.set(mutant);
        // The bounds of the environment do not count: all executions are tried.
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = None;
        builder.max_branches = 10_000;
        builder.check(move || {
            memory::begin();
            cpu::boot();
            EXECUTIONS.set(EXECUTIONS.get() + 1);
            (scenario.run)();
        });
        let seen = SEEN.take();
        for what in scenario.shows {
            assert!(seen.contains(what), "no execution shows: {what}");
        }
        EXECUTIONS.get()
    });
    explorer.join().map_err(|failure| {
        let text = failure.downcast_ref::<String>().cloned();
        let text = text.or(failure.downcast_ref::<&str>().map(ToString::to_string));
        text.unwrap_or_default()
    })
}
