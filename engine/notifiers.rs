// SPDX-License-Identifier: GPL-2.0

//! How the kernel tells us of int3s, and of modules that come and go.

use crate::arch_x86::int3::int3_notify;
use crate::engine::engine;
use crate::sys::ffi;
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ops::Range;
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
/// Of what goes, in front of the kernel's own for kprobes, which frees what of their blacklist is in
/// the module. Who was told of a module that comes by [`COMING`] is told here if it then fails, for
/// this one is in front of that (kernel/notifier.c:notifier_call_chain_robust).
static GOING: Block = Block::new(module_goes, 1);
/// Of what comes, behind the kernel's own for kprobes, which adds the module's functions to their
/// blacklist.
static COMING: Block = Block::new(module_comes, -1);

/// The notifiers, registered until this is dropped; then none of them is running.
pub(crate) struct Notifiers(());

impl Notifiers {
    /// Registers all.
    pub(crate) fn register() -> Result<Self> {
        // SAFETY: static blocks, unregistered before the module goes. A module that is being loaded
        // meanwhile is told of to the first at least, and not probed before it is live.
        unsafe {
            to_result(ffi::register_die_notifier(DIE.0.get()))?;
            if let Err(error) = register_for_modules() {
                ffi::unregister_die_notifier(DIE.0.get());
                return Err(error);
            }
        }
        Ok(Self(()))
    }
}

/// # Safety
///
/// Once, and what is registered is unregistered before the module goes.
unsafe fn register_for_modules() -> Result {
    // SAFETY: by the contract of this function.
    unsafe {
        to_result(ffi::register_module_notifier(GOING.0.get()))?;
        if let Err(error) = to_result(ffi::register_module_notifier(COMING.0.get())) {
            ffi::unregister_module_notifier(GOING.0.get());
            return Err(error);
        }
    }
    Ok(())
}

impl Drop for Notifiers {
    fn drop(&mut self) {
        // SAFETY: they are registered.
        unsafe {
            ffi::unregister_module_notifier(COMING.0.get());
            ffi::unregister_module_notifier(GOING.0.get());
            ffi::unregister_die_notifier(DIE.0.get());
        }
    }
}

/// A module's text, and that of its initialization.
///
/// # Safety
///
/// A module that is not freed.
unsafe fn texts(module: *mut c_void) -> [Range<usize>; 2] {
    let module = module.cast();
    // SAFETY: by the contract of this function.
    let texts = unsafe {
        [
            ffi::rk_module_core_text(module),
            ffi::rk_module_init_text(module),
        ]
    };
    texts.map(|text| text.start..text.end)
}

/// Text that a module takes with it gets its own bytes back, for what the module has left to run
/// asynchronously is waited for behind us only (kernel/module/main.c: delete_module,
/// do_init_module).
///
/// # Safety
///
/// Called by the module notifier chain only.
unsafe extern "C" fn module_goes(
    _block: *mut notifier_block,
    state: kernel::ffi::c_ulong,
    module: *mut c_void,
) -> kernel::ffi::c_int {
    let Some(engine) = engine() else {
        return ffi::NOTIFY_DONE as kernel::ffi::c_int;
    };
    // After its init function has ended, a module's init text is freed.
    let live = state == ffi::module_state_MODULE_STATE_LIVE as kernel::ffi::c_ulong;
    if live || state == ffi::module_state_MODULE_STATE_GOING as kernel::ffi::c_ulong {
        // SAFETY: the chain hands in a module that is not freed yet.
        let texts = unsafe { texts(module) };
        engine.text_gone(
            module as usize,
            texts.get(usize::from(live)..).unwrap_or(&[]),
        );
        // SAFETY: as above.
        engine.owner_gone(|addr| unsafe { ffi::rk_module_holds(module.cast(), addr, live) });
    }
    ffi::NOTIFY_OK as kernel::ffi::c_int
}

/// From now on a module may be probed.
///
/// # Safety
///
/// Called by the module notifier chain only.
unsafe extern "C" fn module_comes(
    _block: *mut notifier_block,
    state: kernel::ffi::c_ulong,
    module: *mut c_void,
) -> kernel::ffi::c_int {
    if state != ffi::module_state_MODULE_STATE_COMING as kernel::ffi::c_ulong {
        return ffi::NOTIFY_DONE as kernel::ffi::c_int;
    }
    if let Some(engine) = engine() {
        // SAFETY: the chain hands in a module that is not freed yet.
        engine.text_came(module as usize, &unsafe { texts(module) });
    }
    ffi::NOTIFY_OK as kernel::ffi::c_int
}
