// SPDX-License-Identifier: GPL-2.0

//! From the targets of a line to addresses.

use crate::command::places::{
    Places,
    Targets, //
};
use crate::command::target::{
    module_bytes,
    TargetSpec, //
};
use crate::containers::sort::sort_by_key;
use crate::debugfs::failures::LineError;
use crate::eligibility::refusal::Refusal;
use crate::engine::{
    engine,
    FunctionPart, //
};
use crate::sys::functions::Pattern;
use crate::sys::symbols::has_module;
use crate::sys::target::{
    module_string,
    resolve,
    Unresolved, //
};
use crate::sys::task::is_dying;
use kernel::prelude::*;
use kernel::str::CString;

/// A site that a target stands for.
#[derive(Clone, Copy)]
pub(super) struct Expansion {
    /// The number of the target in its line, from 0.
    pub(super) target: usize,
    /// The number of the target's module in [`Expanded::modules`].
    pub(super) slot: usize,
    /// The target names this place alone.
    is_place: bool,
    pub(super) addr: usize,
}

/// A line with more sites than this drops its duplicate sites before it reads the next target.
const SORT_FROM: usize = 4096;

/// What targets stand for.
pub(super) struct Expanded {
    pub(super) sites: KVVec<Expansion>,
    /// The modules that the targets name, and `None` if some name none.
    pub(super) modules: KVec<Option<CString>>,
    /// The first module that is not loaded.
    pub(super) waits_for: Option<usize>,
    /// The targets whose modules are not loaded stand for entries of functions.
    pub(super) waits_at_entries: bool,
}

/// The sites that targets stand for. An address is there once, even if several targets have it. A target
/// in a module that is not loaded has no sites yet.
///
/// # Errors
///
/// The refusal of the first target that is refused, with its number.
pub(super) fn expand(targets: &Targets<'_>) -> Result<Expanded, LineError> {
    let mut expanded = Expanded {
        sites: KVVec::new(),
        modules: KVec::new(),
        waits_for: None,
        waits_at_entries: true,
    };
    let mut sorted = SORT_FROM;
    for (number, places) in targets.iter().enumerate() {
        let added = expanded.add(number, &places);
        added.map_err(|refusal| match targets.is_alone() {
            true => LineError::Refused(refusal),
            false => LineError::Target(number, refusal),
        })?;
        // A line has room for thousands of patterns, each with all functions of the kernel.
        if expanded.sites.len() > sorted.saturating_mul(2) {
            sort_out(&mut expanded.sites)?;
            sorted = expanded.sites.len().max(SORT_FROM);
        }
        if is_dying() {
            return Err(Refusal::Interrupted.into());
        }
    }
    if !targets.is_one() {
        sort_out(&mut expanded.sites)?;
    }
    Ok(expanded)
}

/// The sites of the targets that name a module, which is loaded. Calls `refused` for each such target
/// that has none.
///
/// # Errors
///
/// `NoMemory`, `ModuleGoing`.
pub(super) fn expand_in(
    targets: &Targets<'_>,
    module: &CStr,
    slot: usize,
    mut refused: impl FnMut(usize, Refusal),
) -> Result<KVVec<Expansion>, Refusal> {
    let mut sites = KVVec::new();
    for (target, places) in targets.iter().enumerate() {
        if !names(&places, module) {
            continue;
        }
        let is_place = matches!(places, Places::Place(_));
        let found = find(&places, &mut |addr| {
            let site = Expansion {
                target,
                slot,
                is_place,
                addr,
            };
            push(&mut sites, site)
        });
        if let Err(refusal) = found {
            refused(target, refusal);
        }
    }
    if !targets.is_one() {
        sort_out(&mut sites)?;
    }
    Ok(sites)
}

/// Whether a target names the module.
pub(super) fn names(places: &Places<'_>, module: &CStr) -> bool {
    let name = places.module().map(module_bytes);
    name.is_some_and(|name| name.eq(module.to_bytes().iter().copied()))
}

impl Expanded {
    /// Adds the sites of one target.
    fn add(&mut self, target: usize, places: &Places<'_>) -> Result<(), Refusal> {
        let slot = self.slot(places)?;
        let is_place = matches!(places, Places::Place(_));
        for again in [false, true] {
            let found = find(places, &mut |addr| {
                let site = Expansion {
                    target,
                    slot,
                    is_place,
                    addr,
                };
                push(&mut self.sites, site)
            });
            match found {
                // The module may have been loaded after the symbol was searched.
                Err(Refusal::UnknownSymbol | Refusal::NoMatch) if !again => {}
                found => return found,
            }
            if self.is_missing(slot) {
                self.waits_for.get_or_insert(slot);
                self.waits_at_entries &= places.is_entry();
                return Ok(());
            }
        }
        Ok(())
    }

    /// The number of a target's module.
    fn slot(&mut self, places: &Places<'_>) -> Result<usize, Refusal> {
        let known = self.modules.iter().position(|module| match module {
            Some(module) => names(places, module),
            None => places.module().is_none(),
        });
        if let Some(known) = known {
            return Ok(known);
        }
        let module = places.module().map(module_string).transpose()?;
        let pushed = self.modules.push(module, GFP_KERNEL_ACCOUNT);
        pushed.map_err(|_| Refusal::NoMemory)?;
        Ok(self.modules.len().saturating_sub(1))
    }

    /// Whether the module is not loaded, and may be loaded later.
    fn is_missing(&self, slot: usize) -> bool {
        let module = self.modules.get(slot).and_then(|module| module.as_ref());
        // In the names of symbols this is the kernel itself.
        module.is_some_and(|module| module.to_bytes() != b"vmlinux" && !has_module(module))
    }
}

/// Sorts sites by address, and leaves each once: for the target that names it alone, if there is one,
/// because such a target must not be refused.
fn sort_out(sites: &mut KVVec<Expansion>) -> Result<(), Refusal> {
    let engine = engine().ok_or(Refusal::ModuleGoing)?;
    engine.to_entries(sites.iter_mut().map(|site| &mut site.addr));
    sort_by_key(sites, |site| site.addr as u64);
    let mut kept = 0_usize;
    for at in 0..sites.len() {
        let Some(site) = sites.get(at).copied() else {
            break;
        };
        let last = kept.checked_sub(1).and_then(|last| sites.get_mut(last));
        match last.filter(|last| last.addr == site.addr) {
            Some(last) if (!site.is_place, site.target) < (!last.is_place, last.target) => {
                *last = site;
            }
            Some(_) => {}
            None => {
                if let Some(to) = sites.get_mut(kept) {
                    *to = site;
                }
                kept = kept.saturating_add(1);
            }
        }
    }
    sites.truncate(kept);
    Ok(())
}

fn push(sites: &mut KVVec<Expansion>, site: Expansion) -> Result<(), Refusal> {
    let pushed = sites.push(site, GFP_KERNEL_ACCOUNT);
    pushed.map_err(|_| Refusal::NoMemory)
}

/// Calls `push` for each site of one target.
fn find(
    places: &Places<'_>,
    push: &mut dyn FnMut(usize) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let (function, part) = match places {
        Places::Place(target) => return push(address(target)?),
        Places::Function(function) => (function, FunctionPart::Instructions),
        Places::Blocks(function) => (function, FunctionPart::Blocks),
        Places::Matching { module, pattern } => {
            let found = Pattern::new(pattern)?.functions(*module)?;
            if found.is_empty() {
                return Err(Refusal::NoMatch);
            }
            return found.iter().try_for_each(|addr| push(*addr));
        }
    };
    let engine = engine().ok_or(Refusal::ModuleGoing)?;
    let found = engine.places(address(function)?, part)?;
    found.iter().try_for_each(|addr| push(*addr))
}

fn address(target: &TargetSpec<'_>) -> Result<usize, Refusal> {
    match target {
        TargetSpec::Address(0) => Err(Refusal::NotText),
        target => resolve(&Unresolved::from(target)),
    }
}
