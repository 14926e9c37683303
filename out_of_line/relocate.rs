// SPDX-License-Identifier: GPL-2.0

//! Copies of whole instructions that have the same effect at another address.
//!
//! Relative branches get their long forms, and RIP-relative operands get a new displacement. A call
//! becomes a push of the original's return address and a jump. Therefore stacks and unwinders see
//! the original place, and nothing ever returns into the copy.

use crate::insn_decode::opcodes::{
    JMP_REL32,
    JUMP_LEN, //
};
use crate::insn_decode::{
    decode,
    Cond,
    Flow,
    Insn,
    LoopKind,
    Prefixes,
    MAX_INSN_LEN, //
};
use core::ffi::CStr;

/// The most bytes of a copy of `region` bytes of instructions. The worst instructions are two-byte
/// conditional branches (six bytes), two-byte loops (nine), and a call at the end (eighteen).
pub const fn worst_copy_len(region: usize) -> usize {
    region.saturating_mul(5).saturating_add(18)
}

/// Why instructions cannot be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyRefusal {
    /// The bytes are not whole instructions.
    Undecodable,
    /// An instruction after an emulation prefix.
    ForcedEmulation,
    /// A far branch, call or return.
    Far,
    /// A return from an interrupt or exception.
    ReturnFromEvent,
    /// SYSCALL, SYSENTER, SYSRET, SYSEXIT or GETSEC.
    System,
    /// A call of the hypervisor or into a guest.
    Vm,
    /// The start of a hardware transaction.
    Transaction,
    /// A breakpoint.
    Breakpoint,
    /// A software interrupt.
    SoftwareInterrupt,
    /// UD0, UD1, UD2 or UDB.
    UndefinedInsn,
    /// HLT or MWAIT.
    Halt,
    /// MOV SS.
    StackSegment,
    /// ENDBR.
    Endbr,
    /// A branch with an operand-size or LOCK prefix.
    BranchPrefix,
    /// An absolute jump, or a branch through a register, of APX.
    Apx,
    /// A call before the end of the region.
    CallNotLast,
    /// A branch to the inside of the region.
    JumpIntoRegion,
    /// An operand relative to EIP.
    EipRelative,
    /// A call through the stack pointer.
    CallThroughStack,
    /// The copy is more than 2 GiB away from an address that it refers to.
    OutOfRange,
    /// A store that tells RCU-tasks that its task is outside of all copies, while the task is in one.
    QuiescentStore,
    /// The copy does not fit the buffer.
    NoSpace,
}

impl CopyRefusal {
    /// The reason as a short text.
    pub const fn text(self) -> &'static str {
        match self.c_text().to_str() {
            Ok(text) => text,
            Err(_) => "",
        }
    }

    /// [`CopyRefusal::text`] for users of C.
    pub const fn c_text(self) -> &'static CStr {
        match self {
            CopyRefusal::Undecodable => c"undecodable instruction",
            CopyRefusal::ForcedEmulation => c"instruction with emulation prefix",
            CopyRefusal::Far => c"far branch",
            CopyRefusal::ReturnFromEvent => c"interrupt return",
            CopyRefusal::System => c"system call instruction",
            CopyRefusal::Vm => c"virtualization instruction",
            CopyRefusal::Transaction => c"transaction start",
            CopyRefusal::Breakpoint => c"breakpoint instruction",
            CopyRefusal::SoftwareInterrupt => c"software interrupt",
            CopyRefusal::UndefinedInsn => c"undefined instruction",
            CopyRefusal::Halt => c"instruction that waits for an interrupt",
            CopyRefusal::StackSegment => c"load of the stack segment",
            CopyRefusal::Endbr => c"indirect branch target",
            CopyRefusal::BranchPrefix => c"branch with operand-size prefix",
            CopyRefusal::Apx => c"APX branch",
            CopyRefusal::CallNotLast => c"call before the end of the region",
            CopyRefusal::JumpIntoRegion => c"jump into the region",
            CopyRefusal::EipRelative => c"operand relative to EIP",
            CopyRefusal::CallThroughStack => c"call through the stack pointer",
            CopyRefusal::OutOfRange => c"target out of range",
            CopyRefusal::QuiescentStore => c"store that tells RCU-tasks not to wait",
            CopyRefusal::NoSpace => c"copy too long",
        }
    }
}

/// The result of [`relocate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The bytes written.
    pub len: usize,
    /// Whether the copy needs a jump to the region's end after it.
    pub falls_through: bool,
}

/// Copies the instructions of `bytes`, the region at `addr`, into `out`, for execution at `dst`.
///
/// Instructions after an unconditional branch or return are left out, because the copy cannot reach
/// them. Whether another branch reaches them is for the caller to check.
///
/// # Errors
///
/// Why the instructions cannot be copied. `out` may have been written to.
pub fn relocate(bytes: &[u8], addr: u64, dst: u64, out: &mut [u8]) -> Result<Copied, CopyRefusal> {
    let mut copy = Copy {
        start: addr,
        end: addr.wrapping_add(bytes.len() as u64),
        dst,
        out,
        len: 0,
    };
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = copy.end.wrapping_sub(rest.len() as u64);
        let insn = decode(rest, at).map_err(|_| CopyRefusal::Undecodable)?;
        let (raw, others) = rest
            .split_at_checked(usize::from(insn.len))
            .ok_or(CopyRefusal::Undecodable)?;
        rest = others;
        if !copy.insn(&insn, raw)? {
            return Ok(Copied {
                len: copy.len,
                falls_through: false,
            });
        }
    }
    Ok(Copied {
        len: copy.len,
        falls_through: true,
    })
}

/// The bytes of `jmp rel32` at `from` to `to`.
///
/// # Errors
///
/// `OutOfRange`.
pub fn jmp_rel32(from: u64, to: u64) -> Result<[u8; JUMP_LEN], CopyRefusal> {
    let [a, b, c, d] = rel32(from.wrapping_add(JUMP_LEN as u64), to)?;
    Ok([JMP_REL32, a, b, c, d])
}

/// The bytes of the displacement from `end` to `to`.
fn rel32(end: u64, to: u64) -> Result<[u8; 4], CopyRefusal> {
    let distance = to.wrapping_sub(end) as i64;
    i32::try_from(distance)
        .map(i32::to_le_bytes)
        .map_err(|_| CopyRefusal::OutOfRange)
}

/// `copy_from_slice` without its panic. The callers' slices have the same length.
fn store(to: &mut [u8], from: &[u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

/// A copy that is being made.
struct Copy<'a> {
    /// The region's first address.
    start: u64,
    /// The address after the region.
    end: u64,
    /// Where the copy will run.
    dst: u64,
    out: &'a mut [u8],
    /// Bytes written to `out`.
    len: usize,
}

impl Copy<'_> {
    /// Copies one instruction, whose bytes are `raw`. Returns whether the following one can run
    /// next.
    fn insn(&mut self, insn: &Insn, raw: &[u8]) -> Result<bool, CopyRefusal> {
        let branch_prefix = insn
            .prefixes
            .has(Prefixes::OPERAND_SIZE.with(Prefixes::LOCK));
        if insn.flow != Flow::Next && branch_prefix {
            return Err(CopyRefusal::BranchPrefix);
        }
        match insn.flow {
            Flow::Next => self.plain(insn, raw)?,
            Flow::Jmp { .. } => self.jmp(self.target(insn)?)?,
            Flow::Jcc { cond, .. } => self.jcc(cond, self.target(insn)?)?,
            Flow::Loop { kind, ecx, .. } => self.count_down(kind, ecx, self.target(insn)?)?,
            Flow::Call { .. } => self.call(insn)?,
            Flow::CallReg { .. } | Flow::CallMem => self.call_indirect(insn, raw)?,
            Flow::JmpReg { .. } | Flow::JmpMem | Flow::Ret { .. } => self.verbatim(insn, raw)?,
            _ => return Err(refusal_of(insn)),
        }
        Ok(insn.flow.falls_through())
    }

    /// Copies an instruction that continues at the next one.
    fn plain(&mut self, insn: &Insn, raw: &[u8]) -> Result<(), CopyRefusal> {
        if insn.casts_shadow() {
            return Err(CopyRefusal::StackSegment);
        }
        if insn.is_endbr() {
            return Err(CopyRefusal::Endbr);
        }
        self.verbatim(insn, raw)
    }

    /// Copies the bytes; only a RIP-relative displacement changes.
    fn verbatim(&mut self, insn: &Insn, raw: &[u8]) -> Result<(), CopyRefusal> {
        let Some(target) = insn.rip_target() else {
            return self.emit(raw);
        };
        if insn.prefixes.has(Prefixes::ADDRESS_SIZE) {
            return Err(CopyRefusal::EipRelative);
        }
        let end = self.here().wrapping_add(u64::from(insn.len));
        let disp = rel32(end, target)?;
        let (before, after) = raw
            .split_at_checked(usize::from(insn.disp.at))
            .ok_or(CopyRefusal::Undecodable)?;
        self.emit(before)?;
        self.emit(&disp)?;
        self.emit(after.get(disp.len()..).ok_or(CopyRefusal::Undecodable)?)
    }

    /// The target of a relative branch, which must not be inside the region. The region's first
    /// address stands for the original: the int3 or jump that is there then is hit again.
    fn target(&self, insn: &Insn) -> Result<u64, CopyRefusal> {
        let target = insn.target().ok_or(CopyRefusal::Undecodable)?;
        let offset = target.wrapping_sub(self.start);
        if offset != 0 && offset < self.end.wrapping_sub(self.start) {
            return Err(CopyRefusal::JumpIntoRegion);
        }
        Ok(target)
    }

    fn jmp(&mut self, target: u64) -> Result<(), CopyRefusal> {
        let jmp = jmp_rel32(self.here(), target)?;
        self.emit(&jmp)
    }

    fn jcc(&mut self, cond: Cond, target: u64) -> Result<(), CopyRefusal> {
        self.emit(&[0x0f, 0x80 | cond.bits()])?;
        let rel = rel32(self.here().wrapping_add(4), target)?;
        self.emit(&rel)
    }

    /// LOOP and JRCXZ have only a short form. When taken, it skips a short jump and reaches the
    /// long jump to the target.
    fn count_down(&mut self, kind: LoopKind, ecx: bool, target: u64) -> Result<(), CopyRefusal> {
        if ecx {
            self.emit(&[0x67])?;
        }
        let opcode = match kind {
            LoopKind::Loopne => 0xe0,
            LoopKind::Loope => 0xe1,
            LoopKind::Loop => 0xe2,
            LoopKind::Jcxz => 0xe3,
        };
        self.emit(&[opcode, 2, 0xeb, JUMP_LEN as u8])?;
        self.jmp(target)
    }

    /// Copies a CALL of a relative target.
    fn call(&mut self, insn: &Insn) -> Result<(), CopyRefusal> {
        let target = self.target(insn)?;
        self.push_return_address(insn)?;
        self.jmp(target)
    }

    /// Copies a CALL through a register or memory: the push, then a JMP with the same operand.
    fn call_indirect(&mut self, insn: &Insn, raw: &[u8]) -> Result<(), CopyRefusal> {
        if uses_stack_pointer(insn) {
            return Err(CopyRefusal::CallThroughStack);
        }
        self.push_return_address(insn)?;
        // CALL is /2, JMP is /4.
        let mut jmp = [0; MAX_INSN_LEN];
        let jmp = jmp.get_mut(..raw.len()).ok_or(CopyRefusal::Undecodable)?;
        store(jmp, raw);
        let modrm = jmp
            .get_mut(usize::from(insn.opcode_at).wrapping_add(1))
            .ok_or(CopyRefusal::Undecodable)?;
        *modrm ^= (2 ^ 4) << 3;
        self.verbatim(insn, jmp)
    }

    /// Pushes the return address of the original call: the address after it, which is the region's
    /// end.
    fn push_return_address(&mut self, insn: &Insn) -> Result<(), CopyRefusal> {
        let address = insn.end();
        if address != self.end {
            return Err(CopyRefusal::CallNotLast);
        }
        let [a, b, c, d, e, f, g, h] = address.to_le_bytes();
        self.emit(&[0x68, a, b, c, d])?;
        // PUSH extends the sign, which gives the right address for all kernel text.
        if i32::try_from(address as i64).is_err() {
            // movl $high, 4(%rsp)
            self.emit(&[0xc7, 0x44, 0x24, 4, e, f, g, h])?;
        }
        Ok(())
    }

    /// The address at which the next byte of the copy will run.
    fn here(&self) -> u64 {
        self.dst.wrapping_add(self.len as u64)
    }

    fn emit(&mut self, bytes: &[u8]) -> Result<(), CopyRefusal> {
        let end = self
            .len
            .checked_add(bytes.len())
            .ok_or(CopyRefusal::NoSpace)?;
        let out = self
            .out
            .get_mut(self.len..end)
            .ok_or(CopyRefusal::NoSpace)?;
        store(out, bytes);
        self.len = end;
        Ok(())
    }
}

/// Whether RSP is the register or the base of the operand. The push before the jump would change
/// it.
fn uses_stack_pointer(insn: &Insn) -> bool {
    match (insn.flow, insn.sib) {
        (Flow::CallReg { reg }, _) => reg == 4,
        (_, Some(sib)) => sib & 7 == 4 && insn.rex & 1 == 0,
        _ => false,
    }
}

/// Why an instruction with the flow of `insn` is not copied.
fn refusal_of(insn: &Insn) -> CopyRefusal {
    match insn.flow {
        Flow::Apx => CopyRefusal::Apx,
        Flow::Far => CopyRefusal::Far,
        Flow::ReturnFromEvent => CopyRefusal::ReturnFromEvent,
        Flow::System => CopyRefusal::System,
        Flow::Vm => CopyRefusal::Vm,
        Flow::Xbegin { .. } => CopyRefusal::Transaction,
        Flow::Int3 => CopyRefusal::Breakpoint,
        Flow::Int => CopyRefusal::SoftwareInterrupt,
        Flow::Halt => CopyRefusal::Halt,
        Flow::Undefined if insn.forced_emulation => CopyRefusal::ForcedEmulation,
        _ => CopyRefusal::UndefinedInsn,
    }
}
