// SPDX-License-Identifier: GPL-2.0

//! Functions whose names match a pattern.

use crate::eligibility::refusal::Refusal;
use crate::sys::ffi;
use crate::sys::symbols::in_kernel_text;
use crate::sys::target::{
    c_string,
    module_string, //
};
use crate::sys::task::is_dying;
use core::ptr::{
    addr_of_mut,
    null, //
};
use kernel::error::to_result;
use kernel::ffi::{
    c_int,
    c_ulong,
    c_void, //
};
use kernel::prelude::*;
use kernel::str::{
    CStr,
    CStrExt,
    CString, //
};

/// A pattern for names, with the rules of lib/glob.c:glob_match.
pub(crate) struct Pattern(CString);

impl Pattern {
    /// A pattern.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(crate) fn new(pattern: &str) -> Result<Self, Refusal> {
        c_string(pattern.as_bytes()).map(Self)
    }

    /// Whether a name matches.
    pub(crate) fn matches(&self, name: &CStr) -> bool {
        // SAFETY: Both are strings.
        unsafe { ffi::rk_glob_match(self.0.as_char_ptr(), name.as_char_ptr()) }
    }

    /// The addresses of the functions that match, in a module, or (`None`) in the kernel and all
    /// modules. Names of padding before functions do not match. Reads all names, which takes some
    /// tenths of a second.
    ///
    /// # Errors
    ///
    /// `NoMemory`; `Interrupted` by a signal that will end the task.
    pub(crate) fn functions(&self, module: Option<&str>) -> Result<KVVec<usize>, Refusal> {
        let module = module.map(module_string).transpose()?;
        let module = module
            .as_ref()
            .map_or(null(), |module| module.as_char_ptr());
        let mut found = Found {
            addrs: KVVec::new(),
            // The functions of one module are few, and a killed task may be loading the module.
            ends: module.is_null(),
        };
        // SAFETY: The names are strings, and `note` gets the vector, which this call alone uses.
        let result = unsafe {
            ffi::rk_kallsyms_search(
                module,
                self.0.as_char_ptr(),
                Some(note),
                addr_of_mut!(found).cast(),
            )
        };
        to_result(result).map_err(|error| match error {
            error if error == EINTR => Refusal::Interrupted,
            _ => Refusal::NoMemory,
        })?;
        Ok(found.addrs)
    }
}

/// The functions that were found.
struct Found {
    addrs: KVVec<usize>,
    /// A signal that will end the task ends the search.
    ends: bool,
}

/// Notes the address of a symbol that matches, if it is in text where probes may be.
///
/// # Safety
///
/// `found` is a [`Found`] that only this uses.
unsafe extern "C" fn note(found: *mut c_void, addr: c_ulong) -> c_int {
    // SAFETY: By the contract.
    let found = unsafe { &mut *found.cast::<Found>() };
    let mut coming = 0;
    let is_text = in_kernel_text(addr) || {
        // SAFETY: The function looks an address up and writes one out-parameter.
        let text = unsafe { ffi::rk_module_text(addr, &mut coming) };
        text == ffi::rk_text_RK_TEXT_MODULE
    };
    let noted = match is_text {
        _ if found.ends && is_dying() => Err(EINTR),
        true => found
            .addrs
            .push(addr, GFP_KERNEL_ACCOUNT)
            .map_err(Error::from),
        false => Ok(()),
    };
    noted.map_or_else(Error::to_errno, |()| 0)
}
