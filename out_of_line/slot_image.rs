// SPDX-License-Identifier: GPL-2.0

//! The contents of a slot: the detour of a site, and the copies of its instructions.
//!
//! ```text
//! trap pointer | push ss sp flags cs ip, call rk_detour_entry | drop ip cs, popf, drop sp ss
//! | copy of the region, jmp after it | copy of the first instruction, jmp after it
//! | pushf, push rax, count at gs:(rax), pop rax, popf, jmp to the copy of the region
//! ```
//!
//! The jump of a site enters the slot at [`DETOUR`]. The hits of an int3 that is about to become a
//! jump continue at the copy of the region. The hits of an int3 that stays continue at the copy of
//! the first instruction; if the region is one instruction, both copies are the same. The last part
//! exists if a probe without handlers was added: the jump of a site whose probes only count goes
//! there. The flags are saved only where an instruction may use them.

use crate::insn_decode::opcodes::{
    CALL_REL32,
    INT3,
    JMP_REL32,
    JUMP_LEN, //
};
use crate::out_of_line::relocate::{
    jmp_rel32,
    relocate,
    CopyRefusal, //
};

/// Bytes of a slot. A detour and both copies always fit, the counting part nearly always.
pub const SLOT: usize = 96;

/// The offset of a detour's code, after the trap pointer.
pub const DETOUR: usize = 8;

/// The offset of the return address of the call in a detour. detour.h has it for detour_entry.S.
pub const RETURN: usize = 24;

/// The offset of that call.
pub const CALL: usize = RETURN - JUMP_LEN;

/// A no-op as long as the call. Without the call a detour pushes and pops, and continues in the copy of
/// the region.
pub const NO_CALL: [u8; JUMP_LEN] = [0x0f, 0x1f, 0x44, 0x00, 0x00];

/// Bytes that [`Image::step`] appends for an instruction of `len` bytes.
pub const fn step_len(len: u8) -> usize {
    len as usize + 1
}

/// `push $__KERNEL_DS; push %rsp; pushf; push $__KERNEL_CS; push $imm32`
const PUSHES: [u8; 7] = [0x6a, 0x18, 0x54, 0x9c, 0x6a, 0x10, 0x68];

/// `lea 16(%rsp),%rsp; popf; lea 16(%rsp),%rsp`, because `lea` does not change the flags.
const POPS: [u8; 11] = [
    0x48, 0x8d, 0x64, 0x24, 0x10, 0x9d, 0x48, 0x8d, 0x64, 0x24, 0x10,
];

/// `pushf`, `popf`
const PUSHF: u8 = 0x9c;
const POPF: u8 = 0x9d;

/// `push %rax; movabs $imm64,%rax`
const COUNTER_IN_RAX: [u8; 3] = [0x50, 0x48, 0xb8];

/// `incq %gs:(%rax); pop %rax`. The increment is one instruction, so neither preemption nor an
/// interrupt can split it, and it counts on one CPU.
const INCREMENT: [u8; 5] = [0x65, 0x48, 0xff, 0x00, 0x58];

/// The bytes of a slot.
pub struct Image {
    /// The bytes to write at the slot's address. Unused bytes are int3.
    pub bytes: [u8; SLOT],
    len: usize,
    dst: u64,
}

impl Image {
    /// An empty slot for the address `dst`.
    pub fn new(dst: usize) -> Self {
        Self {
            bytes: [INT3; SLOT],
            len: 0,
            dst: dst as u64,
        }
    }

    /// The slot at `dst`, of which the first `used` bytes are written. New parts are appended to
    /// them.
    pub fn behind(dst: usize, used: usize) -> Self {
        Self {
            len: used,
            ..Self::new(dst)
        }
    }

    /// How many bytes are used.
    pub fn used(&self) -> usize {
        self.len
    }

    fn here(&self) -> u64 {
        self.dst.wrapping_add(self.len as u64)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), CopyRefusal> {
        let end = self
            .len
            .checked_add(bytes.len())
            .ok_or(CopyRefusal::NoSpace)?;
        let place = self
            .bytes
            .get_mut(self.len..end)
            .ok_or(CopyRefusal::NoSpace)?;
        place.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// Appends a copy of `bytes`, the whole instructions at `addr`, and the jump back to the
    /// instruction after them. A copy that ends with a jump or a return has an int3 there, which is
    /// never executed. Returns the address of the copy.
    ///
    /// # Errors
    ///
    /// Why there is no copy. Nothing is appended.
    pub fn copy(&mut self, addr: usize, bytes: &[u8]) -> Result<usize, CopyRefusal> {
        self.whole(|image| image.try_copy(addr, bytes))
    }

    /// Appends the whole of `part`, or nothing.
    fn whole(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<usize, CopyRefusal>,
    ) -> Result<usize, CopyRefusal> {
        let start = self.len;
        let result = part(self);
        if result.is_err() {
            self.len = start;
            if let Some(rest) = self.bytes.get_mut(start..) {
                rest.fill(INT3);
            }
        }
        result
    }

    fn try_copy(&mut self, addr: usize, bytes: &[u8]) -> Result<usize, CopyRefusal> {
        let at = self.here();
        let out = self.bytes.get_mut(self.len..).ok_or(CopyRefusal::NoSpace)?;
        let copied = relocate(bytes, addr as u64, at, out)?;
        self.len = self.len.wrapping_add(copied.len);
        if copied.falls_through {
            let end = (addr as u64).wrapping_add(bytes.len() as u64);
            let jump = jmp_rel32(self.here(), end)?;
            self.put(&jump)?;
        } else {
            // The processor may speculate past a return or an indirect jump, into the next part.
            self.put(&[INT3])?;
        }
        Ok(at as usize)
    }

    /// Appends a copy of `bytes`, the instruction at `addr`, and an int3 after it. Returns the
    /// address of the copy.
    ///
    /// # Errors
    ///
    /// Why there is no copy. The image may have a part of it.
    pub fn step(&mut self, addr: usize, bytes: &[u8]) -> Result<usize, CopyRefusal> {
        let at = self.here();
        let out = self.bytes.get_mut(self.len..).ok_or(CopyRefusal::NoSpace)?;
        let copied = relocate(bytes, addr as u64, at, out)?;
        // The trap finds the end of the copy by the length of the original instruction.
        if copied.len != bytes.len() || !copied.falls_through {
            return Err(CopyRefusal::NoSpace);
        }
        self.len = self.len.wrapping_add(copied.len);
        self.put(&[INT3])?;
        Ok(at as usize)
    }

    /// Appends the code that adds one to the per-CPU `counter` and continues at `copy`, the copy of
    /// the region. Returns the address of this code.
    ///
    /// # Errors
    ///
    /// `NoSpace`, `OutOfRange`. Nothing is appended.
    pub fn count(
        &mut self,
        counter: u64,
        keep_flags: bool,
        copy: usize,
    ) -> Result<usize, CopyRefusal> {
        self.whole(|image| image.try_count(counter, keep_flags, copy))
    }

    fn try_count(
        &mut self,
        counter: u64,
        keep_flags: bool,
        copy: usize,
    ) -> Result<usize, CopyRefusal> {
        let at = self.here();
        if keep_flags {
            self.put(&[PUSHF])?;
        }
        self.put(&COUNTER_IN_RAX)?;
        self.put(&counter.to_le_bytes())?;
        self.put(&INCREMENT)?;
        if keep_flags {
            self.put(&[POPF])?;
        }
        let jump = jmp_rel32(self.here(), copy as u64)?;
        self.put(&jump)?;
        Ok(at as usize)
    }

    /// Makes the detour of the region `bytes` at `addr` in an empty image. `trap` is the pointer
    /// that `rk_detour_entry`, whose address is `entry`, gives to the handlers. Returns the address
    /// of the region's copy.
    ///
    /// # Errors
    ///
    /// Why there is no detour. The image is empty again.
    pub fn detour(
        &mut self,
        trap: u64,
        entry: u64,
        addr: usize,
        bytes: &[u8],
    ) -> Result<usize, CopyRefusal> {
        let result = self.try_detour(trap, entry, addr, bytes);
        if result.is_err() {
            *self = Self::new(self.dst as usize);
        }
        result
    }

    fn try_detour(
        &mut self,
        trap: u64,
        entry: u64,
        addr: usize,
        bytes: &[u8],
    ) -> Result<usize, CopyRefusal> {
        self.put(&trap.to_le_bytes())?;
        self.put(&PUSHES)?;
        // Kernel text is in the upper 2 GiB, and `push` extends the sign of its 32 bits.
        let ip = (addr as u64).wrapping_add(1);
        let low = ip as i32;
        if i64::from(low) as u64 != ip {
            return Err(CopyRefusal::OutOfRange);
        }
        self.put(&low.to_le_bytes())?;
        let mut call = jmp_rel32(self.here(), entry)?;
        if let Some(opcode @ &mut JMP_REL32) = call.first_mut() {
            *opcode = CALL_REL32;
        }
        self.put(&call)?;
        self.put(&POPS)?;
        self.copy(addr, bytes)
    }
}

/// The jump of a site to a part of its slot, as it is written over the first bytes of the region.
///
/// # Errors
///
/// `OutOfRange`.
pub fn jump(addr: usize, to: usize) -> Result<[u8; JUMP_LEN], CopyRefusal> {
    jmp_rel32(addr as u64, to as u64)
}
