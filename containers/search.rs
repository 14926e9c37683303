// SPDX-License-Identifier: GPL-2.0

//! A search for bytes, eight at a time.

/// The offset in `bytes`, not smaller than `from`, of the next byte that has one of two values.
pub fn next_of(values: [u8; 2], bytes: &[u8], mut from: usize) -> Option<usize> {
    while let Some(word) = bytes.get(from..).and_then(|rest| rest.first_chunk()) {
        let word = u64::from_le_bytes(*word);
        let [first, second] = values.map(|value| mark(word, value));
        if first | second != 0 {
            let ahead = (first | second).trailing_zeros() / u8::BITS;
            return Some(from.wrapping_add(ahead as usize));
        }
        from = from.wrapping_add(8);
    }
    let rest = bytes.get(from..)?;
    let ahead = rest.iter().position(|byte| values.contains(byte))?;
    Some(from.wrapping_add(ahead))
}

/// Sets the highest bit of the lowest byte that equals `value`, and maybe bits above it.
fn mark(word: u64, value: u8) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    // The subtraction at a byte that is zero borrows from the bytes above it.
    let zero = word ^ ONES.wrapping_mul(u64::from(value));
    zero.wrapping_sub(ONES) & !zero & (ONES << 7)
}
