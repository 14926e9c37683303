// SPDX-License-Identifier: GPL-2.0

//! The registers that an exception or the function tracer saved, for emulation.

use crate::out_of_line::emulate::Regs;
use core::ptr::addr_of_mut;
use kernel::bindings::pt_regs;

/// The saved registers of the interrupted code, while a handler runs.
pub(crate) struct SavedRegs(pub(crate) *mut pt_regs);

impl SavedRegs {
    fn gpr_place(&self, number: u8) -> *mut u64 {
        let regs = self.0;
        // SAFETY: The block computes addresses inside the registers, and reads nothing.
        let place = unsafe {
            match number {
                0 => addr_of_mut!((*regs).ax),
                1 => addr_of_mut!((*regs).cx),
                2 => addr_of_mut!((*regs).dx),
                3 => addr_of_mut!((*regs).bx),
                4 => addr_of_mut!((*regs).sp),
                5 => addr_of_mut!((*regs).bp),
                6 => addr_of_mut!((*regs).si),
                7 => addr_of_mut!((*regs).di),
                8 => addr_of_mut!((*regs).r8),
                9 => addr_of_mut!((*regs).r9),
                10 => addr_of_mut!((*regs).r10),
                11 => addr_of_mut!((*regs).r11),
                12 => addr_of_mut!((*regs).r12),
                13 => addr_of_mut!((*regs).r13),
                14 => addr_of_mut!((*regs).r14),
                _ => addr_of_mut!((*regs).r15),
            }
        };
        place.cast()
    }
}

impl Regs for SavedRegs {
    fn ip(&self) -> u64 {
        // SAFETY: The exception or the tracer saved the registers, which stay valid while a handler
        // runs.
        unsafe { (*self.0).ip as u64 }
    }

    fn set_ip(&mut self, ip: u64) {
        // SAFETY: The registers stay valid while a handler runs.
        unsafe { (*self.0).ip = ip as usize };
    }

    fn flags(&self) -> u64 {
        // SAFETY: The registers stay valid while a handler runs.
        unsafe { (*self.0).flags as u64 }
    }

    fn set_flags(&mut self, flags: u64) {
        // SAFETY: The registers stay valid while a handler runs.
        unsafe { (*self.0).flags = flags as usize };
    }

    fn gpr(&self, number: u8) -> u64 {
        // SAFETY: The place is inside the registers.
        unsafe { self.gpr_place(number).read() }
    }

    fn set_gpr(&mut self, number: u8, value: u64) {
        // SAFETY: The place is inside the registers.
        unsafe { self.gpr_place(number).write(value) };
    }

    fn push(&mut self, value: u64) {
        let sp = self.gpr(4).wrapping_sub(8);
        self.set_gpr(4, sp);
        // SAFETY: The entry of an int3 leaves a gap below the interrupted stack for this push
        // (arch/x86/entry/entry_64.S: idtentry of exc_int3). FRED has a red zone there.
        unsafe { (sp as *mut u64).write(value) };
    }

    fn pop(&mut self) -> u64 {
        let sp = self.gpr(4);
        self.set_gpr(4, sp.wrapping_add(8));
        // SAFETY: The emulated instruction would read there too.
        unsafe { (sp as *const u64).read() }
    }
}
