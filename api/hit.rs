// SPDX-License-Identifier: GPL-2.0

//! What a typed handler gets to see of a hit.

use crate::arch_x86::handlers;
pub use crate::arch_x86::handlers::Lane;
use kernel::bindings::pt_regs;

/// One hit of a probe, for as long as its handler runs.
///
/// # Context
///
/// Whatever the probe interrupted is still going on, possibly an interrupt or an NMI, and
/// interrupts are off. So a handler may only do what is safe in an NMI: atomics and per-CPU data,
/// but no sleep, no lock that others take, no allocation. Registering, enabling, dropping and
/// flushing probes sleeps.
pub struct Hit<'a> {
    regs: &'a mut pt_regs,
    addr: usize,
    index: usize,
}

impl<'a> Hit<'a> {
    pub(super) fn new(regs: &'a mut pt_regs, addr: usize, index: usize) -> Self {
        Self { regs, addr, index }
    }

    /// The probed address. `symbol` without an offset is behind the function's ENDBR.
    pub fn address(&self) -> usize {
        self.addr
    }

    /// Which target of a [`Registrations`](crate::Registrations) was hit; 0 for a
    /// [`Registration`](crate::Registration).
    pub fn index(&self) -> usize {
        self.index
    }

    /// How this CPU came here. It may differ from hit to hit: an int3 becomes a jump, and back.
    // What it reads is in this module, and not exported.
    #[inline(never)]
    pub fn lane(&self) -> Lane {
        handlers::lane()
    }

    /// The registers: before the probed instruction in [`Handler::pre`](crate::Handler::pre),
    /// behind it in [`Handler::post`](crate::Handler::post).
    pub fn regs(&self) -> &Registers {
        // SAFETY: `Registers` is a transparent wrapper.
        unsafe { &*core::ptr::from_ref::<pt_regs>(self.regs).cast() }
    }

    /// The registers, to be changed: general registers and flags take effect, the instruction
    /// pointer does not.
    ///
    /// # Safety
    ///
    /// The interrupted code goes on with what is in them: it must be able to. The stack pointer
    /// must not be changed.
    pub unsafe fn regs_mut(&mut self) -> &mut pt_regs {
        self.regs
    }
}

/// The registers at a probe, to be read.
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
    /// An integer or pointer argument of a function, counted from 0: of its first six, and only
    /// where they are still in their registers, which is certain at its entry alone.
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
