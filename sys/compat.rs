// SPDX-License-Identifier: GPL-2.0

//! What the `kernel` crate names in another way on some of the kernels from 7.2 on, in a form that
//! compiles with all of them.

use crate::eligibility::errno;
use crate::sys::ffi;
use core::borrow::Borrow;
use kernel::bindings;
use kernel::prelude::*;

/// EOPNOTSUPP, which the crate of Linux 7.2 has no constant for.
pub(crate) fn not_supported() -> Error {
    Error::from_errno(errno::EOPNOTSUPP.wrapping_neg())
}

/// The structure of this module, as `THIS_MODULE` in C.
pub(crate) const THIS_MODULE: *mut bindings::module = &raw mut ffi::__this_module;

/// The value of a module parameter, which Linux 7.2 gives by reference.
pub(crate) fn parameter<T: Copy>(value: impl Borrow<T>) -> T {
    *value.borrow()
}

/// Waits for an RCU grace period. The caller is in process context.
pub(crate) fn synchronize_rcu() {
    // SAFETY: The function has no condition but process context.
    unsafe { ffi::synchronize_rcu() };
}
