// SPDX-License-Identifier: GPL-2.0

//! Warnings in the kernel's log, about what cannot happen.
//!
//! `kernel::warn_on!` includes a file that the build of the kernel has generated, and that the header
//! packages of some distributions lack. A function in C needs no such file.

use crate::sys::ffi;
use core::panic::Location;

/// Warns if the condition is true. The log has the caller's line and a call trace.
#[track_caller]
pub(crate) fn warn_on(condition: bool) {
    if condition {
        let at = Location::caller();
        let file = at.file();
        // SAFETY: The text has this length, and the function only prints it.
        unsafe { ffi::rk_warn(file.as_ptr().cast(), file.len(), at.line()) };
    }
}
