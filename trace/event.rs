// SPDX-License-Identifier: GPL-2.0

//! An event and its probes.
//!
//! Lock order, outermost first: a caller's lock, the kernel's `event_mutex`, the lock of the sites
//! of a line, the engine's lock.

use crate::eligibility::errno;
use crate::eligibility::refusal::Refusal;
use crate::sys::ffi;
use crate::sys::symbols::{
    self,
    Data, //
};
use crate::trace::arguments::{
    EventArguments,
    EventMemory,
    EventPlace,
    EventRegisters,
    Sequence, //
};
use crate::trace::sites::Sites;
use core::ffi::c_void;
use core::mem::ManuallyDrop;
use core::ptr::from_ref;
use core::ptr::NonNull;
use core::sync::atomic::{
    AtomicBool,
    AtomicU64,
    AtomicUsize,
    Ordering, //
};
use kernel::bindings::pt_regs;
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::str::{
    CStrExt,
    CString, //
};
use kernel::sync::Arc;

/// What the callbacks of an event need.
struct Owner {
    sites: Arc<Sites>,
    arguments: EventArguments,
    place: EventPlace,
    /// The format of a record, for tools.
    print_fmt: CString,
}

/// The format of a record.
struct Format<'a>(&'a EventArguments);

impl kernel::fmt::Display for Format<'_> {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        self.0.print_fmt(f)
    }
}

/// An event that the kernel's tracing knows.
///
/// The probes of the event must be unregistered before this is dropped.
pub(crate) struct Event {
    event: NonNull<ffi::rk_event>,
    owner: ManuallyDrop<KBox<Owner>>,
    /// Its place in the order of all additions, from 1. 0: the kernel's tracing does not know it.
    /// Only the caller of `add`, `remove` and `end` changes it. Other tasks may have the event then.
    added: AtomicU64,
    /// Another event uses it for ever, so it is never freed.
    abandoned: AtomicBool,
}

/// How many events were added, and how many of them the kernel's tracing knows.
static ADDED: AtomicU64 = AtomicU64::new(0);
static KNOWN: AtomicUsize = AtomicUsize::new(0);

/// The most events that the kernel's tracing knows at one time. The kernel has numbers for about
/// 63,000 events, and other tools and modules need some: the events of a module that gets no numbers
/// are missing.
const MOST: usize = 32_000;

// SAFETY: The C functions lock what they change, and `Owner` is locked.
unsafe impl Send for Event {}
// SAFETY: As for `Send`.
unsafe impl Sync for Event {}

impl Event {
    /// An event that the kernel's tracing does not know yet. Its probes are not registered yet.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(crate) fn new(
        name: &CStr,
        arguments: EventArguments,
        place: EventPlace,
        sites: &Arc<Sites>,
    ) -> Result<Self, Refusal> {
        let print_fmt = CString::try_from_fmt(fmt!("{}", Format(&arguments)));
        let print_fmt = print_fmt.map_err(|_| Refusal::NoMemory)?;
        let owner = Owner {
            sites: sites.clone(),
            arguments,
            place,
            print_fmt,
        };
        let owner = KBox::new(owner, GFP_KERNEL_ACCOUNT);
        let owner = owner.map_err(|_| Refusal::NoMemory)?;
        let data = from_ref(&*owner).cast();
        // SAFETY: The name is copied. The owner and its strings are freed after the event.
        let event = unsafe {
            ffi::rk_event_new(
                name.as_char_ptr(),
                owner.print_fmt.as_char_ptr().cast_mut(),
                data,
            )
        };
        let event = NonNull::new(event).ok_or(Refusal::NoMemory)?;
        // SAFETY: The probes are not registered.
        unsafe { sites.set_event(event.as_ptr()) };
        Ok(Self {
            event,
            owner: ManuallyDrop::new(owner),
            added: AtomicU64::new(0),
            abandoned: AtomicBool::new(false),
        })
    }

    fn as_ptr(&self) -> *mut ffi::rk_event {
        self.event.as_ptr()
    }

    /// Makes the event known to the kernel's tracing. Its probes are registered. May sleep.
    ///
    /// # Errors
    ///
    /// `NoMemory`, `TooManyEvents`. `NameInUse`: the kernel has another event of the name.
    pub(crate) fn add(&self) -> Result<(), Refusal> {
        if KNOWN.load(Ordering::Relaxed) >= MOST {
            return Err(Refusal::TooManyEvents);
        }
        let events = symbols::data(Data::Events);
        // SAFETY: The mutex and the list are the kernel's, and the event is not known yet.
        let error = unsafe { ffi::rk_event_add(event_mutex(), events, self.as_ptr()) };
        match error.wrapping_neg() {
            0 => {
                let number = ADDED.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                self.added.store(number, Ordering::Relaxed);
                KNOWN.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            errno::ENODEV => Err(Refusal::TooManyEvents),
            errno::EEXIST => Err(Refusal::NameInUse),
            _ => Err(Refusal::NoMemory),
        }
    }

    /// Takes the event back from the kernel's tracing, unless it is not known there. May sleep.
    ///
    /// # Errors
    ///
    /// `EventInUse`.
    pub(crate) fn remove(&self, removal: &mut EventRemoval) -> Result<(), Refusal> {
        if self.added() == 0 {
            return Ok(());
        }
        removal.lock();
        // SAFETY: The event is known, and its mutex is locked.
        let error = unsafe { ffi::rk_event_remove(self.as_ptr()) };
        if error != 0 {
            return Err(Refusal::EventInUse);
        }
        self.added.store(0, Ordering::Relaxed);
        KNOWN.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the event has a consumer, or another event refers to it. That does not change while the
    /// events are locked by `removal`. May sleep.
    pub(crate) fn is_used(&self, removal: &mut EventRemoval) -> bool {
        if self.added() == 0 {
            return false;
        }
        removal.lock();
        // SAFETY: The event is known, and its mutex is locked.
        unsafe { ffi::rk_event_is_used(self.as_ptr()) }
    }

    /// The arguments.
    pub(crate) fn arguments(&self) -> &EventArguments {
        &self.owner.arguments
    }

    /// The place of the event in the order of all additions; 0 if the kernel's tracing does not know
    /// it. The tracing has a later event earlier in its lists, so many removals are fast if the event
    /// that was added last is removed first.
    pub(crate) fn added(&self) -> u64 {
        self.added.load(Ordering::Relaxed)
    }

    /// Takes the event back when the module is unloaded. May sleep.
    ///
    /// An event that is in use stays for ever, without this module's code. Only an event probe (of
    /// `dynamic_events`) that is switched off can use it: other consumers keep the module loaded.
    pub(crate) fn end(&self, removal: &mut EventRemoval) {
        if self.remove(removal).is_ok() {
            return;
        }
        pr_warn!("an event stays until the next boot, because another event uses it\n");
        // SAFETY: The event is known, and its mutex is locked. It is never freed.
        unsafe { ffi::rk_event_abandon(self.as_ptr()) };
        self.added.store(0, Ordering::Relaxed);
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// What its arguments were compiled for.
    pub(crate) fn place(&self) -> EventPlace {
        self.owner.place
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        self.end(&mut EventRemoval::new());
        if self.abandoned.load(Ordering::Relaxed) {
            return;
        }
        // SAFETY: The tracing does not know the event, and its probes are not registered. Nothing has
        // the owner after the event is freed.
        unsafe {
            ffi::rk_event_free(self.as_ptr());
            ManuallyDrop::drop(&mut self.owner);
        }
    }
}

/// Removals of events. They are finished together when this is dropped: a trace that may have records
/// of the removed events is emptied once.
///
/// From the first removal on it holds `event_mutex`, so that no new event gets the number of a removed
/// one before the traces are emptied.
pub(crate) struct EventRemoval {
    locked: bool,
}

impl EventRemoval {
    /// No removal yet.
    pub(crate) const fn new() -> Self {
        Self { locked: false }
    }

    fn lock(&mut self) {
        if !self.locked {
            // SAFETY: The mutex is the kernel's. `self` has not locked it.
            unsafe { ffi::rk_events_lock(event_mutex()) };
            self.locked = true;
        }
    }
}

impl Drop for EventRemoval {
    fn drop(&mut self) {
        if self.locked {
            // SAFETY: `self` has locked the mutex, which is the kernel's.
            unsafe { ffi::rk_events_unlock(event_mutex()) };
        }
    }
}

fn event_mutex() -> *mut kernel::bindings::mutex {
    symbols::data(Data::EventMutex)
}

/// Allocates the buffers for records.
///
/// # Errors
///
/// ENOMEM.
pub(crate) fn start() -> Result {
    let bpf_active = symbols::lookup(c"bpf_prog_active");
    // SAFETY: Called once, in process context. The address is that of the kernel's variable, or 0.
    kernel::error::to_result(unsafe { ffi::rk_events_start(bpf_active) })
}

/// Frees the buffers. No probe is registered.
pub(crate) fn stop() {
    // SAFETY: No probe is registered, so no CPU uses the buffers.
    unsafe { ffi::rk_events_stop() };
}

/// # Safety
///
/// `owner` is that of an event.
unsafe fn owner_of<'a>(owner: *const c_void) -> &'a Owner {
    // SAFETY: The owner lives as long as its event, by the contract.
    unsafe { &*owner.cast() }
}

/// Adds the fields of an event that is being added.
///
/// # Safety
///
/// Called by event.c only, with the owner of an event and what `rk_event_field` takes.
#[no_mangle]
unsafe extern "C" fn rk_event_fields(owner: *const c_void, call: *mut c_void) -> c_int {
    // SAFETY: C has the owner of an event.
    let owner = unsafe { owner_of(owner) };
    for field in owner.arguments.fields() {
        // SAFETY: `call` is what the function takes. The strings live as long as the owner.
        let error = unsafe {
            ffi::rk_event_field(
                call,
                field.c_type.as_char_ptr(),
                field.name.as_char_ptr(),
                field.offset as c_int,
                field.size as c_int,
                field.is_signed,
            )
        };
        if error != 0 {
            return error;
        }
    }
    0
}

/// A consumer is added or removed.
///
/// # Safety
///
/// Called by event.c only, with the owner of an event.
#[no_mangle]
unsafe extern "C" fn rk_event_consumer(owner: *const c_void, add: bool) -> c_int {
    // SAFETY: C has the owner of an event.
    let owner = unsafe { owner_of(owner) };
    let changed = match add {
        true => owner.sites.add_consumer(),
        false => owner.sites.remove_consumer(),
    };
    match changed {
        Ok(()) => 0,
        Err(refusal) => refusal.errno().wrapping_neg(),
    }
}

/// Prints the arguments of a record.
///
/// # Safety
///
/// Called by event.c only, with the owner of an event, a record of `size` bytes
/// and what `rk_event_write` takes.
#[no_mangle]
unsafe extern "C" fn rk_event_print(
    owner: *const c_void,
    record: *const u8,
    size: usize,
    seq: *mut c_void,
) {
    // SAFETY: C has the owner of an event, and a record of this size.
    let (owner, record) = unsafe { (owner_of(owner), core::slice::from_raw_parts(record, size)) };
    // The sequence notes itself when it is full.
    let _ = owner.arguments.print(record, &mut Sequence(seq));
}

/// Writes the arguments of a hit into a record. Returns the size of the record.
///
/// # Safety
///
/// Called by event.c only, with the owner of an event, the registers of a hit and room for
/// `RK_EVENT_MAX` bytes.
#[no_mangle]
#[link_section = ".kprobes.text"]
unsafe extern "C" fn rk_event_fill(
    owner: *const c_void,
    regs: *const pt_regs,
    record: *mut u8,
) -> usize {
    // SAFETY: C has the owner of an event, registers, and a buffer of this size.
    let (owner, regs, record) = unsafe {
        (
            owner_of(owner),
            &*regs,
            core::slice::from_raw_parts_mut(record, ffi::RK_EVENT_MAX as usize),
        )
    };
    owner
        .arguments
        .run(&EventRegisters(regs), &EventMemory, record)
}
