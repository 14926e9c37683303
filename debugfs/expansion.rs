// SPDX-License-Identifier: GPL-2.0

//! From the targets of a line to addresses.

use crate::command::places::{
    Places,
    Targets, //
};
use crate::command::target::TargetSpec;
use crate::containers::sort::sort_by_key;
use crate::debugfs::failures::LineError;
use crate::eligibility::refusal::Refusal;
use crate::engine::{
    engine,
    FunctionPart, //
};
use crate::sys::functions::Pattern;
use crate::sys::target::{
    resolve,
    Unresolved, //
};
use kernel::prelude::*;

/// A site that a target stands for.
#[derive(Clone, Copy)]
pub(super) struct Expansion {
    /// The number of the target in its line, from 0.
    pub(super) target: usize,
    /// The address, or why the target has none.
    pub(super) addr: Result<usize, Refusal>,
}

/// The sites that targets stand for. An address is there once, even if several targets have it.
///
/// # Errors
///
/// The refusal of the first function or pattern, with the number of the target.
pub(super) fn expand(targets: &Targets<'_>) -> Result<KVVec<Expansion>, LineError> {
    let mut sites = KVVec::new();
    for (number, places) in targets.iter().enumerate() {
        let added = add(&mut sites, number, &places);
        added.map_err(|refusal| match targets.is_alone() {
            true => LineError::Refused(refusal),
            false => LineError::Target(number, refusal),
        })?;
    }
    if !targets.is_one() {
        let engine = engine().ok_or(Refusal::ModuleGoing)?;
        engine.to_entries(sites.iter_mut().filter_map(|site| site.addr.as_mut().ok()));
        // Sites without an address come first, and stay.
        sort_by_key(&mut sites, |site| site.addr.unwrap_or(0) as u64);
        let mut last = None;
        sites.retain(|site| {
            let is_new = site.addr.is_err() || last != site.addr.ok();
            last = site.addr.ok();
            is_new
        });
    }
    Ok(sites)
}

/// Adds the sites of one target.
fn add(sites: &mut KVVec<Expansion>, target: usize, places: &Places<'_>) -> Result<(), Refusal> {
    let mut push = |addr| {
        let pushed = sites.push(Expansion { target, addr }, GFP_KERNEL_ACCOUNT);
        pushed.map_err(|_| Refusal::NoMemory)
    };
    let (function, part) = match places {
        Places::Place(target) => return push(address(target)),
        Places::Function(function) => (function, FunctionPart::Instructions),
        Places::Blocks(function) => (function, FunctionPart::Blocks),
        Places::Matching { module, pattern } => {
            let found = Pattern::new(pattern)?.functions(*module)?;
            if found.is_empty() {
                return Err(Refusal::NoMatch);
            }
            return found.iter().try_for_each(|addr| push(Ok(*addr)));
        }
    };
    let engine = engine().ok_or(Refusal::ModuleGoing)?;
    let found = engine.places(address(function)?, part)?;
    found.iter().try_for_each(|addr| push(Ok(*addr)))
}

fn address(target: &TargetSpec<'_>) -> Result<usize, Refusal> {
    match target {
        TargetSpec::Address(0) => Err(Refusal::NotText),
        target => resolve(&Unresolved::from(target)),
    }
}
