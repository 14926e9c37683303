// SPDX-License-Identifier: GPL-2.0

//! Invariants of every state, written without the decisions of the optimizer.

use super::optimizer::{Handlers, JumpTo, Site, SiteId, SiteLane, State};
use super::place::{original, Place, BASE, MODULE_END};
use super::world::{Handler, Mem, Module, Soon, World, ATTACHED, INT3, JMP};
use super::System;

/// The fault of a system, if it has one.
pub fn fault(system: &System) -> Option<&'static str> {
    system
        .world
        .fault
        .or_else(|| text(system))
        .or_else(|| lists(system))
        .or_else(|| handlers(system))
        .or_else(|| sites(system))
        .or_else(|| unserved(system))
        .or_else(|| work(system))
        .or_else(|| end(system))
}

fn unless(holds: bool, fault: &'static str) -> Option<&'static str> {
    (!holds).then_some(fault)
}

/// Whether the site is gone while our bytes stay under the bytes of others.
fn is_left(site: &Site<Mem>) -> bool {
    site.state() == State::Gone && site.foreign().is_some()
}

/// The text agrees with the states, below the bytes that others wrote over it.
fn text(system: &System) -> Option<&'static str> {
    let mut text: Vec<u8> = (0..system.world.text.len()).map(original).collect();
    for (_, site) in system.optimizer.sites().filter(|(_, site)| site.linked()) {
        let at = site.addr - BASE;
        match (site.state(), site.lane) {
            (State::Optimized | State::Unoptimizing, _) => {
                let to = site.jump_to().unwrap_or(JumpTo::Detour);
                text[at..at + 5].copy_from_slice(&World::jump(site.payload, to));
            }
            (State::Armed | State::Optimizing { .. }, SiteLane::Text) => text[at] = 0xcc,
            (State::Armed | State::Optimizing { .. }, SiteLane::Ftrace) => text[at] = 0xe8,
            (State::Disarmed | State::Freeing { .. } | State::Gone, _) => {}
        }
    }
    let from = match system.world.module {
        Module::Loaded | Module::Leaving => 0,
        Module::Going => {
            for (_, site) in system.optimizer.sites().filter(|(_, site)| is_left(site)) {
                let at = site.addr - BASE;
                let region = at..at + site.region().max(1);
                text[region.clone()].copy_from_slice(&system.world.text[region]);
            }
            0
        }
        Module::Freed => MODULE_END,
    };
    if let Some(native) = system.world.native {
        text[native.at] = system.world.text[native.at];
    }
    unless(
        text[from..] == system.world.text[from..],
        "the text does not agree with the states",
    )
}

/// A site is on the list of its state and on no other. The index holds the linked sites, sorted.
fn lists(system: &System) -> Option<&'static str> {
    let optimizer = &system.optimizer;
    let listed = |state: State| -> Vec<SiteId> {
        let mut ids = optimizer.list(state).unwrap_or(&[]).to_vec();
        ids.sort();
        ids
    };
    let in_state = |wanted: fn(State) -> bool| -> Vec<SiteId> {
        let of_state = |(_, site): &(SiteId, &Site<Mem>)| wanted(site.state());
        optimizer
            .sites()
            .filter(of_state)
            .map(|(id, _)| id)
            .collect()
    };
    let right = listed(State::Optimizing { waited: 0 })
        == in_state(|state| matches!(state, State::Optimizing { .. }))
        && listed(State::Unoptimizing) == in_state(|state| state == State::Unoptimizing)
        && listed(State::Freeing { waited: 0 })
            == in_state(|state| matches!(state, State::Freeing { .. }));
    let index = optimizer.range(0, usize::MAX);
    let addr = |id: &SiteId| -> Option<usize> {
        let site = optimizer.site(*id).filter(|site| site.linked())?;
        Some(site.addr)
    };
    let linked = |id: &SiteId| addr(id).is_some();
    let sorted = index.windows(2).all(|pair| addr(&pair[0]) < addr(&pair[1]));
    let whole = index.len() == optimizer.sites().filter(|(_, site)| site.linked()).count();
    unless(right, "a site is not on the list of its state").or_else(|| {
        unless(
            index.iter().all(linked) && sorted && whole,
            "the index is wrong",
        )
    })
}

/// A handler can be called only if its user and all switches allow it.
fn handlers(system: &System) -> Option<&'static str> {
    for place in Place::ALL {
        for number in 0..2 {
            let Some(Handler { mem, enabled }) = system.world.handlers[place as usize][number]
            else {
                continue;
            };
            let Some(memory) = system.memory_of(mem) else {
                return Some("memory is freed while a probe is on it");
            };
            let wanted = system.users[place as usize][number].is_some_and(|user| user.enabled)
                && system.optimizer.all_armed();
            if memory.live && enabled && !wanted {
                return Some("rule 11: a disabled probe's handler is called");
            }
        }
    }
    None
}

/// The wishes of the users of a site.
struct Wish {
    used: bool,
    armed: bool,
    jump: bool,
}

fn wish(system: &System, id: SiteId, site: &Site<Mem>) -> Wish {
    let users = || {
        let all = system.users.iter().flatten().flatten();
        all.filter(|user| system.site_of(user) == Some(id))
    };
    let armed = system.optimizer.all_armed()
        && site.state() != State::Gone
        && users().any(|user| user.enabled);
    Wish {
        used: users().next().is_some(),
        armed,
        jump: armed
            && site.region() > 0
            && system.optimizer.optimization()
            && !users().any(|user| user.handlers == Handlers::Post),
    }
}

/// Whether the text has, or should have, a probe inside the region.
fn blocked(system: &System, site: &Site<Mem>) -> bool {
    let inside = site.addr + 1..site.addr + site.region().max(1);
    system.optimizer.sites().any(|(id, other)| {
        other.linked()
            && inside.contains(&other.addr)
            && (other.state().in_text() || wish(system, id, other).armed)
    })
}

/// Every site has its wanted form, or is on the list that leads there, or is blocked by others.
fn sites(system: &System) -> Option<&'static str> {
    system.optimizer.sites().find_map(|(id, site)| {
        let wish = wish(system, id, site);
        let refused = site.foreign().is_some();
        let blocked = blocked(system, site);
        let has = |wanted: fn(Handlers) -> bool| {
            let users = system.users.iter().flatten().flatten();
            users
                .filter(|user| system.site_of(user) == Some(id))
                .any(|user| wanted(user.handlers))
        };
        let must_call = has(|handlers| handlers == Handlers::Post)
            || system.world.counts_inline(site.addr - BASE)
                && has(|handlers| handlers != Handlers::None);
        let fault = match site.state() {
            State::Freeing { .. } => unless(!wish.used, "rule 9: a used site is on freeing_list"),
            State::Gone => {
                let kept = wish.used || is_left(site);
                unless(kept, "a site that is gone and unused leaks")
            }
            State::Disarmed => unless(wish.used, "an unused site leaks")
                .or_else(|| unless(!wish.armed || refused, "an enabled probe is not armed")),
            State::Armed => unless(wish.armed || refused, "rule 10: an unwanted int3 stays")
                .or_else(|| {
                    unless(
                        !wish.jump || blocked || refused,
                        "rule 7: a site that may be a jump is not queued",
                    )
                }),
            State::Optimizing { .. } => unless(
                wish.jump && !blocked,
                "rule 1: an unwanted site is optimized",
            ),
            State::Optimized => unless(
                wish.jump && !blocked && !must_call,
                "rules 7, 8, 12, 14: an unwanted jump stays",
            ),
            State::Unoptimizing => {
                let wanted = wish.jump && !blocked && !must_call;
                unless(!wanted, "rule 2: a wanted jump is taken out").or_else(|| {
                    let must_go = blocked || (wish.armed && must_call);
                    unless(!must_go || refused, "rule 3: a forced site stays a jump")
                })
            }
        };
        let dead = wish.armed && site.state().in_text() && {
            let memory = system.memory_of(site.payload);
            !memory.is_some_and(|memory| memory.live)
        };
        fault.or_else(|| unless(!dead, "an enabled probe's handler is not called"))
    })
}

/// The text leads to the handler of each probe that is said to be served, if its user and all
/// switches allow it.
fn unserved(system: &System) -> Option<&'static str> {
    let text = system.world.without_native();
    let reached = |place: Place, handlers: Handlers| match text[place.offset()] {
        JMP if system.world.counts_inline(place.offset()) => handlers == Handlers::None,
        JMP => handlers != Handlers::Post,
        byte => byte == INT3 || byte == ATTACHED,
    };
    let silent = |place: &Place| {
        let mut users = system.users[*place as usize].iter().flatten();
        users.any(|user| {
            let site = system.site_of(user);
            let site = site.and_then(|id| system.optimizer.site(id));
            user.enabled
                && site.is_some_and(|site| site.linked())
                && system.optimizer.unserved(user.probe).is_none()
                && !reached(*place, user.handlers)
        })
    };
    let any = system.optimizer.all_armed() && Place::ALL.iter().any(silent);
    unless(
        !any,
        "rules 8, 14: hits do not reach a probe that is said to be served",
    )
}

/// Work that remains will be done.
fn work(system: &System) -> Option<&'static str> {
    let lists = [
        State::Optimizing { waited: 0 },
        State::Unoptimizing,
        State::Freeing { waited: 0 },
    ];
    let fresh = lists
        .iter()
        .flat_map(|list| system.optimizer.list(*list).unwrap_or(&[]))
        .filter_map(|id| system.optimizer.site(*id))
        .any(|site| site.foreign().is_none());
    let soon = match (fresh, system.optimizer.foreign()) {
        (true, _) => Some(Soon::Normal),
        (false, 1..) => Some(Soon::Retry),
        (false, 0) => None,
    };
    let coming = system.pass.is_some()
        || soon.is_none_or(|soon| system.world.kick.is_some_and(|kick| kick <= soon));
    let counted = system
        .optimizer
        .sites()
        .filter(|(_, site)| site.foreign().is_some())
        .count();
    unless(
        coming,
        "rule 5: work remains and the delayed work is not kicked",
    )
    .or_else(|| {
        unless(
            counted == system.optimizer.foreign() as usize,
            "the count of sites with foreign bytes is wrong",
        )
    })
}

/// If nothing else happens, the system comes to rest: no work, no foreign site, no unused memory,
/// each jump in place.
fn end(system: &System) -> Option<&'static str> {
    let mut end = system.clone();
    end.settle();
    if let Some(fault) = end.world.fault {
        return Some(fault);
    }
    let quiet = !end.optimizer.pending()
        && end.optimizer.foreign() == 0
        && end.world.kick.is_none()
        && end.flush.is_none();
    let right = text(&end)
        .or_else(|| handlers(&end))
        .or_else(|| sites(&end));
    let memory = end.world.memory.iter().flatten().count();
    unless(quiet, "the optimizer does not come to rest")
        .or(right)
        .or_else(|| unless(memory == end.optimizer.sites().count(), "memory leaks"))
}
