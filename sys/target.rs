// SPDX-License-Identifier: GPL-2.0

//! From what a user names to an address.

use crate::eligibility::refusal::Refusal;
use crate::sys::symbols;
use kernel::prelude::*;
use kernel::str::{CStr, CString};

/// The address of "symbol" or "module:symbol".
///
/// # Errors
///
/// `UnknownSymbol`, `AmbiguousSymbol`, `NoMemory`.
pub(crate) fn symbol(name: &CStr) -> Result<usize, Refusal> {
    let bytes = name.to_bytes();
    let Some(colon) = bytes.iter().position(|byte| *byte == b':') else {
        return symbols::resolve(None, name);
    };
    let (module, rest) = bytes.split_at_checked(colon).ok_or(Refusal::BadTarget)?;
    let module = c_string(module)?;
    let rest = c_string(rest.get(1..).unwrap_or(&[]))?;
    symbols::resolve(Some(&module), &rest)
}

/// `bytes` with a NUL behind.
pub(crate) fn c_string(bytes: &[u8]) -> Result<CString, Refusal> {
    let text = core::str::from_utf8(bytes).map_err(|_| Refusal::BadTarget)?;
    CString::try_from_fmt(fmt!("{}", text)).map_err(|_| Refusal::NoMemory)
}

/// `base` plus `offset`, which must be in the function of `base`.
///
/// # Errors
///
/// `NotText` when `base` is in no function, `OutsideFunction`.
pub(crate) fn in_function(base: usize, offset: usize) -> Result<usize, Refusal> {
    if offset == 0 {
        return Ok(base);
    }
    let function = symbols::function(base).ok_or(Refusal::NotText)?;
    let addr = base.checked_add(offset).ok_or(Refusal::OutsideFunction)?;
    if addr >= function.end() {
        return Err(Refusal::OutsideFunction);
    }
    Ok(addr)
}
