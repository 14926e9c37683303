// SPDX-License-Identifier: GPL-2.0

//! Which module has an address, and whether probes there are possible.

use crate::eligibility::refusal::Refusal;
use crate::eligibility::reserved::Kind;
use crate::sys::ffi;
use crate::sys::locks::EngineHeld;
use crate::sys::symbols;
use core::sync::atomic::{
    AtomicUsize,
    Ordering, //
};

/// The modules that are being loaded, and whose blacklist is known; 0 is a free place. It changes under
/// the engine's lock.
///
/// A module whose loading fails before its notifiers are called, or while they are called, is freed
/// without a notification to the notifiers that follow (kernel/module/main.c:prepare_coming_module). So
/// text of any other module that is being loaded is refused. A module without a place here can be probed
/// when it is live.
static COMING: [AtomicUsize; 32] = [const { AtomicUsize::new(0) }; 32];

/// Notes that a module is being loaded, and that a notification will tell how that ends.
pub(crate) fn module_is_coming(_held: &EngineHeld, module: usize) {
    replace(0, module);
}

/// Notes that a module is live, or is being unloaded.
pub(crate) fn module_is_not_coming(_held: &EngineHeld, module: usize) {
    replace(module, 0);
}

fn replace(from: usize, to: usize) {
    let mut all = COMING.iter();
    if let Some(entry) = all.find(|entry| entry.load(Ordering::Relaxed) == from) {
        entry.store(to, Ordering::Relaxed);
    }
}

/// Whether the text at `addr` is about to be freed with its module: no new probe is possible there, and
/// the text may still be executed.
pub(crate) fn is_going(addr: usize) -> bool {
    let mut coming = 0;
    // SAFETY: The function looks an address up and writes one out-parameter.
    unsafe { ffi::rk_module_text(addr, &mut coming) == ffi::rk_text_RK_TEXT_MODULE_GOING }
}

/// Whether `addr` is in module text (`true`) or the kernel's (`false`). The engine's lock is held, or no
/// other task knows the engine yet.
///
/// # Errors
///
/// `NotText`, `ModuleComing`, `ModuleGoing`, or that the text is this module's own. `NoFunction`: no
/// module has the address, for example because its module was unloaded after a symbol was looked up.
pub(crate) fn check(addr: usize) -> Result<bool, Refusal> {
    if symbols::in_kernel_text(addr) {
        return Ok(false);
    }
    let mut coming = 0;
    // SAFETY: The function looks an address up and writes one out-parameter.
    let text = unsafe { ffi::rk_module_text(addr, &mut coming) };
    let is_known = |module| {
        COMING
            .iter()
            .any(|entry| entry.load(Ordering::Relaxed) == module)
    };
    if coming != 0 && !is_known(coming) {
        return Err(Refusal::ModuleComing);
    }
    match text {
        ffi::rk_text_RK_TEXT_MODULE | ffi::rk_text_RK_TEXT_MODULE_INIT => Ok(true),
        ffi::rk_text_RK_TEXT_MODULE_GOING => Err(Refusal::ModuleGoing),
        ffi::rk_text_RK_TEXT_OURS => Err(Refusal::Reserved(Kind::OwnText)),
        ffi::rk_text_RK_TEXT_NO_MODULE => Err(Refusal::NoFunction),
        _ => Err(Refusal::NotText),
    }
}
