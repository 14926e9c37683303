// SPDX-License-Identifier: GPL-2.0

//! `list`, `stats`

use crate::cli::List;
use crate::error::{Kind, Result};
use crate::files::Files;
use crate::output::Output;
use crate::probes::{self, Probe, Site};
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    probe: Probe,
    hits: u64,
    missed: u64,
    /// How many sites are in each state.
    states: Vec<(String, usize)>,
    /// What the probe waits for, or why it has no site: its state, and the reason.
    without_sites: Option<(String, String)>,
    sites: Vec<Site>,
}

impl Row {
    fn new(probe: Probe, sites: Vec<Site>, without_sites: Option<(String, String)>) -> Self {
        let mut states: Vec<(String, usize)> = Vec::new();
        for site in &sites {
            match states.iter_mut().find(|(state, _)| *state == site.state) {
                Some((_, count)) => *count += 1,
                None => states.push((site.state.clone(), 1)),
            }
        }
        Self {
            probe,
            hits: sites.iter().map(|site| site.hits).sum(),
            missed: sites.iter().map(|site| site.missed).sum(),
            states,
            without_sites,
            sites,
        }
    }

    fn state(&self) -> String {
        if let Some((state, _)) = &self.without_sites {
            return state.clone();
        }
        match self.states.as_slice() {
            [(state, 1)] => state.clone(),
            states => {
                let word = |(state, count): &(String, usize)| format!("{count} {state}");
                states.iter().map(word).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// The reason that all sites have.
    fn reason(&self) -> &str {
        if let Some((_, reason)) = &self.without_sites {
            return reason;
        }
        let mut reasons = self.sites.iter().map(|site| site.reason.as_str());
        let first = reasons.next().unwrap_or("-");
        match reasons.all(|reason| reason == first) {
            true => first,
            false => "several: list --sites",
        }
    }
}

/// `list`
pub(super) fn list(files: &Files, out: &mut Output<'_>, list: &List) -> Result<bool> {
    let mut rows = Vec::new();
    for probe in probes::named(files, &list.names)? {
        let row = probes::sites(files, &probe.name).and_then(|sites| {
            let without_sites = without_sites(files, &probe, &sites)?;
            Ok(Row::new(probe, sites, without_sites))
        });
        match row {
            Ok(row) => rows.push(row),
            // It was removed meanwhile.
            Err(error) if error.kind == Kind::Refused => {}
            Err(error) => return Err(error),
        }
    }
    if out.json {
        out.json(&rows)?;
    } else if list.sites {
        show_sites(out, &rows)?;
    } else {
        show_probes(out, &rows)?;
    }
    Ok(true)
}

/// What a probe says of itself that has no site in any text: it waits for a module, or is refused in
/// the module that is loaded.
fn without_sites(files: &Files, probe: &Probe, sites: &[Site]) -> Result<Option<(String, String)>> {
    if sites.iter().any(|site| site.state != "gone") {
        return Ok(None);
    }
    let word = |name| -> Result<String> {
        let text = files.read_probe(&probe.name, name)?;
        Ok(text.lines().collect::<Vec<_>>().join(", "))
    };
    Ok(Some((word("state")?, word("reason")?)))
}

fn show_probes(out: &mut Output<'_>, rows: &[Row]) -> Result<()> {
    let cells = |row: &Row| {
        vec![
            row.hits.to_string(),
            row.missed.to_string(),
            row.probe.name.clone(),
            row.state(),
            row.probe.target.clone(),
            row.reason().to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    out.table(
        &["HITS", "MISSED", "NAME", "STATE", "TARGET", "REASON"],
        &rows,
    )
}

fn show_sites(out: &mut Output<'_>, rows: &[Row]) -> Result<()> {
    let mut cells = Vec::new();
    for row in rows {
        for site in &row.sites {
            cells.push(vec![
                site.hits.to_string(),
                site.missed.to_string(),
                row.probe.name.clone(),
                site.state.clone(),
                site.target.clone(),
                site.reason.clone(),
            ]);
        }
    }
    out.table(
        &["HITS", "MISSED", "NAME", "STATE", "TARGET", "REASON"],
        &cells,
    )
}

/// `stats`
pub(super) fn stats(files: &Files, out: &mut Output<'_>) -> Result<bool> {
    let text = files.read("stats")?;
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    if out.json {
        let value = |text: &str| match text.parse::<u64>() {
            Ok(number) => Value::from(number),
            Err(_) => Value::from(text),
        };
        let values: Map<String, Value> = pairs
            .map(|(key, text)| (key.to_owned(), value(text)))
            .collect();
        out.json(&values)?;
    } else {
        let rows: Vec<Vec<String>> = pairs
            .map(|(key, text)| vec![text.to_owned(), key.to_owned()])
            .collect();
        out.table(&["VALUE", "COUNTER"], &rows)?;
    }
    Ok(true)
}
