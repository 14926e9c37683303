// SPDX-License-Identifier: GPL-2.0

//! What the module needs to know of the current task.

use crate::sys::ffi;

/// Whether the task got a signal that will end it.
pub(crate) fn is_dying() -> bool {
    // SAFETY: The function reads the current task only.
    unsafe { ffi::rk_is_dying() }
}
