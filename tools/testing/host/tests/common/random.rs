// SPDX-License-Identifier: GPL-2.0

//! Seeded random numbers and byte strings that look like instructions.

// Each test uses only a part.
#![allow(dead_code)]

/// A SplitMix64 generator. A seed gives equal tests on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Makes sixteen random bytes. Every second string begins with prefixes and an escape.
    pub fn instruction(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next().to_le_bytes());
        bytes[8..].copy_from_slice(&self.next().to_le_bytes());
        if self.next() & 1 == 0 {
            return bytes;
        }
        const PREFIXES: [u8; 11] = [
            0x66, 0xf2, 0xf3, 0x67, 0xf0, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65,
        ];
        let mut at = 0;
        for _ in 0..self.pick(&[0, 0, 0, 1, 1, 2, 3]) {
            bytes[at] = self.pick(&PREFIXES);
            at += 1;
        }
        if self.next() & 3 == 0 {
            bytes[at] = 0x40 | (bytes[at] & 15);
            at += 1;
        }
        let heads: [&[u8]; 12] = [
            &[],
            &[],
            &[0x0f],
            &[0x0f],
            &[0x0f, 0x38],
            &[0x0f, 0x3a],
            &[0xc5],
            &[0xc4],
            &[0x62],
            &[0x8f],
            &[0x0f, 0x0f],
            &[0x0f, 0x01],
        ];
        let head = self.pick(&heads);
        bytes[at..at + head.len()].copy_from_slice(head);
        at += head.len();
        // VEX, EVEX and XOP get maps that exist and operands that are valid.
        match head {
            [0xc4] => {
                bytes[at] = (bytes[at] & 0xe0) | self.pick(&[1, 2, 3]);
                bytes[at + 1] |= self.pick(&[0x00, 0x78]);
            }
            [0x8f] => {
                bytes[at] = (bytes[at] & 0xe0) | self.pick(&[8, 9, 10]);
                bytes[at + 1] = (bytes[at + 1] & 0xfc) | self.pick(&[0x00, 0x78]);
            }
            [0x62] => {
                bytes[at] = (bytes[at] & 0xf0) | self.pick(&[1, 2, 3, 5, 6]);
                bytes[at + 1] |= self.pick(&[0x04, 0x7c]);
                bytes[at + 2] |= self.pick(&[0x00, 0x08]);
            }
            _ => {}
        }
        bytes
    }
}
