// SPDX-License-Identifier: GPL-2.0

//! A search that reads eight bytes at a time finds the bytes that a plain search finds.

use rkprobes_host::containers::search::next_of;

/// Bytes that borrow from other bytes in the search, and their neighbours.
const BYTES: [u8; 8] = [0x00, 0x01, 0x0e, 0x0f, 0x10, 0xe8, 0xe9, 0xea];

#[test]
fn finds_what_a_plain_search_finds() {
    let mut state = 1_u64;
    for len in 0..40 {
        for _ in 0..200 {
            let bytes: Vec<u8> = (0..len)
                .map(|_| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                    BYTES[(state >> 61) as usize]
                })
                .collect();
            for values in [[0xe9, 0x0f], [0x0f, 0x10], [0xe9, 0xe9], [0xcc, 0x00]] {
                for from in 0..len + 2 {
                    let plain = (from..len).find(|at| values.contains(&bytes[*at]));
                    assert_eq!(next_of(values, &bytes, from), plain, "{bytes:x?} {from}");
                }
            }
        }
    }
}
