// SPDX-License-Identifier: GPL-2.0

//! Named instructions that probing treats specially, and the limits of the decoder.

#[path = "common/random.rs"]
mod random;

use random::Random;
use rkprobes_host::insn_decode::{
    decode, Cond, DecodeError, Encoding, FlagsEffect, Flow, Insn, LoopKind, OpcodeMap, MAX_INSN_LEN,
};

const ADDR: u64 = 0xffff_ffff_8100_0000;

/// Decodes all of `bytes` as one instruction.
fn one(bytes: &[u8]) -> Insn {
    let insn = decode(bytes, ADDR).unwrap_or_else(|error| panic!("{bytes:02x?}: {error:?}"));
    assert_eq!(usize::from(insn.len), bytes.len(), "{bytes:02x?}: {insn:?}");
    insn
}

#[test]
fn flows() {
    let jcc = |opcode, rel| Flow::Jcc {
        cond: Cond::of_opcode(opcode),
        rel,
    };
    let counted = |kind, ecx| Flow::Loop { kind, ecx, rel: -2 };
    let cases: &[(&[u8], Flow)] = &[
        (&[0xeb, 0x05], Flow::Jmp { rel: 5 }),
        (&[0xe9, 0, 1, 0, 0], Flow::Jmp { rel: 256 }),
        (&[0x2e, 0xe9, 0xfb, 0xff, 0xff, 0xff], Flow::Jmp { rel: -5 }),
        (&[0x66, 0xe9, 0, 1, 0, 0], Flow::Jmp { rel: 256 }),
        (&[0x74, 0x80], jcc(4, -128)),
        (&[0x2e, 0x0f, 0x85, 0, 0, 1, 0], jcc(5, 65536)),
        (&[0xe0, 0xfe], counted(LoopKind::Loopne, false)),
        (&[0xe1, 0xfe], counted(LoopKind::Loope, false)),
        (&[0x67, 0xe2, 0xfe], counted(LoopKind::Loop, true)),
        (&[0xe3, 0xfe], counted(LoopKind::Jcxz, false)),
        (&[0x2e, 0xe8, 1, 0, 0, 0], Flow::Call { rel: 1 }),
        (&[0xff, 0xe0], Flow::JmpReg { reg: 0 }),
        (&[0x3e, 0x41, 0xff, 0xe3], Flow::JmpReg { reg: 11 }),
        (&[0x41, 0xff, 0xd7], Flow::CallReg { reg: 15 }),
        (&[0xff, 0x24, 0xc5, 0, 0, 0, 0], Flow::JmpMem),
        (&[0xff, 0x15, 0, 0, 0, 0], Flow::CallMem),
        (&[0xc3], Flow::Ret { pop: 0 }),
        (&[0xf3, 0xc3], Flow::Ret { pop: 0 }),
        (&[0xc2, 0x08, 0xff], Flow::Ret { pop: 0xff08 }),
        (&[0xca, 0x08, 0x00], Flow::Far),
        (&[0x48, 0xcb], Flow::Far),
        (&[0xff, 0x28], Flow::Far),
        (&[0x48, 0xcf], Flow::ReturnFromEvent),
        (&[0xf2, 0x0f, 0x01, 0xca], Flow::ReturnFromEvent),
        (&[0xf3, 0x0f, 0x01, 0xca], Flow::ReturnFromEvent),
        (&[0x0f, 0x05], Flow::System),
        (&[0x48, 0x0f, 0x07], Flow::System),
        (&[0x0f, 0x01, 0xc1], Flow::Vm),
        (&[0xc7, 0xf8, 0, 0, 0, 0], Flow::Xbegin { rel: 0 }),
        (&[0xcc], Flow::Int3),
        (&[0xcd, 0x80], Flow::Int),
        (&[0xf1], Flow::Int),
        (&[0x0f, 0x0b], Flow::Undefined),
        (&[0x0f, 0xb9, 0xcc], Flow::Undefined),
        (&[0x67, 0x0f, 0xb9, 0x40, 0x42], Flow::Undefined),
        (&[0x0f, 0xff, 0xc0], Flow::Undefined),
        (&[0xd6], Flow::Undefined),
        (&[0xf4], Flow::Halt),
        (&[0x0f, 0x01, 0xc9], Flow::Halt),
        (&[0x0f, 0x01, 0xfb], Flow::Halt),
        (&[0xd5, 0x00, 0xa1, 1, 2, 3, 4, 5, 6, 7, 8], Flow::Apx),
        (&[0xd5, 0x10, 0xff, 0xd0], Flow::Apx),
    ];
    for (bytes, flow) in cases {
        assert_eq!(one(bytes).flow, *flow, "{bytes:02x?}");
    }
}

/// Instructions of the kernel text and of newer processors that continue at the next instruction.
#[test]
fn kernel_instructions_that_fall_through() {
    let cases: &[&[u8]] = &[
        &[0x0f, 0xae, 0xe8],                         // lfence
        &[0x0f, 0x01, 0xca],                         // clac
        &[0x0f, 0x01, 0xcb],                         // stac
        &[0x0f, 0x01, 0xee],                         // rdpkru
        &[0x0f, 0x01, 0xf8],                         // swapgs
        &[0xf2, 0x0f, 0x00, 0xf7],                   // lkgs
        &[0x66, 0x0f, 0x38, 0xf8, 0x02],             // movdir64b
        &[0xf3, 0x0f, 0x38, 0xf8, 0x02],             // enqcmds
        &[0x48, 0x0f, 0xc7, 0x2f],                   // xsaves64
        &[0xf0, 0x48, 0x0f, 0xc7, 0x0e],             // lock cmpxchg16b
        &[0xf3, 0x0f, 0xb8, 0xc7],                   // popcnt
        &[0x0f, 0x20, 0xd8],                         // mov %cr3,%rax
        &[0x65, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0], // mov %gs:0,%rax
        &[0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8],       // movabs
        &[0x48, 0xa1, 1, 2, 3, 4, 5, 6, 7, 8],       // movabs moffs
        &[0x66, 0xc7, 0x05, 0, 0, 0, 0, 1, 2],       // movw $,(%rip)
        &[0x62, 0xf1, 0x7c, 0x48, 0x10, 0x07],       // vmovups (%rdi),%zmm0
        &[0xd5, 0x19, 0x58],                         // popp %r24
    ];
    for bytes in cases {
        assert_eq!(one(bytes).flow, Flow::Next, "{bytes:02x?}");
    }
}

#[test]
fn nops_and_branch_targets() {
    let nops: &[&[u8]] = &[
        &[0x90],
        &[0x66, 0x90],
        &[0x0f, 0x1f, 0x00],
        &[0x0f, 0x1f, 0x44, 0x00, 0x00],
        &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0],
        &[0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0],
        &[
            0x66, 0x66, 0x66, 0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0,
        ],
    ];
    for bytes in nops {
        assert!(
            one(bytes).is_nop() && !one(bytes).is_endbr(),
            "{bytes:02x?}"
        );
    }
    for bytes in [&[0xf3, 0x90][..], &[0x41, 0x90], &[0x87, 0xc0]] {
        assert!(!one(bytes).is_nop(), "{bytes:02x?}");
    }
    let endbr64 = one(&[0xf3, 0x0f, 0x1e, 0xfa]);
    let sealed = one(&[0x0f, 0x1f, 0x40, 0xd6]);
    assert!(endbr64.is_endbr() && sealed.is_endbr() && sealed.is_nop());
    assert!(!one(&[0x0f, 0x1f, 0x40, 0x00]).is_endbr());
}

#[test]
fn properties() {
    assert!(one(&[0x8e, 0xd0]).casts_shadow());
    assert!(!one(&[0x8e, 0xd8]).casts_shadow());
    for bytes in [[0x9c], [0x9d], [0xfa], [0xfb]] {
        assert!(one(&bytes).works_on_flags_register());
    }
    assert!(!one(&[0x9f]).works_on_flags_register());
    assert!(one(&[0xe8, 0, 0, 0, 0]).depends_on_address());
    assert!(one(&[0x8d, 0x05, 0, 0, 0, 0]).depends_on_address());
    assert!(!one(&[0x8d, 0x04, 0x25, 0, 0, 0, 0]).depends_on_address());

    let rip = one(&[0x48, 0x8b, 0x05, 0xf9, 0xff, 0xff, 0xff]);
    assert_eq!(rip.rip_target(), Some(ADDR));
    assert_eq!((rip.disp.at, rip.disp.size, rip.disp_value), (3, 4, -7));
    assert_eq!(one(&[0x75, 0xfe]).target(), Some(ADDR));
}

#[test]
fn flags_liveness() {
    let cases: &[(&[u8], FlagsEffect)] = &[
        (&[0x31, 0xc0], FlagsEffect::Overwrites),             // xor
        (&[0x48, 0x83, 0xf8, 0x01], FlagsEffect::Overwrites), // cmp
        (&[0x83, 0xd0, 0x00], FlagsEffect::Reads),            // adc
        (&[0xff, 0xc0], FlagsEffect::Neither),                // inc keeps CF
        (&[0xd3, 0xe0], FlagsEffect::Neither),                // shl %cl may be by zero
        (&[0xc1, 0xe0, 0x20], FlagsEffect::Neither),          // shl $32 is by zero
        (&[0xc1, 0xe0, 0x03], FlagsEffect::Overwrites),       // shl $3
        (&[0xd1, 0xd0], FlagsEffect::Reads),                  // rcl
        (&[0x0f, 0x94, 0xc0], FlagsEffect::Reads),            // sete
        (&[0x48, 0x89, 0xc7], FlagsEffect::Neither),          // mov
        (&[0x9c], FlagsEffect::Reads),                        // pushf
        (&[0x9d], FlagsEffect::Overwrites),                   // popf
        (&[0x75, 0x00], FlagsEffect::Reads),                  // jne
        (&[0xc3], FlagsEffect::Reads),                        // ret leaves the straight line
    ];
    for (bytes, flags) in cases {
        assert_eq!(one(bytes).flags(), *flags, "{bytes:02x?}");
    }
}

#[test]
fn emulation_prefixes_belong_to_the_instruction() {
    let cpuid = one(b"\x0f\x0bxen\x0f\xa2");
    assert!(cpuid.forced_emulation);
    assert_eq!(
        (cpuid.flow, cpuid.opcode, cpuid.opcode_at),
        (Flow::Undefined, 0xa2, 6)
    );
    assert!(one(b"\x0f\x0bkvm\x90").forced_emulation);
    // Without an instruction after it, the prefix is a ud2.
    let ud2 = decode(b"\x0f\x0bxen\x06", ADDR).unwrap();
    assert_eq!((ud2.len, ud2.forced_emulation), (2, false));
}

#[test]
fn apx_as_the_kernel_decodes_it() {
    let mov = one(&[0xd5, 0x48, 0x89, 0xc0]);
    assert_eq!(
        (mov.encoding, mov.map, mov.rex),
        (Encoding::Rex2, OpcodeMap::Primary, 8)
    );
    let imul = one(&[0xd5, 0x80, 0xaf, 0xc1]);
    assert_eq!(
        (imul.encoding, imul.map),
        (Encoding::Rex2, OpcodeMap::Map0F)
    );
    // EVEX map 4: addw with a 16-bit immediate.
    let add = one(&[0x62, 0xf4, 0x7d, 0x18, 0x81, 0xc0, 0x34, 0x12]);
    assert_eq!(
        (add.encoding, add.map, add.imm.size),
        (Encoding::Evex, OpcodeMap::Map4, 2)
    );
    for bytes in [
        [0xd5, 0x00, 0x74, 0x00],
        [0xd5, 0x00, 0x66, 0x90],
        [0xd5, 0x80, 0x38, 0x00],
    ] {
        assert_eq!(
            decode(&bytes, ADDR),
            Err(DecodeError::Invalid),
            "{bytes:02x?}"
        );
    }
}

#[test]
fn invalid_in_64_bit_mode() {
    for opcode in [
        0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x82, 0x9a,
        0xce, 0xd4, 0xea,
    ] {
        let mut bytes = [0; MAX_INSN_LEN];
        bytes[0] = opcode;
        assert_eq!(
            decode(&bytes, ADDR),
            Err(DecodeError::Invalid),
            "{opcode:02x}"
        );
    }
}

#[test]
fn fifteen_bytes_are_the_limit() {
    let mut bytes = [0x66; 20];
    bytes[14] = 0x90;
    assert_eq!(decode(&bytes, ADDR).map(|insn| insn.len), Ok(15));
    bytes[14] = 0x66;
    bytes[15] = 0x90;
    assert_eq!(decode(&bytes, ADDR), Err(DecodeError::Invalid));
    assert_eq!(decode(&bytes[..15], ADDR), Err(DecodeError::Invalid));
    assert_eq!(decode(&bytes[..14], ADDR), Err(DecodeError::Truncated));
    assert_eq!(decode(&[], ADDR), Err(DecodeError::Truncated));
}

/// Bytes after an instruction do not matter, and no shorter string is the instruction.
#[test]
fn every_truncation() {
    let mut random = Random::new(2);
    for _ in 0..200_000 {
        let bytes = random.instruction();
        let Ok(insn) = decode(&bytes, ADDR) else {
            continue;
        };
        let len = usize::from(insn.len);
        assert_eq!(decode(&bytes[..len], ADDR), Ok(insn), "{bytes:02x?}");
        for short in 0..len {
            assert_eq!(
                decode(&bytes[..short], ADDR),
                Err(DecodeError::Truncated),
                "{bytes:02x?} cut to {short}"
            );
        }
    }
}
