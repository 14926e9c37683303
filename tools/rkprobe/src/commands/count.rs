// SPDX-License-Identifier: GPL-2.0

//! `count`: calls of functions, or hits of any targets.

use crate::cli;
use crate::commands::{offer_removal, report};
use crate::error::{Error, Kind, Result};
use crate::files::Files;
use crate::output::Output;
use crate::owner::Probes;
use crate::probes::{sites, Site};
use crate::symbols::demangle;
use crate::wait::{Stop, Until};
use serde_json::json;
use std::collections::HashMap;

/// The sites of all probes of this process.
fn counted(files: &Files, probes: &Probes<'_>) -> Result<Vec<Site>> {
    let mut all = Vec::new();
    for name in probes.names() {
        all.extend(sites(files, name)?);
    }
    Ok(all)
}

/// What is shown: the most hits first.
fn sorted(mut sites: Vec<Site>, options: &cli::Count) -> Vec<Site> {
    sites.retain(|site| !site.is_refused() && (options.all || site.hits > 0));
    // A site that two targets name is counted by two probes.
    sites.sort_by(|one, other| (&one.target, other.hits).cmp(&(&other.target, one.hits)));
    sites.dedup_by(|one, other| one.target == other.target);
    sites.sort_by_key(|site| std::cmp::Reverse(site.hits));
    sites.truncate(options.top.unwrap_or(usize::MAX));
    sites
}

/// A target as people write it: an entry without its offset.
fn shown(site: &Site) -> String {
    let (symbol, offset) = site.place();
    let (module, name) = symbol
        .split_once(':')
        .map_or((None, symbol), |(module, name)| (Some(module), name));
    let name = demangle(name);
    let symbol = module.map_or(name.clone(), |module| format!("{module}:{name}"));
    match site.state == "ftrace" || offset == 0 {
        true => symbol,
        false => format!("{symbol}+{offset:#x}"),
    }
}

struct Counter<'a> {
    options: &'a cli::Count,
    before: HashMap<String, u64>,
    then: f64,
}

impl Counter<'_> {
    fn show(&mut self, out: &mut Output<'_>, sites: Vec<Site>, seconds: f64) -> Result<()> {
        let total: u64 = sites.iter().map(|site| site.hits).sum();
        let refused = sites.iter().filter(|site| site.is_refused()).count();
        let count = sites.len() - refused;
        let now: HashMap<String, u64> = sites
            .iter()
            .map(|site| (site.target.clone(), site.hits))
            .collect();
        let rows = sorted(sites, self.options);
        let time = (seconds - self.then).max(0.001);
        let rate = |site: &Site| {
            let before = self.before.get(&site.target).copied().unwrap_or(0);
            site.hits.saturating_sub(before) as f64 / time
        };
        if out.json {
            let row = |site: &Site| {
                json!({ "target": site.target, "address": site.address, "hits": site.hits, "rate": rate(site),
                    "missed": site.missed, "state": site.state, "reason": site.reason })
            };
            let rows: Vec<_> = rows.iter().map(row).collect();
            out.json(&json!({ "seconds": seconds, "total": total, "sites": count, "refused": refused, "rows": rows }))?;
        } else {
            if self.options.interval.is_some() {
                out.clear()?;
            }
            let cells = |site: &Site| {
                vec![
                    site.hits.to_string(),
                    format!("{:.0}", rate(site)),
                    shown(site),
                ]
            };
            let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
            out.table(&["HITS", "HITS/S", "TARGET"], &cells)?;
            let without = match refused {
                0 => String::new(),
                refused => format!(", {refused} without a probe"),
            };
            out.line(&format!(
                "{total} hits of {count} sites in {seconds:.1} s{without}"
            ))?;
        }
        out.flush()?;
        (self.before, self.then) = (now, seconds);
        Ok(())
    }
}

/// `count`
pub(super) fn count(files: &Files, out: &mut Output<'_>, options: &cli::Count) -> Result<bool> {
    files.check()?;
    offer_removal(files)?;
    let stop = Stop::on_signals()?;
    let mut probes = Probes::none(files)?;
    let definition =
        |(number, target): (usize, &String)| ('c', format!("count{number}"), target.clone());
    let definitions: Vec<_> = options.targets.iter().enumerate().map(definition).collect();
    let failures = probes.add(&definitions)?;
    report(&failures);
    if probes.names().is_empty() {
        return Err(Error::new(Kind::Refused, "no target can be counted")
            .next("rkprobe explain TARGET says why; /proc/kallsyms has the names of functions"));
    }
    let mut counter = Counter {
        options,
        before: HashMap::new(),
        then: 0.0,
    };
    let mut until = Until::begin(&stop, options.until.duration, &options.until.command)?;
    loop {
        let ended = until.wait(options.interval);
        let seconds = until.elapsed().as_secs_f64();
        let sites = counted(files, &probes)?;
        if ended {
            // The output may be slow, or closed.
            probes.remove()?;
            // The rate of the last table is that of the whole time.
            (counter.before, counter.then) = (HashMap::new(), 0.0);
            counter.show(out, sites, seconds)?;
            return Ok(failures.is_empty());
        }
        counter.show(out, sites, seconds)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(line: &str) -> Site {
        Site::parse(line).unwrap()
    }

    #[test]
    fn the_most_hits_are_first_and_a_site_is_once() {
        let options = cli::Count {
            targets: Vec::new(),
            interval: None,
            top: Some(2),
            all: false,
            until: cli::Until {
                duration: None,
                command: Vec::new(),
            },
        };
        let sites = vec![
            site("0x1 a+0x4 ftrace 5 0 x"),
            site("0x2 b+0x0 armed 9 0 x"),
            site("0x1 a+0x4 ftrace 6 0 x"),
            site("0x3 c+0x0 refused 0 0 x"),
            site("0x4 d+0x0 armed 0 0 x"),
        ];
        let shown: Vec<_> = sorted(sites, &options)
            .iter()
            .map(|site| (shown(site), site.hits))
            .collect();
        assert_eq!(shown, [("b".to_owned(), 9), ("a".to_owned(), 6)]);
        assert_eq!(super::shown(&site("0x2 m:b+0x10 armed 9 0 x")), "m:b+0x10");
    }
}
