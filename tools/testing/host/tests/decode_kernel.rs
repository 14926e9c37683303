// SPDX-License-Identifier: GPL-2.0

//! The decoder against the decoder of the kernel, built from the source tree of the lab, on random
//! APX instructions. The other decoders do not know APX.

#![cfg(feature = "slow")]

#[path = "common/random.rs"]
mod random;

#[path = "common/kernel_decoder.rs"]
mod kernel_decoder;

use kernel_decoder::Decoder;
use random::Random;
use rkprobes_host::insn_decode::{decode, OpcodeMap, MAX_INSN_LEN};

const STRINGS: usize = 10_000_000;

/// Opcodes after `0F` that the kernel decodes as two bytes without an operand: reserved NOPs, UD0,
/// and opcodes that exist only with other prefixes or another `reg`. The kernel also decodes a
/// displacement in moves of control registers, and the processor does not.
const KERNEL_GAPS: [u8; 20] = [
    0x19, 0x1d, 0x20, 0x21, 0x22, 0x23, 0x6c, 0x6d, 0x71, 0x72, 0x73, 0x78, 0x7c, 0x7d, 0xb8, 0xd0,
    0xd6, 0xe6, 0xf0, 0xff,
];

/// Makes REX2 or EVEX with map 4, and random bytes after it.
fn apx(random: &mut Random) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&random.next().to_le_bytes());
    bytes[8..].copy_from_slice(&random.next().to_le_bytes());
    if random.next() & 1 == 0 {
        bytes[0] = 0xd5;
    } else {
        bytes[0] = 0x62;
        bytes[1] = (bytes[1] & 0xf8) | 4;
        bytes[2] |= 0x04;
    }
    bytes
}

#[test]
fn random_strings() {
    let decoder = Decoder::build().expect("the lab has no kernel source: run tools/lab/setup");
    let mut random = Random::new(7);
    let strings: Vec<u8> = (0..STRINGS).flat_map(|_| apx(&mut random)).collect();
    let lengths = decoder.lengths(strings.chunks_exact(16));
    assert_eq!(lengths.len(), STRINGS);

    let (mut compared, mut refused, mut gaps) = (0, 0, 0);
    for (bytes, theirs) in strings.chunks_exact(16).zip(lengths) {
        let Ok(ours) = decode(&bytes[..MAX_INSN_LEN], 0) else {
            continue;
        };
        compared += 1;
        if theirs == 0 && ours.map == OpcodeMap::Map4 {
            // Some values of EVEX.pp and ModRM.reg have no instruction, but our decoder returns a
            // length.
            refused += 1;
        } else if ours.len != theirs {
            let gap = ours.map == OpcodeMap::Map0F && KERNEL_GAPS.contains(&ours.opcode);
            assert!(gap, "{bytes:02x?}: kernel {theirs}, {ours:?}");
            gaps += 1;
        }
    }
    println!(
        "{compared} instructions, {refused} refused by the kernel, {gaps} in its gaps, 0 others"
    );
}
