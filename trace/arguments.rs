// SPDX-License-Identifier: GPL-2.0

//! The arguments of an event, for the kernel's text and memory.

use crate::arguments::{
    ArgumentError,
    Arguments,
    HitMemory,
    HitRegisters,
    KernelFacts,
    KernelTypes,
    Printer,
    ProbePlace,
    Space,
    FIXED_MAX,
    FUNC,
    HEAD,
    REGISTERS, //
};
use crate::insn_decode::decode;
use crate::insn_decode::opcodes::ENDBR_LEN;
use crate::sys::ffi;
use crate::sys::growable::Small;
use crate::sys::symbols;
use crate::sys::target::c_string;
use crate::sys::types::{
    FoundTypes,
    TypeSet, //
};
use core::ffi::c_void;
use kernel::bindings::pt_regs;
use kernel::prelude::*;

// The record's buffer has room for each event.
const _: () = assert!(ffi::RK_EVENT_HEAD as usize == HEAD);
const _: () = assert!(ffi::RK_EVENT_MAX as usize >= HEAD + FIXED_MAX);

/// The arguments of an event.
pub(crate) type EventArguments = Arguments<Small>;

/// Where the sites of an event are, for its arguments.
#[derive(Clone, Copy)]
pub(crate) struct EventPlace {
    place: ProbePlace,
    /// All sites were known when the arguments were compiled.
    is_known: bool,
}

impl EventPlace {
    /// The place of sites at `addrs`. `waiting`: there are other sites without an address, and whether
    /// they are at entries of functions.
    pub(crate) fn new(mut addrs: impl Iterator<Item = usize>, waiting: Option<bool>) -> Self {
        let first = addrs.next();
        let second = addrs.next();
        let mut known = Iterator::chain(Iterator::chain(first.into_iter(), second), addrs);
        let is_alone = second.is_none() && (first.is_none() || waiting.is_none());
        let place = match waiting.unwrap_or(true) && known.all(is_entry) {
            true if is_alone => ProbePlace::Entry,
            true => ProbePlace::Entries,
            false => ProbePlace::Inside,
        };
        Self {
            place,
            is_known: waiting.is_none(),
        }
    }

    /// Whether arguments that were compiled for this place can be compiled for sites at `other`.
    pub(crate) fn fits(&self, other: &Self) -> bool {
        match (self.place, other.place) {
            (ProbePlace::Inside, _) => true,
            (_, ProbePlace::Inside) => false,
            // The names of one function's parameters are not those of several functions.
            (ProbePlace::Entry, ProbePlace::Entries) => !self.is_known,
            _ => true,
        }
    }
}

/// Compiles the arguments of an event. The first of its sites is at `addr`.
///
/// # Errors
///
/// The first argument that is refused.
pub(crate) fn arguments(
    text: &[u8],
    place: EventPlace,
    addr: Option<usize>,
) -> Result<EventArguments, ArgumentError> {
    let mut numbers = ffi::rk_event_facts::default();
    // SAFETY: The function writes the facts.
    unsafe { ffi::rk_event_facts(&mut numbers) };
    let facts = EventFacts {
        numbers,
        addr: addr.filter(|_| place.is_known),
        types: FoundTypes::new(),
    };
    Arguments::parse(text, 0, place.place, &facts)
}

/// Whether a function begins at `addr`. The ENDBR at a function's entry changes no register.
fn is_entry(addr: usize) -> bool {
    let start = symbols::bounds(addr).map_or(0, |function| function.start);
    match addr.wrapping_sub(start) {
        0 => true,
        ENDBR_LEN => begins_with_endbr(start as u64),
        _ => false,
    }
}

fn begins_with_endbr(start: u64) -> bool {
    let mut bytes = [0; ENDBR_LEN];
    EventMemory.read(Space::Kernel, start, &mut bytes)
        && decode(&bytes, start).is_ok_and(|insn| insn.is_endbr())
}

struct EventFacts {
    numbers: ffi::rk_event_facts,
    /// The first of the addresses. `None` if not all sites are known.
    addr: Option<usize>,
    types: FoundTypes,
}

impl KernelTypes for EventFacts {
    type Set = TypeSet;

    fn find(&self, kind: u32, name: &[u8]) -> Option<(TypeSet, u32)> {
        self.types.find(kind, name)
    }

    fn bytes(&self, set: TypeSet, number: u32) -> Option<&[u8]> {
        self.types.bytes(set, number)
    }

    fn name(&self, set: TypeSet, offset: u32) -> Option<&[u8]> {
        self.types.name(set, offset)
    }
}

impl KernelFacts for EventFacts {
    fn symbol(&self, name: &[u8]) -> Option<u64> {
        let addr = symbols::lookup(&c_string(name).ok()?);
        (addr != 0).then_some(addr as u64)
    }

    fn stack_size(&self) -> u64 {
        self.numbers.stack_size
    }

    fn dentry_name(&self) -> i32 {
        self.numbers.dentry_name
    }

    fn file_dentry(&self) -> i32 {
        self.numbers.file_dentry
    }

    // A function of the kernel may have the name of a module's function, and another type.
    fn function(&self) -> Option<(TypeSet, u32)> {
        let addr = self.addr?;
        let symbol = symbols::function(addr)?;
        self.types
            .find(FUNC, symbol.name().to_bytes())
            .filter(|(set, _)| self.types.has_text(*set, addr))
    }
}

/// The registers of a hit.
pub(super) struct EventRegisters<'a>(pub(super) &'a pt_regs);

impl HitRegisters for EventRegisters<'_> {
    #[inline]
    fn register(&self, number: usize) -> u64 {
        const _: () = assert!(size_of::<pt_regs>() == REGISTERS * size_of::<u64>());
        let words = core::ptr::from_ref(self.0).cast::<u64>();
        match number < REGISTERS {
            // SAFETY: A pt_regs has as many words.
            true => unsafe { words.add(number).read() },
            false => 0,
        }
    }
}

/// The memory of the kernel and of the current task.
pub(super) struct EventMemory;

impl HitMemory for EventMemory {
    fn read(&self, space: Space, address: u64, to: &mut [u8]) -> bool {
        // SAFETY: The buffer has the length, and an address that is not mapped is a fault.
        unsafe { ffi::rk_event_read(space == Space::User, address, to.as_mut_ptr(), to.len()) }
    }

    fn read_string(&self, space: Space, address: u64, to: &mut [u8]) -> Option<usize> {
        // SAFETY: As in `read`.
        let len = unsafe {
            ffi::rk_event_read_string(space == Space::User, address, to.as_mut_ptr(), to.len())
        };
        usize::try_from(len).ok()
    }

    fn comm(&self) -> u64 {
        // SAFETY: The function has no condition.
        unsafe { ffi::rk_event_comm() }
    }

    fn current(&self) -> u64 {
        // SAFETY: The function has no condition.
        unsafe { ffi::rk_event_current() }
    }

    fn this_cpu(&self, variable: u64) -> u64 {
        // SAFETY: The function computes an address. Interrupts are off.
        unsafe { ffi::rk_event_this_cpu(variable) }
    }

    fn write_symbol(&self, address: u64, to: &mut [u8]) -> usize {
        // SAFETY: The buffer has the length.
        unsafe { ffi::rk_event_symbol(address, to.as_mut_ptr(), to.len()) }
    }
}

/// Where a record is printed.
pub(super) struct Sequence(pub(super) *mut c_void);

impl core::fmt::Write for Sequence {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.bytes(text.as_bytes())
    }
}

impl Printer for Sequence {
    fn bytes(&mut self, bytes: &[u8]) -> core::fmt::Result {
        // SAFETY: `rk_event_print` got the pointer for this, and the bytes are as many.
        unsafe { ffi::rk_event_write(self.0, bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    fn symbol(&mut self, address: u64) -> core::fmt::Result {
        // SAFETY: As in `bytes`.
        unsafe { ffi::rk_event_write_symbol(self.0, address) };
        Ok(())
    }
}
