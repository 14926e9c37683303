// SPDX-License-Identifier: GPL-2.0

//! Compares a decoded instruction with the result of iced-x86 for its bytes.

use iced_x86::{
    Code, ConstantOffsets, Decoder, DecoderOptions, FlowControl, Instruction, OpKind, Register,
    RflagsBits,
};
use rkprobes_host::insn_decode::{Field, FlagsEffect, Flow, Insn};

const ARITHMETIC: u32 = RflagsBits::OF
    | RflagsBits::SF
    | RflagsBits::ZF
    | RflagsBits::AF
    | RflagsBits::CF
    | RflagsBits::PF;

/// The result of iced-x86, with the places of the operands.
pub fn decode(bytes: &[u8], addr: u64) -> Option<(Instruction, ConstantOffsets)> {
    let mut decoder = Decoder::with_ip(64, bytes, addr, DecoderOptions::MPX);
    let insn = decoder.decode();
    let offsets = decoder.get_constant_offsets(&insn);
    (!insn.is_invalid()).then_some((insn, offsets))
}

/// The first property in which the two decoders differ.
pub fn difference(ours: &Insn, theirs: &(Instruction, ConstantOffsets)) -> Option<&'static str> {
    let (theirs, offsets) = theirs;
    let checks = [
        ("length", usize::from(ours.len) == theirs.len()),
        ("displacement", same_displacement(ours, offsets)),
        ("immediate", same_immediate(ours, theirs, offsets)),
        ("flow", same_flow(ours.flow, theirs)),
        ("target", same_target(ours, theirs)),
        ("RIP-relative operand", same_rip_relative(ours, theirs)),
        ("flags", same_flags(ours.flags(), theirs)),
        ("stack", ours.moves_stack() == moves_stack(theirs)),
        ("nop", same_nop(ours, theirs)),
        ("endbr", ours.is_endbr() == is_endbr(theirs)),
    ];
    checks.iter().find(|(_, same)| !same).map(|(what, _)| *what)
}

fn same_field(field: Field, at: usize, size: usize) -> bool {
    usize::from(field.size) == size && (size == 0 || usize::from(field.at) == at)
}

fn same_displacement(ours: &Insn, theirs: &ConstantOffsets) -> bool {
    // iced-x86 reports an absolute address as a displacement, and our decoder as an immediate.
    let moffs = ours.imm.size != 0 && theirs.immediate_size() == 0;
    moffs
        || same_field(
            ours.disp,
            theirs.displacement_offset(),
            theirs.displacement_size(),
        )
}

fn same_immediate(ours: &Insn, insn: &Instruction, theirs: &ConstantOffsets) -> bool {
    // iced-x86 reports no immediate for the suffix of 3DNow! and for immediates that only select an
    // operand.
    if !theirs.has_immediate() {
        return match theirs.has_displacement() && ours.imm.size >= 4 {
            true => same_field(
                ours.imm,
                theirs.displacement_offset(),
                theirs.displacement_size(),
            ),
            false => ours.imm.size == 0 || ours.imm.at + ours.imm.size == insn.len() as u8,
        };
    }
    let size = theirs.immediate_size() + theirs.immediate_size2();
    same_field(ours.imm, theirs.immediate_offset(), size)
}

fn same_flow(ours: Flow, theirs: &Instruction) -> bool {
    use FlowControl as Theirs;
    let theirs = theirs.flow_control();
    match ours {
        Flow::Next | Flow::Halt => matches!(theirs, Theirs::Next | Theirs::XbeginXabortXend),
        Flow::Jmp { .. } => theirs == Theirs::UnconditionalBranch,
        Flow::Jcc { .. } | Flow::Loop { .. } => theirs == Theirs::ConditionalBranch,
        Flow::Call { .. } => theirs == Theirs::Call,
        Flow::JmpReg { .. } | Flow::JmpMem => theirs == Theirs::IndirectBranch,
        Flow::CallReg { .. } | Flow::CallMem => theirs == Theirs::IndirectCall,
        Flow::Ret { .. } | Flow::ReturnFromEvent => theirs == Theirs::Return,
        Flow::Far => matches!(
            theirs,
            Theirs::Return | Theirs::IndirectCall | Theirs::IndirectBranch
        ),
        Flow::System | Flow::Vm => {
            matches!(theirs, Theirs::Call | Theirs::Return | Theirs::Next)
        }
        Flow::Xbegin { .. } => theirs == Theirs::XbeginXabortXend,
        Flow::Int3 | Flow::Int => theirs == Theirs::Interrupt,
        Flow::Undefined => theirs == Theirs::Exception,
        Flow::Apx => false,
    }
}

fn same_target(ours: &Insn, theirs: &Instruction) -> bool {
    let near = matches!(
        theirs.op0_kind(),
        OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64
    );
    match ours.target() {
        Some(target) => near && target == theirs.near_branch_target(),
        None => !near,
    }
}

fn same_rip_relative(ours: &Insn, theirs: &Instruction) -> bool {
    if !theirs.is_ip_rel_memory_operand() {
        return !ours.is_rip_relative();
    }
    let mask = match theirs.memory_base() {
        Register::EIP => u64::from(u32::MAX),
        _ => u64::MAX,
    };
    ours.rip_target().map(|target| target & mask) == Some(theirs.ip_rel_memory_address())
}

/// Our decoder may know less about the flags than iced-x86, but must not claim more.
fn same_flags(ours: FlagsEffect, theirs: &Instruction) -> bool {
    let reads = theirs.rflags_read() & ARITHMETIC != 0;
    let all = theirs.rflags_modified() & ARITHMETIC == ARITHMETIC;
    match ours {
        FlagsEffect::Reads => true,
        FlagsEffect::Neither => !reads,
        FlagsEffect::Overwrites => !reads && all,
    }
}

fn moves_stack(theirs: &Instruction) -> bool {
    theirs.is_stack_instruction()
}

fn same_nop(ours: &Insn, theirs: &Instruction) -> bool {
    let nop = matches!(
        theirs.code(),
        Code::Nopw | Code::Nopd | Code::Nopq | Code::Nop_rm16 | Code::Nop_rm32 | Code::Nop_rm64
    );
    ours.is_nop() == nop
}

fn is_endbr(theirs: &Instruction) -> bool {
    let sealed = matches!(
        theirs.code(),
        Code::Nop_rm16 | Code::Nop_rm32 | Code::Nop_rm64
    ) && theirs.len() == 4
        && theirs.memory_base() == Register::RAX
        && theirs.memory_displacement64() as i64 == -42;
    sealed || matches!(theirs.code(), Code::Endbr64 | Code::Endbr32)
}
