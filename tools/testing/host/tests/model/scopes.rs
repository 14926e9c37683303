// SPDX-License-Identifier: GPL-2.0

//! The scopes: parts of all actions that are explored.

use super::explore::{Scope, NOTHING};
use super::place::Place;

/// Two sites that overlap, with tasks that are preempted inside.
pub const OVERLAP: Scope = Scope {
    name: "overlap",
    places: &[(Place::Outer, 1), (Place::Inner, 1)],
    cpus: 2,
    entries: &[Place::Outer],
    ..NOTHING
};

/// Two probes at one address, one with a post_handler, disabled and enabled; switches.
pub const AGGREGATE: Scope = Scope {
    name: "aggregate",
    places: &[(Place::Outer, 2)],
    post_handlers: &[(Place::Outer, 1)],
    disabling: true,
    optimization: true,
    arming: true,
    flush: true,
    cpus: 1,
    entries: &[Place::Outer],
    ..NOTHING
};

/// Overlap with disabling and switches.
pub const NEIGHBOURS: Scope = Scope {
    name: "neighbours",
    places: &[(Place::Outer, 1), (Place::Middle, 1), (Place::Inner, 1)],
    batches: true,
    disabling: true,
    arming: true,
    optimization: true,
    cpus: 1,
    entries: &[Place::Outer],
    ..NOTHING
};

/// A module that is unloaded and loaded again under probes in every state, with a native kprobe on
/// one of them.
pub const MODULE: Scope = Scope {
    name: "module",
    places: &[(Place::Outer, 1), (Place::Inner, 1)],
    batches: true,
    disabling: true,
    module: true,
    natives: &[0],
    cpus: 1,
    entries: &[Place::Outer],
    ..NOTHING
};

/// Native kprobes are armed between our operations.
pub const NATIVES: Scope = Scope {
    name: "natives",
    places: &[(Place::Outer, 2), (Place::Inner, 1)],
    post_handlers: &[(Place::Outer, 1)],
    disabling: true,
    natives: &[0, 3],
    cpus: 1,
    entries: &[Place::Outer],
    ..NOTHING
};

/// A region of one instruction, which needs no grace period; an ftrace entry; no memory.
pub const OTHERS: Scope = Scope {
    name: "others",
    places: &[(Place::Single, 2), (Place::Entry, 1)],
    no_memory: true,
    post_handlers: &[(Place::Single, 1)],
    disabling: true,
    optimization: true,
    arming: true,
    natives: &[10, 15],
    cpus: 1,
    entries: &[Place::Single],
    ..NOTHING
};

/// Two probes at one address.
pub const PAIR: Scope = Scope {
    name: "pair",
    places: &[(Place::Inner, 2)],
    disabling: true,
    arming: true,
    cpus: 1,
    entries: &[Place::Outer],
    ..NOTHING
};

/// A probe that only counts and a probe with a handler at one address.
pub const COUNTING: Scope = Scope {
    name: "counting",
    places: &[(Place::Inner, 2)],
    counting: &[(Place::Inner, 0)],
    disabling: true,
    optimization: true,
    arming: true,
    natives: &[3],
    cpus: 1,
    entries: &[Place::Outer],
    ..NOTHING
};

/// All scopes above. Each has an end.
pub const TO_THE_END: &[Scope] = &[
    OVERLAP, PAIR, COUNTING, AGGREGATE, NEIGHBOURS, MODULE, NATIVES, OTHERS,
];

/// All actions at three places, two of which overlap, up to a number of actions.
pub const THREE_SITES: Scope = Scope {
    name: "three sites",
    places: &[(Place::Outer, 2), (Place::Inner, 2), (Place::Single, 2)],
    natives: &[0],
    cpus: 1,
    depth: 7,
    ..EVERYTHING
};

/// All actions at all places, up to a number of actions.
pub const EVERYTHING: Scope = Scope {
    name: "everything",
    places: &[
        (Place::Outer, 2),
        (Place::Middle, 2),
        (Place::Inner, 2),
        (Place::Single, 2),
        (Place::Entry, 2),
    ],
    batches: true,
    post_handlers: &[(Place::Outer, 1), (Place::Single, 1)],
    counting: &[(Place::Inner, 0), (Place::Single, 0)],
    disabling: true,
    optimization: true,
    arming: true,
    module: true,
    no_memory: false,
    natives: &[0, 3, 10, 15],
    flush: true,
    cpus: 2,
    entries: &[Place::Outer, Place::Single],
    depth: 5,
    mutant: 0,
};
