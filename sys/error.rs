// SPDX-License-Identifier: GPL-2.0

//! Errors of the kernel from the module's reasons.

use crate::eligibility::refusal::Refusal;
use kernel::error::Error;

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::from_errno(refusal.errno().wrapping_neg())
    }
}
