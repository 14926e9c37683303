// SPDX-License-Identifier: GPL-2.0

//! The kernel's structures that hits use.

#![allow(non_camel_case_types)] // the names of C

/// Only what a detour passes to the module.
pub(crate) struct pt_regs {
    pub(crate) orig_ax: usize,
}
