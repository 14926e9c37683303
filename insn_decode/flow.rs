// SPDX-License-Identifier: GPL-2.0

//! The words for the effect of an instruction on the instruction pointer and on the arithmetic
//! flags.

/// A condition of Jcc, as the low four bits of its opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cond(u8);

impl Cond {
    const CARRY: u64 = 1 << 0;
    const PARITY: u64 = 1 << 2;
    const ZERO: u64 = 1 << 6;
    const SIGN: u64 = 1 << 7;
    const OVERFLOW: u64 = 1 << 11;

    /// The condition in the low four bits of `opcode`.
    pub const fn of_opcode(opcode: u8) -> Cond {
        Cond(opcode & 15)
    }

    /// The low four bits of the opcodes that test this condition.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether the condition holds with these flags.
    pub const fn holds(self, flags: u64) -> bool {
        let less = (flags & Self::SIGN != 0) != (flags & Self::OVERFLOW != 0);
        let even = match self.0 >> 1 {
            0 => flags & Self::OVERFLOW != 0,
            1 => flags & Self::CARRY != 0,
            2 => flags & Self::ZERO != 0,
            3 => flags & (Self::CARRY | Self::ZERO) != 0,
            4 => flags & Self::SIGN != 0,
            5 => flags & Self::PARITY != 0,
            6 => less,
            _ => less || flags & Self::ZERO != 0,
        };
        // Each odd condition is the negation of the even one before it.
        even != (self.0 & 1 != 0)
    }
}

/// The branches that test the count register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopKind {
    /// LOOPNE: counts down, branches unless the count is zero or ZF is set.
    Loopne,
    /// LOOPE: counts down, branches unless the count is zero or ZF is clear.
    Loope,
    /// LOOP: counts down, branches unless the count is zero.
    Loop,
    /// JRCXZ, JECXZ: branches if the count is zero, changes nothing.
    Jcxz,
}

/// Where execution continues after an instruction.
///
/// Displacements count from the instruction's end. Registers are numbered 0 (RAX) to 15
/// (R15) as in the encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// At the next instruction.
    Next,
    /// JMP to a relative target.
    Jmp {
        /// The displacement.
        rel: i32,
    },
    /// Jcc.
    Jcc {
        /// The condition of the branch.
        cond: Cond,
        /// The displacement.
        rel: i32,
    },
    /// LOOP, LOOPE, LOOPNE, JRCXZ.
    Loop {
        /// Which of them.
        kind: LoopKind,
        /// Counts in ECX instead of RCX.
        ecx: bool,
        /// The displacement.
        rel: i32,
    },
    /// CALL of a relative target.
    Call {
        /// The displacement.
        rel: i32,
    },
    /// Near JMP through a register.
    JmpReg {
        /// The register.
        reg: u8,
    },
    /// Near JMP through memory.
    JmpMem,
    /// Near CALL through a register.
    CallReg {
        /// The register.
        reg: u8,
    },
    /// Near CALL through memory.
    CallMem,
    /// JMPABS, and near branches through the registers that APX adds.
    Apx,
    /// Near RET.
    Ret {
        /// Bytes removed from the stack besides the return address.
        pop: u16,
    },
    /// Far JMP, CALL or RET.
    Far,
    /// IRET, UIRET, ERETS, ERETU and RSM.
    ReturnFromEvent,
    /// SYSCALL, SYSENTER, SYSRET, SYSEXIT and GETSEC.
    System,
    /// VMCALL, VMLAUNCH, VMRESUME, VMXOFF, VMRUN, VMMCALL, SKINIT, and calls to and from SEAM.
    Vm,
    /// XBEGIN, whose operand is the target of an abort.
    Xbegin {
        /// The displacement.
        rel: i32,
    },
    /// INT3.
    Int3,
    /// INT n and INT1.
    Int,
    /// UD0, UD1, UD2, UDB, and every instruction after an emulation prefix.
    Undefined,
    /// HLT, MWAIT and MWAITX, which wait for an interrupt.
    Halt,
}

impl Flow {
    /// The displacement of a relative branch or call.
    pub const fn displacement(self) -> Option<i32> {
        match self {
            Flow::Jmp { rel }
            | Flow::Jcc { rel, .. }
            | Flow::Loop { rel, .. }
            | Flow::Call { rel }
            | Flow::Xbegin { rel } => Some(rel),
            _ => None,
        }
    }

    /// Whether the following instruction can run next without a return to it.
    pub const fn falls_through(self) -> bool {
        matches!(
            self,
            Flow::Next
                | Flow::Jcc { .. }
                | Flow::Loop { .. }
                | Flow::Vm
                | Flow::Xbegin { .. }
                | Flow::Halt
        )
    }
}

/// The effect of an instruction on CF, PF, AF, ZF, SF and OF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagsEffect {
    /// It may use one of them, or execution may continue elsewhere, where their use is unknown.
    Reads,
    /// It uses none of them and gives each a new value.
    Overwrites,
    /// It uses none of them and changes at most some of them.
    Neither,
}
