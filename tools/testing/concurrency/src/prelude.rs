// SPDX-License-Identifier: GPL-2.0

//! The kernel's prelude, as far as the module's files use it. Allocations do not fail.

use crate::memory::{keep_box, Life};
use core::mem::{take, MaybeUninit};
use core::ops::Deref;
use core::ptr::NonNull;

pub(crate) type Result<T = (), E = Error> = core::result::Result<T, E>;

#[derive(Debug)]
pub(crate) struct Error;

#[derive(Debug)]
pub(crate) struct AllocError;

impl From<AllocError> for Error {
    fn from(_: AllocError) -> Self {
        Error
    }
}

pub(crate) const ENOMEM: Error = Error;

#[derive(Clone, Copy)]
pub(crate) struct Flags;

pub(crate) const GFP_KERNEL: Flags = Flags;

/// A box. Its memory stays until the execution ends.
pub(crate) struct KBox<T: 'static>(NonNull<T>);

impl<T> KBox<T> {
    pub(crate) fn new(value: T, _: Flags) -> Result<Self, AllocError> {
        Ok(Self(NonNull::from(Box::leak(Box::new(value)))))
    }
}

impl<T> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: allocated in `new`.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Drop for KBox<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        // SAFETY: allocated in `new`, and dropped once.
        let memory = unsafe {
            self.0.drop_in_place();
            Box::from_raw(self.0.cast::<MaybeUninit<T>>().as_ptr())
        };
        keep_box(memory);
    }
}

/// An array whose use after the free fails.
pub(crate) struct KVVec<T: 'static> {
    life: Life,
    elements: Vec<T>,
}

impl<T> KVVec<T> {
    pub(crate) fn with_capacity(size: usize, _: Flags) -> Result<Self, AllocError> {
        Ok(Self {
            life: Life::new(),
            elements: Vec::with_capacity(size),
        })
    }

    pub(crate) fn push(&mut self, element: T, _: Flags) -> Result<(), AllocError> {
        self.elements.push(element);
        Ok(())
    }
}

impl<T> Deref for KVVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.life.check();
        &self.elements
    }
}

impl<T> Drop for KVVec<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.life.end();
        keep_box(Box::new(take(&mut self.elements)));
    }
}

/// An array that no reader sees.
pub(crate) struct KVec<T>(Vec<T>);

impl<T> KVec<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn reserve(&mut self, more: usize, _: Flags) -> Result<(), AllocError> {
        self.0.reserve(more);
        Ok(())
    }

    pub(crate) fn push_within_capacity(&mut self, element: T) -> Result<(), AllocError> {
        self.0.push(element);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
