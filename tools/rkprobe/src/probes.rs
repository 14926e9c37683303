// SPDX-License-Identifier: GPL-2.0

//! What the module says of its probes.

use crate::error::{Error, Kind, Result};
use crate::files::Files;
use crate::glob::{is_pattern, matches};
use serde::Serialize;

/// A line of `probes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// Its name.
    pub name: String,
    /// `c` if it only counts, `p` if it has an event.
    pub kind: char,
    /// Its targets, as they were written.
    pub target: String,
    /// The most hits a second for each site; 0 is no limit.
    pub limit: u64,
    /// Whether its line says that it is enabled.
    pub enabled: bool,
    /// The arguments of its event.
    pub arguments: Vec<String>,
}

impl Probe {
    /// Reads a line of `probes`.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (kind, name) = words.next()?.split_once(':')?;
        let mut probe = Self {
            name: name.to_owned(),
            kind: kind.chars().next()?,
            target: words.next()?.to_owned(),
            limit: 0,
            enabled: true,
            arguments: Vec::new(),
        };
        for word in words {
            if let Some(limit) = word.strip_prefix("limit=") {
                probe.limit = limit.parse().ok()?;
            } else if word == "enable=0" {
                probe.enabled = false;
            } else {
                probe.arguments.push(word.to_owned());
            }
        }
        Some(probe)
    }
}

/// All probes that were made by name.
///
/// # Errors
///
/// `Missing`.
pub fn all(files: &Files) -> Result<Vec<Probe>> {
    let text = files.read("probes")?;
    Ok(text.lines().filter_map(Probe::parse).collect())
}

/// The probes whose names are given, or match. All probes if there are no names.
///
/// # Errors
///
/// `Refused`: a name or a pattern stands for nothing; `Missing`.
pub fn named(files: &Files, names: &[String]) -> Result<Vec<Probe>> {
    let probes = all(files)?;
    if names.is_empty() {
        return Ok(probes);
    }
    for name in names {
        if !probes.iter().any(|probe| matches(name, &probe.name)) {
            let what = match is_pattern(name) {
                true => "no probe matches",
                false => "no probe",
            };
            return Err(Error::new(Kind::Refused, format!("{what} {name}"))
                .next("rkprobe list shows the names"));
        }
    }
    let wanted = |probe: &Probe| names.iter().any(|name| matches(name, &probe.name));
    Ok(probes.into_iter().filter(wanted).collect())
}

/// A line of `sites`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Site {
    /// 0 if the kernel hides addresses.
    pub address: u64,
    /// `[MODULE:]SYMBOL+OFFSET`.
    pub target: String,
    /// One word.
    pub state: String,
    /// Hits while it was enabled.
    pub hits: u64,
    /// Hits that called no handler.
    pub missed: u64,
    /// Why it is not a jump, or `-`.
    pub reason: String,
}

impl Site {
    /// Reads a line of `sites`.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(6, ' ');
        let address = words.next()?.strip_prefix("0x")?;
        Some(Self {
            address: u64::from_str_radix(address, 16).ok()?,
            target: words.next()?.to_owned(),
            state: words.next()?.to_owned(),
            hits: words.next()?.parse().ok()?,
            missed: words.next()?.parse().ok()?,
            reason: words.next()?.to_owned(),
        })
    }

    /// Whether the place has no probe.
    pub fn is_refused(&self) -> bool {
        self.state == "refused"
    }

    /// The target without its offset, and the offset.
    pub fn place(&self) -> (&str, u64) {
        let parts = self.target.rsplit_once("+0x");
        let read = |(symbol, offset)| Some((symbol, u64::from_str_radix(offset, 16).ok()?));
        parts.and_then(read).unwrap_or((&self.target, 0))
    }
}

/// The sites of a probe.
///
/// # Errors
///
/// `Refused`: there is no such probe; `Missing`.
pub fn sites(files: &Files, probe: &str) -> Result<Vec<Site>> {
    let text = files.read_probe(probe, "sites")?;
    Ok(text.lines().filter_map(Site::parse).collect())
}

/// The sites of all probes, with the names of the probes.
///
/// # Errors
///
/// `Missing`.
pub fn profile(files: &Files) -> Result<Vec<(String, Site)>> {
    let text = files.read("profile")?;
    let row = |line: &str| {
        let (name, site) = line.split_once(' ')?;
        Some((name.to_owned(), Site::parse(site)?))
    };
    Ok(text.lines().filter_map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_probes_are_read() {
        let probe = Probe::parse("p:read vfs_read limit=10 enable=0 file=%di n=%dx:u64").unwrap();
        assert_eq!((probe.kind, probe.name.as_str()), ('p', "read"));
        assert_eq!(probe.target, "vfs_read");
        assert_eq!((probe.limit, probe.enabled), (10, false));
        assert_eq!(probe.arguments, ["file=%di", "n=%dx:u64"]);
        assert_eq!(Probe::parse("nonsense"), None);
        assert_eq!(Probe::parse(""), None);
    }

    #[test]
    fn lines_of_sites_are_read() {
        let line =
            "0xffffffff905cc794 ext4:ext4_a.isra.0+0x4 ftrace 1113 2 the function tracer calls it";
        let site = Site::parse(line).unwrap();
        assert_eq!(site.address, 0xffff_ffff_905c_c794);
        assert_eq!(site.place(), ("ext4:ext4_a.isra.0", 4));
        assert_eq!((site.hits, site.missed), (1113, 2));
        assert_eq!(site.reason, "the function tracer calls it");
        assert_eq!(Site::parse("0x1 x armed 1"), None);
    }
}
