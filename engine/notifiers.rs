// SPDX-License-Identifier: GPL-2.0

//! The kernel's notifier chains: they tell the module of int3s, and of modules that are loaded and
//! unloaded.

use super::state::engine;
use crate::arch_x86::int3::int3_notify;
use crate::sys::notifier::Block;
use crate::sys::{
    ffi,
    stats, //
};
use core::ffi::c_void;
use core::ops::Range;
use kernel::bindings::notifier_block;
use kernel::error::to_result;
use kernel::prelude::*;

/// Notifier for int3s. Runs after the notifiers of native kprobes and hardware breakpoints, which were
/// registered earlier with the same priority. Runs before the notifier of uprobes.
static DIE: Block = Block::new(int3_notify, i32::MAX);
/// Notifier for an oops. Runs last: a notifier that ends the chain, as a debugger does, lets the task go
/// on.
static OOPS: Block = Block::new(oops_notify, i32::MIN);
/// Notifier for modules that are unloaded. Runs before the kprobes notifier, which frees the module's
/// blacklist entries. It also runs before [`COMING`]. If loading fails after `COMING` was called for a
/// module, the kernel calls the notifiers before the failed one again, and `GOING` is one of them
/// (kernel/notifier.c:notifier_call_chain_robust).
static GOING: Block = Block::new(module_going, 1);
/// Notifier for modules that are loaded. Runs after the kprobes notifier, which adds the module's
/// functions to the blacklist.
static COMING: Block = Block::new(module_coming, -1);

/// The notifiers are registered until this is dropped. After that none of them is running.
pub(crate) struct Notifiers(());

impl Notifiers {
    /// Registers all of them.
    ///
    /// # Errors
    ///
    /// The errors of the kernel's notifier chains.
    pub(crate) fn register() -> Result<Self> {
        // SAFETY: The blocks are static, and `drop` unregisters them before the module is unloaded. At
        // least `GOING` is called for a module that is being loaded at this time, and no probe is put
        // there before the module is live.
        unsafe {
            to_result(ffi::register_die_notifier(DIE.as_ptr()))?;
            let registered = to_result(ffi::register_die_notifier(OOPS.as_ptr()));
            if let Err(error) = registered.and_then(|()| register_for_modules()) {
                ffi::unregister_die_notifier(OOPS.as_ptr());
                ffi::unregister_die_notifier(DIE.as_ptr());
                return Err(error);
            }
        }
        Ok(Self(()))
    }
}

/// Registers the notifiers for modules.
///
/// # Safety
///
/// Called once. The caller unregisters both notifiers before the module is unloaded.
unsafe fn register_for_modules() -> Result {
    // SAFETY: The blocks are static and, by the contract, on the chains once.
    unsafe {
        to_result(ffi::register_module_notifier(GOING.as_ptr()))?;
        if let Err(error) = to_result(ffi::register_module_notifier(COMING.as_ptr())) {
            ffi::unregister_module_notifier(GOING.as_ptr());
            return Err(error);
        }
    }
    Ok(())
}

impl Drop for Notifiers {
    fn drop(&mut self) {
        // SAFETY: `register` has registered all of them.
        unsafe {
            ffi::unregister_module_notifier(COMING.as_ptr());
            ffi::unregister_module_notifier(GOING.as_ptr());
            ffi::unregister_die_notifier(OOPS.as_ptr());
            ffi::unregister_die_notifier(DIE.as_ptr());
        }
    }
}

/// An oops on this CPU. If it is in a handler, the handler does not return, so the CPU stays noted as
/// inside a handler.
///
/// # Safety
///
/// Called by the die notifier chain only.
unsafe extern "C" fn oops_notify(
    _block: *mut notifier_block,
    event: kernel::ffi::c_ulong,
    _args: *mut c_void,
) -> kernel::ffi::c_int {
    let oops = event == ffi::die_val_DIE_OOPS as kernel::ffi::c_ulong;
    // SAFETY: An oops is reported with interrupts off.
    if oops && unsafe { ffi::rk_handler_died() } {
        stats::add(&stats::DEAD_HANDLERS, 1);
        pr_err!("a handler has died: this CPU misses all hits of probes from now on\n");
    }
    ffi::NOTIFY_DONE as kernel::ffi::c_int
}

/// A module's text, and its initialization text.
///
/// # Safety
///
/// `module` is a module that is not freed yet.
unsafe fn texts(module: *mut c_void) -> [Range<usize>; 2] {
    let module = module.cast();
    // SAFETY: The module is not freed, by the contract of this function.
    let texts = unsafe {
        [
            ffi::rk_module_core_text(module),
            ffi::rk_module_init_text(module),
        ]
    };
    texts.map(|text| text.start..text.end)
}

/// A module is unloaded, or its init function has ended. Its text that is about to be freed gets its
/// own bytes back here, because the kernel waits for asynchronous work of the module only after this
/// notifier has run (kernel/module/main.c: delete_module, do_init_module).
///
/// # Safety
///
/// Called by the module notifier chain only.
unsafe extern "C" fn module_going(
    _block: *mut notifier_block,
    state: kernel::ffi::c_ulong,
    module: *mut c_void,
) -> kernel::ffi::c_int {
    let Some(engine) = engine() else {
        return ffi::NOTIFY_DONE as kernel::ffi::c_int;
    };
    let live = state == ffi::module_state_MODULE_STATE_LIVE as kernel::ffi::c_ulong;
    if live || state == ffi::module_state_MODULE_STATE_GOING as kernel::ffi::c_ulong {
        // SAFETY: The chain hands in a module that is not freed yet.
        let [core, init] = unsafe { texts(module) };
        if live {
            // SAFETY: The chain hands in a module that is live, and not freed before it returns.
            let idle = unsafe { ffi::rk_module_idle_text(module.cast()) };
            engine.module_is_live(&(idle.start..idle.end));
        }
        // Of a live module only the init text is freed, because its init function has ended.
        let core = if live { 0..0 } else { core };
        engine.text_going(module as usize, &[core, init]);
        // SAFETY: The chain hands in a module that is not freed yet.
        engine.owner_gone(|addr| unsafe { ffi::rk_module_holds(module.cast(), addr, live) });
    }
    ffi::NOTIFY_OK as kernel::ffi::c_int
}

/// A module is being loaded. From now on it may be probed.
///
/// # Safety
///
/// Called by the module notifier chain only.
unsafe extern "C" fn module_coming(
    _block: *mut notifier_block,
    state: kernel::ffi::c_ulong,
    module: *mut c_void,
) -> kernel::ffi::c_int {
    if state != ffi::module_state_MODULE_STATE_COMING as kernel::ffi::c_ulong {
        return ffi::NOTIFY_DONE as kernel::ffi::c_int;
    }
    if let Some(engine) = engine() {
        // SAFETY: The chain hands in a module that is not freed yet.
        engine.text_came(module as usize, &unsafe { texts(module) });
    }
    ffi::NOTIFY_OK as kernel::ffi::c_int
}
