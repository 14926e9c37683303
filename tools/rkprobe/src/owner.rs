// SPDX-License-Identifier: GPL-2.0

//! Which process made a probe, so that no probe outlives its process unnoticed.
//!
//! The names of the probes of `count`, `heat` and other commands begin with the process and its
//! start time: `rkprobe.PID.START.NAME`. They are removed when the command ends. A process that was
//! killed leaves them, and the next command finds them.

use crate::error::{Error, Kind, Result};
use crate::files::{Failure, Files};
use crate::probes;
use std::fmt;
use std::fs;

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    pid: u32,
    start: u64,
}

impl Owner {
    /// This process.
    ///
    /// # Errors
    ///
    /// `Missing`: procfs is not mounted.
    pub fn this(files: &Files) -> Result<Self> {
        let pid = std::process::id();
        let start = start_of(files, pid).ok_or_else(|| {
            Error::new(Kind::Missing, "/proc has no start time of this process")
                .next("mount -t proc proc /proc")
        })?;
        Ok(Self { pid, start })
    }

    /// The process that made a probe, from the name of the probe.
    pub fn of(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        if parts.next() != Some("rkprobe") {
            return None;
        }
        Some(Self {
            pid: parts.next()?.parse().ok()?,
            start: parts.next()?.parse().ok()?,
        })
    }

    /// The number of the process.
    pub fn pid(self) -> u32 {
        self.pid
    }

    /// Whether the process still runs.
    pub fn is_alive(self, files: &Files) -> bool {
        start_of(files, self.pid) == Some(self.start)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "rkprobe.{}.{}", self.pid, self.start)
    }
}

/// When a process was started, in ticks of the clock.
fn start_of(files: &Files, pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(files.proc(&pid.to_string()).join("stat")).ok()?;
    // The name of the process is in parentheses, and may have anything in it.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

/// The processes that have left probes.
///
/// # Errors
///
/// `Missing`.
pub fn left(files: &Files) -> Result<Vec<(Owner, usize)>> {
    let mut found: Vec<(Owner, usize)> = Vec::new();
    for probe in probes::all(files)? {
        let Some(owner) = Owner::of(&probe.name) else {
            continue;
        };
        match found.iter_mut().find(|(known, _)| *known == owner) {
            Some((_, count)) => *count += 1,
            None if owner.is_alive(files) => {}
            None => found.push((owner, 1)),
        }
    }
    Ok(found)
}

/// Removes the probes that a process has made.
///
/// # Errors
///
/// `Refused`: a probe is in use; `Missing`.
pub fn remove_all_of(files: &Files, owner: Owner) -> Result<()> {
    let failures = files.write_lines(&[format!("-:{owner}.*")])?;
    match failures.first() {
        None => Ok(()),
        Some(failure) => Err(Error::new(
            Kind::Refused,
            format!("-:{owner}.*: {}", failure.reason),
        )),
    }
}

/// The probes of this process. They are removed when it is dropped.
pub struct Probes<'a> {
    files: &'a Files,
    owner: Owner,
    names: Vec<String>,
}

impl<'a> Probes<'a> {
    /// No probe yet.
    ///
    /// # Errors
    ///
    /// `Missing`.
    pub fn none(files: &'a Files) -> Result<Self> {
        files.check()?;
        Ok(Self {
            files,
            owner: Owner::this(files)?,
            names: Vec::new(),
        })
    }

    /// Adds probes: for each definition the letter, what it is called, and the text after the name.
    /// Returns the definitions that were refused.
    ///
    /// # Errors
    ///
    /// `Missing`; `Refused` if no line could be written.
    pub fn add(&mut self, definitions: &[(char, String, String)]) -> Result<Vec<Failure>> {
        let begin = self.names.len();
        let mut lines = Vec::new();
        for (kind, what, rest) in definitions {
            let name = format!("{}.{what}", self.owner);
            lines.push(format!("{kind}:{name} {rest}"));
            self.names.push(name);
        }
        let failures = self.files.write_lines(&lines)?;
        let mut number = 0;
        let mut index = 0;
        self.names.retain(|_| {
            index += 1;
            if index <= begin {
                return true;
            }
            number += 1;
            !failures.iter().any(|failure| failure.number == number)
        });
        Ok(failures)
    }

    /// The names of the probes that were made.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The process, and so the beginning of the names.
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// Removes the probes.
    ///
    /// # Errors
    ///
    /// `Refused`: a probe is in use. A module that is unloaded has no probes, so that is no error.
    pub fn remove(&mut self) -> Result<()> {
        // A refused batch has no probes, and a batch whose write failed may have some.
        if self.names.is_empty() {
            return Ok(());
        }
        self.names.clear();
        match remove_all_of(self.files, self.owner) {
            Err(error) if error.kind == Kind::Refused && !self.has_some() => Ok(()),
            Err(error) if error.kind == Kind::Missing => Ok(()),
            result => result,
        }
    }

    fn has_some(&self) -> bool {
        let probes = probes::all(self.files).unwrap_or_default();
        let own = |probe: &probes::Probe| Owner::of(&probe.name) == Some(self.owner);
        probes.iter().any(own)
    }
}

impl Drop for Probes<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("rkprobe: probes are left: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn names_tell_the_process() {
        let files = Files::new(Path::new("/"));
        let this = Owner::this(&files).unwrap();
        assert_eq!(Owner::of(&format!("{this}.heat")), Some(this));
        assert!(this.is_alive(&files));
        let other = Owner {
            start: this.start + 1,
            ..this
        };
        assert!(!other.is_alive(&files));
        for name in ["mine", "rkprobe", "rkprobe.x.1.y", "rkprobe.1"] {
            assert_eq!(Owner::of(name), None, "{name}");
        }
    }
}
