// SPDX-License-Identifier: GPL-2.0

//! Probes whose targets name a module: they wait until it is loaded.
//!
//! The probes are armed when the module is announced, before its init function runs. When the module is
//! unloaded, the engine takes them out of the text, and they stay registered without text. When the
//! module is loaded again, they are unregistered, and probes in the new text are made.
//!
//! The notifier of modules takes the registry's lock, and the locks inside of it. No task registers or
//! unregisters a notifier of modules, or waits for the loading of a module, while it holds one of them.

use crate::command::places::Targets;
use crate::debugfs::commands::{
    lines_and_targets,
    push_requests,
    Commands, //
};
use crate::debugfs::expansion::{
    expand_in,
    names, //
};
use crate::debugfs::failures::{
    publish,
    Failures,
    LineError,
    WriteOutcome, //
};
use crate::debugfs::named::{
    Named,
    Registry, //
};
use crate::eligibility::refusal::Refusal;
use crate::engine::{
    engine,
    Engine,
    Request, //
};
use crate::sys::ffi;
use crate::sys::notifier::Block;
use crate::trace::{
    self,
    EventPlace,
    RefusedSite,
    SitePart,
    Slot, //
};
use core::ffi::c_void;
use core::pin::Pin;
use core::ptr::null_mut;
use core::sync::atomic::{
    AtomicPtr,
    Ordering, //
};
use kernel::bindings::notifier_block;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::str::CStr;
use kernel::sync::Arc;

/// Notifier for modules that are loaded and unloaded. Runs after those of the engine, which allow probes
/// in the module, and take them out of it.
static MODULES: Block = Block::new(module_changes, -2);

/// What the notifier uses. NULL while it is not registered.
static COMMANDS: AtomicPtr<Commands> = AtomicPtr::new(null_mut());

/// The notifier is registered until this is dropped. After that it does not run.
pub(super) struct Waiting(());

impl Waiting {
    /// Registers the notifier.
    ///
    /// # Safety
    ///
    /// Called once. `commands` lives until this is dropped.
    ///
    /// # Errors
    ///
    /// The errors of the kernel's notifier chains.
    pub(super) unsafe fn start(commands: &Commands) -> Result<Self> {
        COMMANDS.store(core::ptr::from_ref(commands).cast_mut(), Ordering::Release);
        // SAFETY: The block is static, and `drop` unregisters it.
        to_result(unsafe { ffi::register_module_notifier(MODULES.as_ptr()) })?;
        Ok(Self(()))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // SAFETY: `start` has registered the block.
        unsafe { ffi::unregister_module_notifier(MODULES.as_ptr()) };
        COMMANDS.store(null_mut(), Ordering::Release);
    }
}

/// A module is loaded or unloaded.
///
/// # Safety
///
/// Called by the module notifier chain only.
unsafe extern "C" fn module_changes(
    _block: *mut notifier_block,
    state: kernel::ffi::c_ulong,
    module: *mut c_void,
) -> kernel::ffi::c_int {
    // SAFETY: The pointer is NULL, or the commands live until the notifier is unregistered.
    let commands = unsafe { COMMANDS.load(Ordering::Acquire).as_ref() };
    if let (Some(commands), Some(engine)) = (commands, engine()) {
        // SAFETY: The chain hands in a module that is not freed yet, and its name is a string.
        let name = unsafe { CStr::from_char_ptr(ffi::rk_module_name(module.cast())) };
        if state == ffi::module_state_MODULE_STATE_COMING as kernel::ffi::c_ulong {
            forget_last(commands, engine, name);
            arm(&commands.lock(), engine, name);
        }
        if state == ffi::module_state_MODULE_STATE_GOING as kernel::ffi::c_ulong {
            forget_problems(&commands.lock(), name);
        }
    }
    // The module is loaded, whatever became of the probes.
    ffi::NOTIFY_DONE as kernel::ffi::c_int
}

/// The number of the sites that a probe has in a module, if its targets name the module.
fn slot_in(named: &Named, module: &CStr) -> Option<usize> {
    named.sites().lock().slot_of(module)
}

/// Whether the probes of a slot have no text: the module that had it was unloaded.
fn is_gone(slot: &Slot, engine: &Engine) -> bool {
    let mut reports = slot.iter().filter_map(|site| engine.report(site));
    reports.all(|report| report.is_gone())
}

/// Unregisters the probes that were in the module when it was loaded before.
///
/// The registry is not locked during the grace period. A task that removes such a probe meanwhile waits
/// for its handlers, too, because the probe keeps its sites until they are unregistered.
fn forget_last(commands: &Commands, engine: &Engine, module: &CStr) {
    loop {
        let mut parts = KVVec::new();
        let last = collect_gone(&commands.lock(), engine, module, &mut parts);
        if parts.is_empty() && last.is_none() {
            return;
        }
        let all = Iterator::chain(parts.iter(), &last);
        engine.unregister(all.flat_map(|part: &Arc<SitePart>| part.iter()));
        let registry = commands.lock();
        for (_, named) in registry.iter() {
            let mut set = named.sites().lock();
            let number = set.slot_of(module);
            let Some(slot) = number.and_then(|number| set.slot_mut(number)) else {
                continue;
            };
            if slot.iter().all(|site| engine.report(site).is_none()) {
                slot.clear();
            }
        }
    }
}

/// Collects the probes without text. Without memory it stops early: the part that did not fit is
/// returned.
fn collect_gone(
    registry: &Registry,
    engine: &Engine,
    module: &CStr,
    parts: &mut KVVec<Arc<SitePart>>,
) -> Option<Arc<SitePart>> {
    for (_, named) in registry.iter() {
        let mut set = named.sites().lock();
        let number = set.slot_of(module);
        let Some(slot) = number.and_then(|number| set.slot_mut(number)) else {
            continue;
        };
        let Some(part) = slot.part.clone().filter(|_| is_gone(slot, engine)) else {
            continue;
        };
        slot.retire();
        if parts.push(part.clone(), GFP_KERNEL).is_err() {
            return Some(part);
        }
    }
    None
}

/// Makes the probes that wait for a module, and registers them in one batch.
fn arm(registry: &Registry, engine: &Engine, module: &CStr) {
    let mut requests = KVVec::new();
    let mut waiting: KVVec<(Pin<&Named>, usize)> = KVVec::new();
    for (_, named) in registry.iter() {
        let Some(slot) = slot_in(&named, module) else {
            continue;
        };
        let made = make(&named, module, slot, waiting.len(), &mut requests);
        let noted = made.and_then(|is_made| match is_made {
            true => {
                let pushed = waiting.push((named, slot), GFP_KERNEL);
                pushed.map_err(|_| Refusal::NoMemory)
            }
            false => Ok(()),
        });
        if let Err(refusal) = noted {
            // The probes of its requests are freed.
            let number = waiting.len();
            requests.retain(|request: &mut Request| lines_and_targets(request.tag).0 != number);
            refuse_all(&named, module, slot, refusal);
        }
    }
    if !requests.is_empty() {
        engine.register(&mut requests);
    }
    for request in &requests {
        let (number, target) = lines_and_targets(request.tag);
        if let Some((named, slot)) = waiting.get(number) {
            note(named, *slot, target, request);
        }
    }
    for (named, slot) in &waiting {
        // The user may have switched the probe after its sites were made.
        if named.sites().lock().repeat_switch(*slot).is_err() {
            pr_warn!("no memory: a probe in module {module} is not as its file enable says\n");
        }
    }
    tell_refused(registry, module);
}

/// Makes the probes of one line, and the requests for them. Returns whether it made any. If it fails, none
/// of the probes in the module is registered.
///
/// # Errors
///
/// `NoMemory`, `ArgumentsMoved`, `ModuleGoing`.
fn make(
    named: &Named,
    module: &CStr,
    slot: usize,
    number: usize,
    requests: &mut KVVec<Request>,
) -> Result<bool, Refusal> {
    let targets = Targets::parse(named.target_text())?;
    let mut set = named.sites().lock();
    // A line may have been written after the module was announced to the engine.
    if set.slots().get(slot).is_none_or(|slot| slot.part.is_some()) {
        return Ok(false);
    }
    let refused = set.slot_mut(slot).ok_or(Refusal::NoMemory)?;
    refused.problem = None;
    let sites = expand_in(&targets, module, slot, |target, refusal| {
        refused.add_problem(target, refusal);
    })?;
    if sites.is_empty() {
        return Ok(false);
    }
    check_arguments(named, sites.iter().map(|site| site.addr))?;
    named.make_probes(&mut set, slot, sites.len())?;
    let slot = set.slots().get(slot).ok_or(Refusal::NoMemory)?;
    push_requests(requests, number, slot, sites.iter())?;
    Ok(true)
}

/// Checks that the arguments of an event are in the loaded module what they were when the line was
/// written.
fn check_arguments(
    named: &Named,
    mut addrs: impl Iterator<Item = usize> + Clone,
) -> Result<(), Refusal> {
    let Some(event) = named.event() else {
        return Ok(());
    };
    let place = event.place();
    if !place.fits(&EventPlace::new(addrs.clone(), None)) {
        return Err(Refusal::ArgumentsMoved);
    }
    match trace::arguments(named.argument_text(), place, addrs.next()) {
        Ok(arguments) if arguments.is_same(event.arguments()) => Ok(()),
        _ => Err(Refusal::ArgumentsMoved),
    }
}

/// Notes why all targets of a line in a module have no site. None of its probes there is registered.
fn refuse_all(named: &Named, module: &CStr, slot: usize, refusal: Refusal) {
    let mut set = named.sites().lock();
    let (Some(slot), Ok(targets)) = (set.slot_mut(slot), Targets::parse(named.target_text()))
    else {
        return;
    };
    slot.part = None;
    slot.problem = None;
    for (target, places) in targets.iter().enumerate() {
        if names(&places, module) {
            slot.add_problem(target, refusal);
        }
    }
}

/// The module is unloaded. What was wrong with it says nothing about the module that is loaded next.
fn forget_problems(registry: &Registry, module: &CStr) {
    for (_, named) in registry.iter() {
        let mut set = named.sites().lock();
        let number = set.slot_of(module);
        if let Some(slot) = number.and_then(|number| set.slot_mut(number)) {
            slot.problem = None;
            slot.refused = KVVec::new();
        }
    }
}

/// Notes what became of one site.
fn note(named: &Named, slot: usize, target: usize, request: &Request) {
    let Err(refusal) = request.result else {
        return;
    };
    let mut set = named.sites().lock();
    let Some(slot) = set.slot_mut(slot) else {
        return;
    };
    let is_place = Targets::parse(named.target_text()).is_ok_and(|all| all.is_place(target));
    if is_place {
        slot.add_problem(target, refusal);
    } else {
        let addr = request.addr();
        let _ = slot
            .refused
            .push(RefusedSite { addr, refusal }, GFP_KERNEL_ACCOUNT);
    }
}

/// Says in `errors` and in the log which probes have no site in the module that is loaded.
fn tell_refused(registry: &Registry, module: &CStr) {
    let mut failures = Failures::none();
    let mut count = 0usize;
    for (_, named) in registry.iter() {
        let set = named.sites().lock();
        let slot = set.slot_of(module).and_then(|slot| set.slots().get(slot));
        let Some(problem) = slot.and_then(|slot| slot.problem) else {
            continue;
        };
        drop(set);
        let error = match named.is_group() {
            true => LineError::Target(problem.target, problem.refusal),
            false => LineError::Refused(problem.refusal),
        };
        failures.add(count, Pin::into_inner(named).target_text(), error);
        count = count.saturating_add(1);
    }
    if count == 0 {
        return;
    }
    pr_warn!("module {module}: {count} probes that waited for it are refused: read errors\n");
    if let Ok(outcome) = WriteOutcome::new(Some(c"waiting")) {
        outcome.add(failures);
        publish(&outcome, true);
    }
}
