// SPDX-License-Identifier: GPL-2.0

//! Notifier blocks of the kernel's chains.

use core::cell::UnsafeCell;
use core::ffi::c_void;
use kernel::bindings::notifier_block;

/// A notifier block of the kernel's chains.
pub(crate) struct Block(UnsafeCell<notifier_block>);

// SAFETY: The lock of the chain that the block is on serializes all changes.
unsafe impl Sync for Block {}

impl Block {
    /// A block that is on no chain.
    pub(crate) const fn new(
        call: unsafe extern "C" fn(
            *mut notifier_block,
            kernel::ffi::c_ulong,
            *mut c_void,
        ) -> kernel::ffi::c_int,
        priority: i32,
    ) -> Self {
        Self(UnsafeCell::new(notifier_block {
            notifier_call: Some(call),
            next: core::ptr::null_mut(),
            priority,
        }))
    }

    /// The block, for the functions of the chains.
    pub(crate) const fn as_ptr(&self) -> *mut notifier_block {
        self.0.get()
    }
}
