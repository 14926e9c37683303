// SPDX-License-Identifier: GPL-2.0

//! Errors: what happened, what to do next, and the exit status.

use std::fmt;
use std::io;
use std::path::Path;

/// What an error means for a script. The numbers are exit statuses, and do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The module refused the request, or a part of it.
    Refused = 1,
    /// Arguments that do not make sense. clap uses this number too.
    Usage = 2,
    /// The module, a file system or the permission is missing.
    Missing = 3,
    /// A file cannot be read or written.
    Io = 4,
    /// The reader of the output has gone away, which is no error.
    Pipe = 0,
}

/// An error for a person and for a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Decides the exit status.
    pub kind: Kind,
    /// What happened.
    pub text: String,
    /// What to do, if that is known.
    pub next: Option<String>,
}

/// The result of all that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error without advice.
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            kind,
            text,
            next: None,
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// An error of a file.
    pub fn file(path: &Path, error: &io::Error) -> Self {
        Self::new(Kind::Io, format!("{}: {}", path.display(), reason(error)))
    }
}

/// The text of an error of the system, without its number.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.text)?;
        match &self.next {
            Some(next) => write!(out, "\n  to do: {next}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// Errors of the output. Those of other files name the file, see [`Error::file`].
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Kind::Pipe, "the output was closed"),
            _ => Self::new(Kind::Io, format!("the output: {}", reason(&error))),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        io::Error::from(error).into()
    }
}
