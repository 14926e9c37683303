// SPDX-License-Identifier: GPL-2.0

//! Instructions as text, in the syntax of the GNU tools, and where each goes.

use crate::symbols::Symbols;
use crate::text::{Function, Insn};
use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Formatter, GasFormatter, Instruction, OpKind,
    Register,
};

/// Where an instruction goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The place of its jump in the function.
    pub target: Option<u64>,
    /// Whether the next instruction may follow.
    pub falls_through: bool,
}

/// An instruction as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// In the syntax of the GNU tools.
    pub text: String,
    /// Where it goes.
    pub flow: Flow,
}

/// An address for a function whose address is hidden.
fn base(function: &Function) -> u64 {
    match function.start {
        0 => 0xffff_ffff_0000_0000,
        start => start,
    }
}

fn decode(function: &Function, insn: &Insn) -> Option<Instruction> {
    if insn.bytes.is_empty() {
        return None;
    }
    let address = base(function) + insn.offset;
    let decoded = Decoder::with_ip(64, &insn.bytes, address, DecoderOptions::NONE).decode();
    (!decoded.is_invalid() && decoded.len() == insn.len).then_some(decoded)
}

fn has_near_target(decoded: &Instruction) -> bool {
    matches!(
        decoded.op0_kind(),
        OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64
    )
}

fn flow(function: &Function, decoded: &Instruction) -> Flow {
    let target = Some(decoded.near_branch_target().wrapping_sub(base(function)))
        .filter(|target| has_near_target(decoded) && *target < function.size());
    let (target, falls_through) = match decoded.flow_control() {
        FlowControl::ConditionalBranch | FlowControl::XbeginXabortXend => (target, true),
        FlowControl::UnconditionalBranch => (target, false),
        FlowControl::Return | FlowControl::IndirectBranch | FlowControl::Exception => (None, false),
        // The compiler writes int3 after returns and jumps, where nothing runs.
        FlowControl::Interrupt => (None, decoded.code() != Code::Int3),
        _ => (None, true),
    };
    Flow {
        target,
        falls_through,
    }
}

/// All instructions of a function as text.
pub fn lines(function: &Function, symbols: &Symbols) -> Vec<Line> {
    let mut formatter = GasFormatter::new();
    let options = formatter.options_mut();
    options.set_uppercase_hex(false);
    options.set_first_operand_char_index(8);
    options.set_small_hex_numbers_in_decimal(false);
    options.set_branch_leading_zeros(false);
    let line = |insn: &Insn| match decode(function, insn) {
        None => Line {
            text: "?".to_owned(),
            flow: Flow {
                target: None,
                falls_through: true,
            },
        },
        Some(decoded) => {
            let mut text = String::new();
            formatter.format(&decoded, &mut text);
            add_name(&decoded, &mut text, |address| {
                name(function, symbols, address)
            });
            Line {
                text,
                flow: flow(function, &decoded),
            }
        }
    };
    function.insns.iter().map(line).collect()
}

/// The place in the function, or the symbol that an address is in.
fn name(function: &Function, symbols: &Symbols, address: u64) -> Option<String> {
    let offset = address.wrapping_sub(base(function));
    match offset < function.size() {
        true => Some(format!("+{offset:#x}")),
        false => symbols.name_of(address),
    }
}

/// Writes the name of the place that an instruction refers to.
fn add_name(decoded: &Instruction, text: &mut String, name: impl Fn(u64) -> Option<String>) {
    let near = has_near_target(decoded);
    // An address of a CPU's own data is an offset.
    let own = matches!(decoded.memory_segment(), Register::GS | Register::FS);
    let address = match (near, decoded.is_ip_rel_memory_operand() && !own) {
        (true, _) => decoded.near_branch_target(),
        (_, true) => decoded.ip_rel_memory_address(),
        _ => return,
    };
    let Some(name) = name(address) else {
        return;
    };
    let number = format!("{address:#x}");
    match near && text.contains(&number) {
        true => *text = text.replace(&number, &name),
        false => {
            text.push_str("  # ");
            text.push_str(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::tests::loop_function;

    #[test]
    fn instructions_have_text_and_flow() {
        let lines = lines(&loop_function(), &Symbols::default());
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "xor     %eax,%eax",
                "test    %rdi,%rdi",
                "je      +0x10",
                "add     $0x3,%rax",
                "dec     %rdi",
                "jne     +0x7",
                "add     $0x123456,%rax",
                "?",
            ]
        );
        assert_eq!(lines[2].flow.target, Some(0x10));
        assert_eq!(lines[5].flow.target, Some(7));
        assert!(lines[5].flow.falls_through);
    }
}
