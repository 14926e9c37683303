// SPDX-License-Identifier: GPL-2.0

//! `cover`: which basic blocks of many functions ran.

use crate::cli;
use crate::commands::offer_removal;
use crate::error::{Error, Kind, Result};
use crate::files::{Failure, Files};
use crate::glob::is_pattern;
use crate::output::Output;
use crate::owner::Probes;
use crate::probes::{sites, Site};
use crate::symbols::{demangle, Symbol, Symbols};
use crate::wait::{Stop, Until};
use serde::Serialize;
use std::collections::BTreeMap;

/// How many functions are in one line of `probes`, which has at most 4,095 bytes.
const FUNCTIONS: usize = 100;

/// The blocks of a function.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Covered {
    function: String,
    blocks: usize,
    ran: usize,
    /// Blocks that can have no probe.
    unknown: usize,
    /// The offsets of the blocks that never ran.
    never: Vec<u64>,
}

/// Joins the sites of each function.
fn covered(sites: &[Site]) -> Vec<Covered> {
    let mut functions: BTreeMap<String, Covered> = BTreeMap::new();
    for site in sites {
        let (symbol, offset) = site.place();
        let function = functions.entry(symbol.to_owned()).or_default();
        function.blocks += 1;
        match (site.is_refused(), site.hits) {
            (true, _) => function.unknown += 1,
            (false, 0) => function.never.push(offset),
            (false, _) => function.ran += 1,
        }
    }
    let named = |(name, mut function): (String, Covered)| {
        function.function = name;
        function.never.sort_unstable();
        function
    };
    functions.into_iter().map(named).collect()
}

/// What names a function: its address, because several functions may have one name.
fn target(symbol: &Symbol<'_>) -> String {
    match symbol.address {
        0 => format!("{}+blocks", symbol.target()),
        address => format!("{address:#x}+blocks"),
    }
}

/// Which target of a line was refused, from 0.
fn bad_target(failure: &Failure) -> Option<usize> {
    let number = failure.reason.strip_prefix("target ")?.split(':').next()?;
    number.parse::<usize>().ok()?.checked_sub(1)
}

/// Adds probes on the blocks. A function that is refused is left out, and the others of its line are
/// added without it. Returns how many were left out.
fn add_all(probes: &mut Probes<'_>, stop: &Stop, functions: &[(String, String)]) -> Result<usize> {
    let mut left_out = 0;
    for (number, functions) in functions.chunks(FUNCTIONS).enumerate() {
        let mut functions = functions.to_vec();
        while !functions.is_empty() && !stop.is_set() {
            let targets: Vec<&str> = functions
                .iter()
                .map(|(_, target)| target.as_str())
                .collect();
            let failures = probes.add(&[('c', format!("cover{number}"), targets.join(","))])?;
            let Some(failure) = failures.first() else {
                break;
            };
            let bad = match functions.len() {
                1 => Some(0),
                count => bad_target(failure).filter(|bad| *bad < count),
            };
            let Some(bad) = bad else {
                return Err(Error::new(Kind::Refused, failure.reason.clone()));
            };
            let (name, _) = functions.remove(bad);
            let reason = match failure.reason.strip_prefix("target ") {
                Some(rest) => rest.split_once(": ").map_or(rest, |(_, reason)| reason),
                None => &failure.reason,
            };
            eprintln!("rkprobe: {name}: {reason}");
            left_out += 1;
        }
    }
    Ok(left_out)
}

/// `cover`
pub(super) fn cover(files: &Files, out: &mut Output<'_>, options: &cli::Cover) -> Result<bool> {
    files.check()?;
    if options.until.duration.is_none() && options.until.command.is_empty() {
        return Err(Error::new(Kind::Usage, "cover needs a command or a time")
            .next("rkprobe cover 'vfs_*' -- ls -l, or -d SEC"));
    }
    offer_removal(files)?;
    let stop = Stop::on_signals()?;
    let symbols = Symbols::read(files)?;
    let mut functions: BTreeMap<String, String> = BTreeMap::new();
    for pattern in &options.functions {
        let before = functions.len();
        let found = symbols
            .matching(pattern)
            .map(|symbol| (target(&symbol), symbol.target()));
        functions.extend(found);
        if functions.len() == before {
            return Err(
                Error::new(Kind::Refused, format!("{pattern}: no function matches"))
                    .next("look in /proc/kallsyms, or load its module"),
            );
        }
    }
    drop(symbols);
    let functions: Vec<(String, String)> = functions
        .into_iter()
        .map(|(target, name)| (demangle(&name), target))
        .collect();
    let mut probes = Probes::none(files)?;
    let left_out = add_all(&mut probes, &stop, &functions)?;
    if probes.names().is_empty() {
        return Err(Error::new(Kind::Refused, "no function can be covered"));
    }
    let mut until = Until::begin(&stop, options.until.duration, &options.until.command)?;
    until.wait(None);
    let mut found = Vec::new();
    for name in probes.names() {
        found.extend(sites(files, name)?);
    }
    probes.remove()?;
    show(out, options, &covered(&found))?;
    // A pattern may match functions that can have no probe. They were named.
    let patterns = options.functions.iter().all(|name| is_pattern(name));
    Ok(left_out == 0 || patterns)
}

fn show(out: &mut Output<'_>, options: &cli::Cover, functions: &[Covered]) -> Result<()> {
    if out.json {
        return out.json(&functions);
    }
    let percent =
        |ran: usize, blocks: usize| format!("{:.1}%", 100.0 * ran as f64 / blocks.max(1) as f64);
    let mut rows = Vec::new();
    let shown = functions
        .iter()
        .filter(|function| options.all || function.ran > 0);
    for function in shown {
        let never: Vec<String> = function
            .never
            .iter()
            .take(8)
            .map(|offset| format!("+{offset:#x}"))
            .collect();
        let more = if function.never.len() > 8 { " ..." } else { "" };
        rows.push(vec![
            function.blocks.to_string(),
            function.ran.to_string(),
            percent(function.ran, function.blocks),
            function.function.clone(),
            format!("{}{more}", never.join(" ")),
        ]);
    }
    out.table(&["BLOCKS", "RAN", "SHARE", "FUNCTION", "NEVER RAN"], &rows)?;
    let sum = |of: &dyn Fn(&Covered) -> usize| functions.iter().map(of).sum::<usize>();
    let (blocks, ran) = (sum(&|one| one.blocks), sum(&|one| one.ran));
    let touched = functions.iter().filter(|function| function.ran > 0).count();
    out.line(&format!(
        "{ran} of {blocks} blocks ran, {}, in {touched} of {} functions",
        percent(ran, blocks),
        functions.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_joined_by_function() {
        let sites: Vec<Site> = [
            "0x1 a+0x4 ftrace 5 0 x",
            "0x2 m:b+0x10 armed 0 0 x",
            "0x3 m:b+0x0 armed 1 0 x",
            "0x4 m:b+0x20 refused 0 0 x",
        ]
        .iter()
        .filter_map(|line| Site::parse(line))
        .collect();
        let functions = covered(&sites);
        assert_eq!(functions.len(), 2);
        let expected = Covered {
            function: "m:b".to_owned(),
            blocks: 3,
            ran: 1,
            unknown: 1,
            never: vec![0x10],
        };
        assert_eq!(functions[1], expected);
    }

    #[test]
    fn the_module_names_the_target_that_it_refuses() {
        let failure = |reason: &str| Failure {
            number: 1,
            line: String::new(),
            reason: reason.to_owned(),
        };
        assert_eq!(bad_target(&failure("target 3: blacklisted")), Some(2));
        assert_eq!(bad_target(&failure("blacklisted")), None);
    }
}
