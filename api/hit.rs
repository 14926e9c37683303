// SPDX-License-Identifier: GPL-2.0

//! What a handler of the Rust interface sees of a hit.

use crate::arch_x86::handlers;
pub use crate::arch_x86::handlers::Lane;
use kernel::bindings::pt_regs;

/// One hit of a probe, for as long as its handler runs.
///
/// # Context
///
/// The probe may have interrupted any context, an interrupt or an NMI too, and interrupts are off. So a
/// handler may only do what is safe in an NMI. It may use atomics and per-CPU data. It must not sleep,
/// take a lock that other code takes, or allocate. Registering, enabling, dropping and flushing probes
/// sleeps.
///
/// # Examples
///
/// A handler that counts the calls of a function with a large third argument:
///
/// ```
/// use kernel::sync::atomic::{Atomic, Relaxed};
/// use rust_kprobes::{Handler, Hit};
///
/// struct Large(Atomic<u64>);
///
/// #[vtable]
/// impl Handler for Large {
///     fn pre(&self, hit: &mut Hit<'_>) {
///         if hit.regs().argument(2) > Some(4096) {
///             self.0.add(1, Relaxed);
///         }
///     }
/// }
/// ```
pub struct Hit<'a> {
    regs: &'a mut pt_regs,
    addr: usize,
    index: usize,
}

impl<'a> Hit<'a> {
    pub(super) fn new(regs: &'a mut pt_regs, addr: usize, index: usize) -> Self {
        Self { regs, addr, index }
    }

    /// The probed address. For a target without an offset it follows the function's ENDBR.
    pub fn address(&self) -> usize {
        self.addr
    }

    /// Which target of a [`Registrations`](crate::Registrations) was hit; 0 for a
    /// [`Registration`](crate::Registration).
    pub fn index(&self) -> usize {
        self.index
    }

    /// How this CPU reached the handler. It may differ from hit to hit, because an int3 becomes a jump,
    /// and a jump becomes an int3.
    // It reads a variable of this module that is not exported, so it must not be inlined elsewhere.
    #[inline(never)]
    pub fn lane(&self) -> Lane {
        handlers::lane()
    }

    /// The registers: before the probed instruction in [`Handler::pre`](crate::Handler::pre), after it
    /// in [`Handler::post`](crate::Handler::post).
    pub fn regs(&self) -> &Registers {
        // SAFETY: `Registers` is a transparent wrapper of `pt_regs`.
        unsafe { &*core::ptr::from_ref::<pt_regs>(self.regs).cast() }
    }

    /// The registers, to be changed. Changes to the general registers and the flags take effect. A change
    /// to the instruction pointer does not.
    ///
    /// # Safety
    ///
    /// The interrupted code continues with the changed registers, and must be able to. The stack pointer
    /// must not be changed.
    pub unsafe fn regs_mut(&mut self) -> &mut pt_regs {
        self.regs
    }
}

/// The registers at a probe, for reading.
#[repr(transparent)]
pub struct Registers(pt_regs);

/// One function for each register of `pt_regs`.
macro_rules! registers {
    ($($name:ident)*) => {
        impl Registers {
            $(
                #[doc = concat!("The register `", stringify!($name), "`.")]
                pub fn $name(&self) -> usize {
                    self.0.$name as usize
                }
            )*
        }
    };
}

registers!(ax bx cx dx si di bp sp r8 r9 r10 r11 r12 r13 r14 r15 flags);

impl Registers {
    /// One of a function's first six integer or pointer arguments, counted from 0. It is right only while
    /// the argument is still in its register. That is certain at the function's entry only.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn example(hit: &rust_kprobes::Hit<'_>) -> Option<usize> {
    /// // vfs_read(file, buffer, count, position)
    /// let count = hit.regs().argument(2);
    /// # count
    /// # }
    /// ```
    pub fn argument(&self, index: usize) -> Option<usize> {
        match index {
            0 => Some(self.di()),
            1 => Some(self.si()),
            2 => Some(self.dx()),
            3 => Some(self.cx()),
            4 => Some(self.r8()),
            5 => Some(self.r9()),
            _ => None,
        }
    }
}
