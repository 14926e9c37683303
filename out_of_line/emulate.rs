// SPDX-License-Identifier: GPL-2.0

//! Instructions that a breakpoint handler executes itself, on the saved registers.
//!
//! Near branches, calls and returns need no copy of the instruction, because their whole effect is
//! on the instruction pointer, the stack and the count register. The four instructions that work on
//! the flags register need no copy either, because they change that register and the stack alone.

use crate::insn_decode::{
    Cond,
    Encoding,
    Flow,
    Insn,
    LoopKind,
    OpcodeMap,
    Prefixes, //
};

/// The registers and the stack of the context that hit the breakpoint.
///
/// General registers are numbered as in the instruction encoding, 0 (RAX) to 15 (R15).
pub trait Regs {
    /// The instruction pointer.
    fn ip(&self) -> u64;
    /// Sets the instruction pointer.
    fn set_ip(&mut self, ip: u64);
    /// The flags register.
    fn flags(&self) -> u64;
    /// Sets the flags register.
    fn set_flags(&mut self, flags: u64);
    /// General register `number`.
    fn gpr(&self, number: u8) -> u64;
    /// Sets general register `number`.
    fn set_gpr(&mut self, number: u8, value: u64);
    /// Decreases the stack pointer by eight and stores `value` there.
    fn push(&mut self, value: u64);
    /// Loads the word at the stack pointer and increases the stack pointer by eight.
    fn pop(&mut self) -> u64;
}

/// An instruction that can be emulated, with the operands of its emulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulation {
    /// JMP to an absolute address.
    Jmp {
        /// The address.
        target: u64,
    },
    /// Jcc.
    Jcc {
        /// The condition of the branch.
        cond: Cond,
        /// The address.
        target: u64,
    },
    /// LOOP, LOOPE, LOOPNE, JRCXZ.
    Loop {
        /// Which of them.
        kind: LoopKind,
        /// Counts in ECX instead of RCX.
        ecx: bool,
        /// The address.
        target: u64,
    },
    /// CALL of an absolute address.
    Call {
        /// The address.
        target: u64,
    },
    /// JMP through a register.
    JmpReg {
        /// The register.
        reg: u8,
    },
    /// CALL through a register.
    CallReg {
        /// The register.
        reg: u8,
    },
    /// RET.
    Ret {
        /// Bytes removed from the stack besides the return address.
        pop: u16,
    },
    /// CLI.
    Cli,
    /// STI.
    Sti,
    /// PUSHF of 64 bits.
    Pushf,
    /// POPF of 64 bits.
    Popf,
}

/// The place of the instruction pointer after an emulated instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// After the instruction.
    FellThrough,
    /// At its target.
    Branched,
}

const RCX: u8 = 1;
const RSP: u8 = 4;
const ZERO: u64 = 1 << 6;
const INTERRUPT: u64 = 1 << 9;
const RESUME: u64 = 1 << 16;
const VIRTUAL_8086: u64 = 1 << 17;
/// POPF does not change VM, VIF and VIP.
const POPF_KEEPS: u64 = VIRTUAL_8086 | 1 << 19 | 1 << 20;
/// The bits of the flags register that POPF can set. The others are reserved.
const POPF_SETS: u64 = 0x0024_7fd5;
/// Bit 1 is always set.
const FIXED: u64 = 1 << 1;

impl Emulation {
    /// The emulation of `insn`; `None` if the instruction must run itself.
    pub fn of(insn: &Insn) -> Option<Emulation> {
        // On near branches Intel ignores the operand size, and AMD truncates the target to 16 bits.
        if insn
            .prefixes
            .has(Prefixes::OPERAND_SIZE.with(Prefixes::LOCK))
        {
            return None;
        }
        Some(match (insn.flow, insn.target()) {
            (Flow::Jmp { .. }, Some(target)) => Emulation::Jmp { target },
            (Flow::Jcc { cond, .. }, Some(target)) => Emulation::Jcc { cond, target },
            (Flow::Loop { kind, ecx, .. }, Some(target)) => Emulation::Loop { kind, ecx, target },
            (Flow::Call { .. }, Some(target)) => Emulation::Call { target },
            (Flow::JmpReg { reg }, _) => Emulation::JmpReg { reg },
            (Flow::CallReg { reg }, _) => Emulation::CallReg { reg },
            (Flow::Ret { pop }, _) => Emulation::Ret { pop },
            (Flow::Next, _) => return Self::of_flags_register(insn),
            _ => return None,
        })
    }

    fn of_flags_register(insn: &Insn) -> Option<Emulation> {
        if insn.encoding != Encoding::Legacy || insn.map != OpcodeMap::Primary {
            return None;
        }
        match insn.opcode {
            0x9c => Some(Emulation::Pushf),
            0x9d => Some(Emulation::Popf),
            0xfa => Some(Emulation::Cli),
            0xfb => Some(Emulation::Sti),
            _ => None,
        }
    }

    /// Changes `regs` as the instruction of `len` bytes at `addr` would.
    pub fn apply<R: Regs>(self, regs: &mut R, addr: u64, len: u8) -> Outcome {
        let next = addr.wrapping_add(u64::from(len));
        let target = match self {
            Emulation::Jmp { target } => Some(target),
            Emulation::Jcc { cond, target } => cond.holds(regs.flags()).then_some(target),
            Emulation::Loop { kind, ecx, target } => count_down(kind, ecx, regs).then_some(target),
            Emulation::Call { target } => {
                regs.push(next);
                Some(target)
            }
            Emulation::JmpReg { reg } => Some(regs.gpr(reg)),
            Emulation::CallReg { reg } => {
                // Before the push, because CALL RSP uses the stack pointer from before the push.
                let target = regs.gpr(reg);
                regs.push(next);
                Some(target)
            }
            Emulation::Ret { pop } => {
                let target = regs.pop();
                regs.set_gpr(RSP, regs.gpr(RSP).wrapping_add(u64::from(pop)));
                Some(target)
            }
            Emulation::Cli | Emulation::Sti | Emulation::Pushf | Emulation::Popf => {
                self.apply_to_flags(regs);
                None
            }
        };
        regs.set_ip(target.unwrap_or(next));
        match target {
            Some(_) => Outcome::Branched,
            None => Outcome::FellThrough,
        }
    }

    fn apply_to_flags<R: Regs>(self, regs: &mut R) {
        let flags = regs.flags();
        match self {
            Emulation::Cli => regs.set_flags(flags & !INTERRUPT),
            Emulation::Sti => regs.set_flags(flags | INTERRUPT),
            Emulation::Pushf => regs.push(flags & !(RESUME | VIRTUAL_8086)),
            Emulation::Popf => {
                let popped = regs.pop() & POPF_SETS;
                regs.set_flags(flags & POPF_KEEPS | popped | FIXED);
            }
            _ => {}
        }
    }
}

/// Counts down as `kind` does, and returns whether it branches.
fn count_down<R: Regs>(kind: LoopKind, ecx: bool, regs: &mut R) -> bool {
    let mask = if ecx { u64::from(u32::MAX) } else { u64::MAX };
    let count = regs.gpr(RCX) & mask;
    if kind == LoopKind::Jcxz {
        return count == 0;
    }
    // Counts before it tests. Writing ECX clears the upper half of RCX.
    let count = count.wrapping_sub(1) & mask;
    regs.set_gpr(RCX, count);
    let zero = regs.flags() & ZERO != 0;
    count != 0
        && match kind {
            LoopKind::Loope => zero,
            LoopKind::Loopne => !zero,
            _ => true,
        }
}
