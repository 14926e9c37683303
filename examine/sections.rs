// SPDX-License-Identifier: GPL-2.0

//! Text in sections of its own: that of this module, and text that must not be instrumented. The
//! kernel's blacklist has most of it too, but not the reason.

use crate::eligibility::reserved::{
    Index,
    Kind, //
};
use crate::sys::compat::THIS_MODULE;
use crate::sys::ffi;
use crate::sys::growable::Kernel;
use crate::sys::symbols;
use kernel::prelude::*;

/// Sections of noinstr and entry text, where the kernel has them.
const NOINSTR: [(&CStr, &CStr); 2] = [
    (c"__noinstr_text_start", c"__noinstr_text_end"),
    (c"__entry_text_start", c"__entry_text_end"),
];

/// Puts these sections into `index`.
///
/// # Errors
///
/// ENOMEM.
pub(crate) fn reserve(index: &mut Index<Kernel>) -> Result {
    // SAFETY: This module is loaded while its code runs.
    let own = unsafe { ffi::rk_module_core_text(THIS_MODULE) };
    let mut reserve = |start: usize, end: usize, kind| {
        let pushed = index.push(start as u64, end as u64, kind);
        pushed.map_err(|_| ENOMEM)
    };
    reserve(own.start as usize, own.end as usize, Kind::OwnText)?;
    for (start, end) in NOINSTR {
        let (start, end) = (symbols::lookup(start), symbols::lookup(end));
        if start != 0 && end != 0 {
            reserve(start, end, Kind::Noinstr)?;
        }
    }
    Ok(())
}
