// SPDX-License-Identifier: GPL-2.0

//! The atomics of the model checker, with the functions of `core` that it lacks.

use crate::sys::ffi::Link;
use core::ops::Deref;
use loom::sync::atomic;

pub(crate) use atomic::{AtomicU32, AtomicU8, AtomicUsize, Ordering};

pub(crate) struct AtomicPtr<T>(atomic::AtomicPtr<T>);

impl<T> AtomicPtr<T> {
    pub(crate) fn new(value: *mut T) -> Self {
        Self(atomic::AtomicPtr::new(value))
    }
}

impl<T> AtomicPtr<T> {
    /// The atomic of a probe's link. In the kernel the link is a plain pointer.
    ///
    /// # Safety
    ///
    /// The link is allocated. If the probe was freed, this fails.
    pub(crate) unsafe fn from_ptr<'a>(link: *mut Link<T>) -> &'a Self {
        // SAFETY: the caller's promise.
        let link = unsafe { &*link };
        link.life.check();
        &link.next
    }
}

impl<T> Deref for AtomicPtr<T> {
    type Target = atomic::AtomicPtr<T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

pub(crate) struct AtomicU64(atomic::AtomicU64);

impl AtomicU64 {
    pub(crate) fn new(value: u64) -> Self {
        Self(atomic::AtomicU64::new(value))
    }

    /// The counter at an address. In the kernel it is a plain integer.
    ///
    /// # Safety
    ///
    /// It is allocated.
    pub(crate) unsafe fn from_ptr<'a>(counter: *mut Self) -> &'a Self {
        // SAFETY: the caller's promise.
        unsafe { &*counter }
    }
}

impl Deref for AtomicU64 {
    type Target = atomic::AtomicU64;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
