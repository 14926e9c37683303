// SPDX-License-Identifier: GPL-2.0

//! The files of the module and of the kernel. Their root can be another folder, for tests.

use crate::error::{reason, Error, Kind, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Where the files are.
#[derive(Clone, Debug)]
pub struct Files {
    debugfs: PathBuf,
    tracefs: PathBuf,
    proc: PathBuf,
}

/// Whether the module is there.
enum Presence {
    Absent,
    Loaded,
    Unloading,
}

/// A line of `probes` that the module refused.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Failure {
    /// The number of the line, from 1.
    pub number: usize,
    /// The line.
    pub line: String,
    /// The module's reason.
    pub reason: String,
}

impl Files {
    /// The files below `root`: `/` except in tests.
    pub fn new(root: &Path) -> Self {
        Self {
            debugfs: root.join("sys/kernel/debug"),
            tracefs: root.join("sys/kernel/tracing"),
            proc: root.join("proc"),
        }
    }

    /// A file of the module.
    pub fn module(&self, name: &str) -> PathBuf {
        self.debugfs.join("rkprobes").join(name)
    }

    /// A file of a probe. The folder of `GROUP/NAME` is `GROUP:NAME`.
    pub fn probe(&self, probe: &str, name: &str) -> PathBuf {
        self.module("probe")
            .join(probe.replace('/', ":"))
            .join(name)
    }

    /// The folder of tracefs.
    pub fn tracefs(&self) -> &Path {
        &self.tracefs
    }

    /// A file of procfs.
    pub fn proc(&self, name: &str) -> PathBuf {
        self.proc.join(name)
    }

    /// Reads a file of the module.
    ///
    /// # Errors
    ///
    /// `Missing`: the module or the permission; `Io`.
    pub fn read(&self, name: &str) -> Result<String> {
        self.read_path(&self.module(name))
    }

    /// Reads a file of a probe.
    ///
    /// # Errors
    ///
    /// `Refused`: there is no such probe; `Missing`; `Io`.
    pub fn read_probe(&self, probe: &str, name: &str) -> Result<String> {
        self.read_path(&self.probe(probe, name))
    }

    fn read_path(&self, path: &Path) -> Result<String> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|error| self.explain_error(path, &error))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Fails with the reason if the module cannot be used.
    ///
    /// # Errors
    ///
    /// `Missing`.
    pub fn check(&self) -> Result<()> {
        let path = self.module("probes");
        match File::open(&path) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.explain_error(&path, &error)),
        }
    }

    /// What procfs says of the module.
    fn presence(&self) -> Presence {
        let modules = fs::read_to_string(self.proc("modules")).unwrap_or_default();
        let line = modules.lines().find(|line| line.starts_with("rkprobes "));
        match line.map(|line| line.contains(" Unloading ")) {
            None => Presence::Absent,
            Some(true) => Presence::Unloading,
            Some(false) => Presence::Loaded,
        }
    }

    /// Makes an error of the system one that says what is missing.
    fn explain_error(&self, path: &Path, error: &io::Error) -> Error {
        let missing = |text: String, next: &str| Error::new(Kind::Missing, text).next(next);
        if error.kind() == io::ErrorKind::PermissionDenied {
            return missing(
                format!("{}: only root may open it", path.display()),
                "run rkprobe as root; under lockdown debugfs is closed for root as well",
            );
        }
        // While the module is unloaded, its files disappear one after the other.
        match (self.presence(), self.module("probes").exists()) {
            (Presence::Unloading, _) | (Presence::Absent, false) => missing(
                "the module rkprobes is not loaded".to_owned(),
                "modprobe rkprobes, or insmod rkprobes.ko",
            ),
            (Presence::Loaded, false) => missing(
                format!("{} is missing", self.module("").display()),
                "mount -t debugfs debugfs /sys/kernel/debug; if it is mounted, dmesg says why the files are missing",
            ),
            (_, true) => match path.strip_prefix(self.module("probe")) {
                Ok(probe) => {
                    let name = probe.parent().unwrap_or(probe).display();
                    Error::new(Kind::Refused, format!("no probe {name}"))
                        .next("rkprobe list shows the names")
                }
                Err(_) => Error::file(path, error),
            },
        }
    }

    /// Writes one value to a file of the module.
    ///
    /// # Errors
    ///
    /// `Refused` with the reason of the module; `Missing`.
    pub fn write_value(&self, path: &Path, value: &str) -> Result<()> {
        let _lock = self.lock();
        let mut file = self.open_to_write(path)?;
        file.write_all(format!("{value}\n").as_bytes())
            .map_err(|error| {
                let errors = self.read("errors").unwrap_or_default();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let said = errors
                    .lines()
                    .find_map(|line| line.strip_prefix(&format!("{name}: {value}: ")));
                let why = said.map_or_else(|| reason(&error), str::to_owned);
                Error::new(Kind::Refused, format!("{}: {why}", path.display()))
            })
    }

    fn open_to_write(&self, path: &Path) -> Result<File> {
        let file = OpenOptions::new().write(true).open(path);
        file.map_err(|error| self.explain_error(path, &error))
    }

    /// Keeps other processes of rkprobe from writing until it is dropped, because `errors` has the
    /// lines of the last writer only.
    fn lock(&self) -> Option<File> {
        let file = File::open(self.module("errors")).ok()?;
        file.lock().ok()?;
        Some(file)
    }

    /// Writes lines to `probes`. Returns the lines that were refused; the others are carried out.
    ///
    /// # Errors
    ///
    /// `Missing`; `Io` if no line could be written.
    pub fn write_lines(&self, lines: &[String]) -> Result<Vec<Failure>> {
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        let path = self.module("probes");
        let lock = self.lock();
        let mut file = self.open_to_write(&path)?;
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let written = file.write_all(text.as_bytes());
        // A text of more than one block reports when the file is closed.
        drop(file);
        let said = self.read("errors").unwrap_or_default();
        drop(lock);
        let failures = failures(&said, lines);
        match written {
            Err(error) if failures.is_empty() => Err(Error::new(
                Kind::Refused,
                format!("{}: {}", path.display(), reason(&error)),
            )),
            _ => Ok(failures),
        }
    }
}

/// The lines of `errors` that are about `lines`.
fn failures(errors: &str, lines: &[String]) -> Vec<Failure> {
    let of_line = |said: &str| {
        let (number, rest) = said.split_once(": ")?;
        let number: usize = number.parse().ok()?;
        let line = lines.get(number.checked_sub(1)?)?;
        let reason = rest.strip_prefix(line.trim())?.strip_prefix(": ")?;
        Some(Failure {
            number,
            line: line.trim().to_owned(),
            reason: reason.to_owned(),
        })
    };
    errors.lines().filter_map(of_line).collect()
}

/// What answers questions about targets.
pub trait Explain {
    /// The module's answer.
    ///
    /// # Errors
    ///
    /// `Refused`: the target has no address; `Missing`.
    fn ask(&mut self, target: &str) -> Result<String>;
}

/// An open file `explain`. It reads its own answers, also if other tasks ask at one time.
pub struct Explainer(File);

impl Explainer {
    /// Opens the file.
    ///
    /// # Errors
    ///
    /// `Missing`.
    pub fn open(files: &Files) -> Result<Self> {
        let path = files.module("explain");
        let file = OpenOptions::new().read(true).write(true).open(&path);
        file.map(Self)
            .map_err(|error| files.explain_error(&path, &error))
    }
}

impl Explain for Explainer {
    fn ask(&mut self, target: &str) -> Result<String> {
        let written = self.0.write_all(format!("{target}\n").as_bytes());
        let mut bytes = Vec::new();
        let read = self
            .0
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.0.read_to_end(&mut bytes));
        let answer = String::from_utf8_lossy(&bytes).into_owned();
        match written.and(read.map(|_| ())) {
            Ok(()) => Ok(answer),
            Err(error) => {
                let said = answer
                    .lines()
                    .find_map(|line| line.strip_prefix("probe no: "));
                let about = format!("target {target}");
                let why = match said {
                    Some(said) if answer.lines().next() == Some(&about) => said.to_owned(),
                    _ => reason(&error),
                };
                Err(Error::new(Kind::Refused, format!("{target}: {why}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_other_writers_are_left_out() {
        let lines = ["c vfs_read".to_owned(), " p:x a: b ".to_owned()];
        let said =
            "2: p:x a: b: unknown: symbol\n1: c other: reason\n9: c vfs_read: no\nenable: 2: bad\n";
        let expected = Failure {
            number: 2,
            line: "p:x a: b".to_owned(),
            reason: "unknown: symbol".to_owned(),
        };
        assert_eq!(failures(said, &lines), [expected]);
    }
}
