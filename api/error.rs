// SPDX-License-Identifier: GPL-2.0

//! Why a registration of the Rust interface failed.

use crate::eligibility::refusal::Refusal;
use kernel::error::Error;

/// Why probes were not registered, and which of them was refused.
///
/// The `?` operator makes an [`Error`] of it.
///
/// # Examples
///
/// ```
/// use rust_kprobes::{Registration, Target};
///
/// match Registration::new(Target::symbol(c"vfs_raed"), ()) {
///     Ok(_probe) => {}
///     Err(refused) => pr_err!("no probe: {}\n", refused.reason()),
/// }
/// ```
// Its layout is a part of the interface, whose checksum Kbuild makes. So it has no types of other files.
#[derive(Clone, Copy, Debug)]
pub struct RegisterError {
    index: usize,
    errno: i32,
    reason: &'static str,
}

impl RegisterError {
    pub(super) fn new(index: usize, refusal: Refusal) -> Self {
        Self {
            index,
            errno: refusal.errno().wrapping_neg(),
            reason: refusal.text(),
        }
    }

    /// The index of the first target that was refused. It is 0 if all were refused for one reason.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Why it was refused, and what to do. These are the texts of `errors` in debugfs.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// The errno.
    pub fn error(&self) -> Error {
        Error::from_errno(self.errno)
    }
}

impl From<RegisterError> for Error {
    fn from(error: RegisterError) -> Self {
        error.error()
    }
}
