// SPDX-License-Identifier: GPL-2.0

//! The kernel's type information, BTF.

use crate::sys::ffi;
use crate::sys::target::c_string;
use core::cell::RefCell;
use core::ptr::null;
use core::ptr::null_mut;
use core::slice::from_raw_parts;
use kernel::prelude::*;
use kernel::str::CStrExt;

/// The types that were found, which stay as long as this.
pub(crate) struct FoundTypes {
    /// Each set once.
    sets: RefCell<KVec<*mut ffi::btf>>,
}

/// The types of the kernel, or of the kernel and one module.
#[derive(Clone, Copy)]
pub(crate) struct TypeSet(*mut ffi::btf);

impl FoundTypes {
    /// No type yet.
    pub(crate) const fn new() -> Self {
        Self {
            sets: RefCell::new(KVec::new()),
        }
    }

    /// Finds a named type of the kernel, or else of a module: its set, and its number there. May sleep.
    pub(crate) fn find(&self, kind: u32, name: &[u8]) -> Option<(TypeSet, u32)> {
        let name = c_string(name).ok()?;
        let mut sets = self.sets.try_borrow_mut().ok()?;
        sets.reserve(1, GFP_KERNEL_ACCOUNT).ok()?;
        let mut set = null_mut();
        // SAFETY: The name is a string, and the set is an out-parameter.
        let number = unsafe { ffi::rk_btf_find(name.as_char_ptr(), kind, &mut set) };
        let number = u32::try_from(number).ok().filter(|number| *number != 0)?;
        match sets.contains(&set) {
            // SAFETY: The set was found above, and `sets` keeps it.
            true => unsafe { ffi::rk_btf_put(set) },
            false => sets.push_within_capacity(set).ok()?,
        }
        Some((TypeSet(set), number))
    }

    /// Whether a set has the types of the module that has `addr`, or of the kernel if none has it.
    pub(crate) fn has_text(&self, set: TypeSet, addr: usize) -> bool {
        // SAFETY: `self` keeps the set.
        unsafe { ffi::rk_btf_has_text(set.0, addr) }
    }

    /// The bytes of a type of a set that `self` has found.
    pub(crate) fn bytes(&self, set: TypeSet, number: u32) -> Option<&[u8]> {
        let mut bytes = null();
        // SAFETY: `self` keeps the set.
        let len = unsafe { ffi::rk_btf_bytes(set.0, number, &mut bytes) };
        // SAFETY: The bytes are as many, and live as long as the set, which `self` keeps.
        (len != 0).then(|| unsafe { from_raw_parts(bytes, len) })
    }

    /// The name at an offset of a set that `self` has found.
    pub(crate) fn name(&self, set: TypeSet, offset: u32) -> Option<&[u8]> {
        // SAFETY: `self` keeps the set.
        let name = unsafe { ffi::rk_btf_name(set.0, offset) };
        // SAFETY: The name is a string, and lives as long as the set, which `self` keeps.
        (!name.is_null()).then(|| unsafe { CStr::from_char_ptr(name) }.to_bytes())
    }
}

impl Drop for FoundTypes {
    fn drop(&mut self) {
        for set in self.sets.get_mut().iter() {
            // SAFETY: `find` got the set, and nothing borrows from `self` any more.
            unsafe { ffi::rk_btf_put(*set) };
        }
    }
}
