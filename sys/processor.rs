// SPDX-License-Identifier: GPL-2.0

//! What the module needs to know of the processor.

use crate::sys::ffi;

/// Whether the kernel is a paravirtual guest of Xen, in which CLI does not keep interrupts away.
pub(crate) fn is_xen_pv() -> bool {
    // SAFETY: The function reads a flag of the processor.
    unsafe { ffi::rk_is_xen_pv() }
}

/// Whether exceptions return by FRED, which need not serialize the processor.
pub(crate) fn has_fred() -> bool {
    // SAFETY: The function reads a flag of the processor.
    unsafe { ffi::rk_has_fred() }
}
