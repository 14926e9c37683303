// SPDX-License-Identifier: GPL-2.0

//! Memory whose use after the free is noticed. It stays allocated until the next execution begins.

use core::any::Any;
use core::cell::RefCell;
use loom::cell::UnsafeCell;

std::thread_local! {
    static KEPT: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// Frees what the last execution kept.
pub(crate) fn begin() {
    drop(KEPT.take());
}

/// Keeps an object until the next execution begins.
pub(crate) fn keep<T: 'static>(object: T) -> *mut T {
    let mut object = Box::new(object);
    let at: *mut T = &mut *object;
    keep_box(object);
    at
}

/// Keeps a box.
pub(crate) fn keep_box(object: Box<dyn Any>) {
    KEPT.with_borrow_mut(|kept| kept.push(object));
}

/// Whether an object is alive. The model checker fails where a check and the end, or a check and the
/// making of the object, are not ordered.
pub(crate) struct Life(UnsafeCell<bool>);

impl Life {
    pub(crate) fn new() -> Self {
        Self(UnsafeCell::new(true))
    }

    /// Fails if the object was freed.
    pub(crate) fn check(&self) {
        // SAFETY: the model checker finds out whether somebody writes.
        let alive = self.0.with(|alive| unsafe { *alive });
        assert!(alive, "memory is used after it was freed");
    }

    /// The object is freed.
    pub(crate) fn end(&self) {
        self.check();
        // SAFETY: the model checker finds out whether another thread reads or writes.
        self.0.with_mut(|alive| unsafe { *alive = false });
    }
}
