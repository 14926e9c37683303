// SPDX-License-Identifier: GPL-2.0

//! How the kernel tells us of int3s, and of modules that come and go.

use crate::arch_x86::int3_notify;
use crate::engine::engine;
use crate::ffi;
use core::cell::UnsafeCell;
use core::ffi::c_void;
use kernel::bindings::notifier_block;
use kernel::error::to_result;
use kernel::prelude::*;

/// A notifier block of the kernel's chains.
struct Block(UnsafeCell<notifier_block>);

// SAFETY: the chain that it is on serializes all changes.
unsafe impl Sync for Block {}

impl Block {
    const fn new(
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
}

/// Behind those that were there before with this priority: native kprobes and hardware
/// breakpoints. In front of uprobes.
static DIE: Block = Block::new(int3_notify, i32::MAX);
/// In front of the kernel's own for kprobes, which frees what of their blacklist is in the module.
static MODULE: Block = Block::new(module_notify, 1);

/// Both notifiers, registered until this is dropped; then none of them is running.
pub(crate) struct Notifiers(());

impl Notifiers {
    /// Registers both.
    pub(crate) fn register() -> Result<Self> {
        // SAFETY: static blocks, unregistered before the module goes.
        unsafe {
            to_result(ffi::register_die_notifier(DIE.0.get()))?;
            if let Err(error) = to_result(ffi::register_module_notifier(MODULE.0.get())) {
                ffi::unregister_die_notifier(DIE.0.get());
                return Err(error);
            }
        }
        Ok(Self(()))
    }
}

impl Drop for Notifiers {
    fn drop(&mut self) {
        // SAFETY: they are registered.
        unsafe {
            ffi::unregister_module_notifier(MODULE.0.get());
            ffi::unregister_die_notifier(DIE.0.get());
        }
    }
}

/// Text that a module takes with it gets its own bytes back, for what the module has left to run
/// asynchronously is waited for behind us only (kernel/module/main.c: delete_module,
/// do_init_module).
///
/// # Safety
///
/// Called by the module notifier chain only.
unsafe extern "C" fn module_notify(
    _block: *mut notifier_block,
    state: kernel::ffi::c_ulong,
    module: *mut c_void,
) -> kernel::ffi::c_int {
    let Some(engine) = engine() else {
        return ffi::NOTIFY_DONE as kernel::ffi::c_int;
    };
    let module = module.cast();
    // SAFETY: the chain hands in a module that is not freed yet.
    let (core, init) = unsafe {
        (
            ffi::rk_module_core_text(module),
            ffi::rk_module_init_text(module),
        )
    };
    if state == ffi::module_state_MODULE_STATE_COMING as kernel::ffi::c_ulong {
        engine.text_came(core.start, core.end);
        engine.text_came(init.start, init.end);
    }
    if state == ffi::module_state_MODULE_STATE_GOING as kernel::ffi::c_ulong {
        engine.text_gone(core.start, core.end);
    }
    // After its init function has ended, a module's init text is freed.
    if state == ffi::module_state_MODULE_STATE_LIVE as kernel::ffi::c_ulong
        || state == ffi::module_state_MODULE_STATE_GOING as kernel::ffi::c_ulong
    {
        engine.text_gone(init.start, init.end);
        let live = state == ffi::module_state_MODULE_STATE_LIVE as kernel::ffi::c_ulong;
        // SAFETY: as above.
        engine.owner_gone(|addr| unsafe { ffi::rk_module_holds(module, addr, live) });
    }
    ffi::NOTIFY_OK as kernel::ffi::c_int
}
