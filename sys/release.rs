// SPDX-License-Identifier: GPL-2.0

//! The kernels that the module knows. On another kernel the names that the module looks up may exist and
//! mean something else, which no check of names can see.

use crate::sys::compat::not_supported;
use crate::sys::ffi;
use kernel::prelude::*;
use kernel::str::{
    CStr,
    CStrExt, //
};

/// Refuses a kernel that the module does not know, unless it is `allowed`. The log names it.
///
/// # Errors
///
/// EOPNOTSUPP.
pub(crate) fn check(allowed: bool) -> Result {
    // SAFETY: The kernel's release is a string, and it stays.
    let release = unsafe { CStr::from_char_ptr(ffi::rk_release()) };
    // SAFETY: The array is a string, and nothing writes it.
    let known = unsafe { CStr::from_char_ptr((&raw const ffi::rk_known_kernels).cast()) };
    if is_known(release.to_bytes(), known.to_bytes()) {
        return Ok(());
    }
    if allowed {
        pr_warn!("Linux {release} is unknown ({known}): loaded because of unknown_kernel=1\n");
        return Ok(());
    }
    pr_err!(
        "Linux {release} is unknown ({known}): load a newer rkprobes, or risk unknown_kernel=1\n"
    );
    Err(not_supported())
}

/// Whether one of the words of `known` is the number of the release: "7.3" is that of "7.3.4-amd64", but
/// not that of "7.30.1".
fn is_known(release: &[u8], known: &[u8]) -> bool {
    known.split(|byte| *byte == b' ').any(|number| {
        let rest = release.strip_prefix(number);
        rest.is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_digit))
    })
}
