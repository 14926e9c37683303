// SPDX-License-Identifier: GPL-2.0

//! Decodes any bytes: no panic, no read after the end of the instruction, and all fields inside it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rkprobes_host::insn_decode::{decode, DecodeError, Field, MAX_INSN_LEN};
use rkprobes_host::out_of_line::emulate::Emulation;

fuzz_target!(|input: (u64, &[u8])| {
    let (addr, bytes) = input;
    match decode(bytes, addr) {
        Ok(insn) => {
            let len = usize::from(insn.len);
            assert!((1..=MAX_INSN_LEN.min(bytes.len())).contains(&len));
            assert!(insn.opcode_at < insn.len);
            let inside = |field: Field| field.size == 0 || field.at + field.size <= insn.len;
            assert!(inside(insn.disp) && inside(insn.imm));
            assert_eq!(
                insn.depends_on_address(),
                insn.target().or(insn.rip_target()).is_some()
            );
            let _ = (
                insn.flags(),
                insn.moves_stack(),
                insn.is_nop(),
                insn.is_endbr(),
            );
            let _ = Emulation::of(&insn);
            assert_eq!(decode(&bytes[..len], addr), Ok(insn));
            // An emulation prefix without the instruction after it is a UD2.
            if !insn.forced_emulation {
                assert_eq!(decode(&bytes[..len - 1], addr), Err(DecodeError::Truncated));
            }
        }
        Err(DecodeError::Truncated) => assert!(bytes.len() < MAX_INSN_LEN),
        Err(DecodeError::Invalid) => {}
    }
});
