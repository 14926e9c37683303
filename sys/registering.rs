// SPDX-License-Identifier: GPL-2.0

//! Tasks that register native kprobes: where such a task is.
//!
//! A task checks the address with `jump_label_mutex` held, and the check asks the blacklist
//! (kernel/kprobes.c:check_kprobe_address_safe). Then it prepares the native kprobe with
//! `kprobe_mutex` held (__register_kprobe). Between the two mutexes it holds neither of them.

use crate::sys::ffi;
use crate::sys::symbols::{
    self,
    Data, //
};
use core::sync::atomic::{
    fence,
    Ordering, //
};
use kernel::prelude::*;

/// The functions that have a task's return address, or its ip, while the task is between the two
/// mutexes. The compiler may have put the first one into the others.
const FUNCTIONS: [&CStr; ffi::RK_REGISTERING as usize] = [
    c"register_kprobe",
    c"register_kprobes",
    c"register_kretprobe",
    c"register_kretprobes",
];

/// Finds the functions that register native kprobes. Called once, when the module is loaded.
///
/// # Errors
///
/// ENOENT: the kernel lacks one of them, which the log names.
pub(crate) fn init() -> Result {
    for (at, name) in (0..).zip(FUNCTIONS) {
        let text = symbols::bounds(symbols::required(name)?).ok_or(ENOENT)?;
        // SAFETY: The number is below RK_REGISTERING. No other task uses the ranges yet.
        unsafe { ffi::rk_registering_set(at, text.start, text.end) };
    }
    Ok(())
}

/// Whether a task is registering a native kprobe, and may have asked the blacklist before this call.
///
/// False is a proof. A task that had asked the blacklist before the call
///
/// 1. has released `jump_label_mutex` when that mutex is seen free;
/// 2. is not between the two mutexes when the task itself is looked at;
/// 3. is asleep at `kprobe_mutex` at the most, which is seen free at last.
///
/// So that task has registered its native kprobe or has failed. Interrupts are on.
pub(crate) fn is_possible() -> bool {
    is_checking() || is_preparing()
}

/// As [`is_possible`], for a caller that holds `jump_label_mutex`.
pub(crate) fn is_preparing() -> bool {
    // SAFETY: The function has no condition but interrupts that are on.
    let between = unsafe { ffi::rk_task_registers() };
    // SAFETY: This is the address of the kernel's mutex, looked up when the module was loaded.
    between || !unsafe { ffi::rk_mutex_is_idle(symbols::data(Data::KprobeMutex)) }
}

/// Whether a task may be checking an address without having seen what was written before this call.
fn is_checking() -> bool {
    fence(Ordering::SeqCst);
    // SAFETY: This is the address of the kernel's mutex, looked up when the module was loaded.
    unsafe { ffi::rk_mutex_is_locked(symbols::data(Data::JumpLabelMutex)) }
}
