// SPDX-License-Identifier: GPL-2.0

//! Words and numbers in the text that users write.

use crate::eligibility::refusal::Refusal;

/// The line without a comment, which begins with `#` at the beginning of a word, and without white
/// space at its ends.
pub fn without_comment(line: &[u8]) -> &[u8] {
    let begins_comment =
        |pair: &[u8]| matches!(pair, [before, b'#'] if before.is_ascii_whitespace());
    let len = match line.first() {
        Some(b'#') => 0,
        _ => line
            .windows(2)
            .position(begins_comment)
            .unwrap_or(line.len()),
    };
    line.get(..len).unwrap_or(line).trim_ascii()
}

/// The first word, and the text after it without the white space around that text.
pub(super) fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let len = text
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(len).unwrap_or((text, &[]));
    (word, rest.trim_ascii())
}

/// The text before and after the first `byte`.
pub(super) fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|b| *b == byte)?;
    let (before, rest) = text.split_at_checked(at)?;
    Some((before, rest.get(1..)?))
}

/// Reads a word of at most `max` bytes, which are all `allowed`, without a digit at its beginning.
pub(super) fn parse_word(
    word: &[u8],
    max: usize,
    allowed: fn(u8) -> bool,
) -> Option<Result<&str, Refusal>> {
    let first = word.first()?;
    if first.is_ascii_digit() || !word.iter().all(|byte| allowed(*byte)) {
        return None;
    }
    if word.len() > max {
        return Some(Err(Refusal::NameTooLong));
    }
    core::str::from_utf8(word).ok().map(Ok)
}

pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The text after `0x` or `0X`.
pub(super) fn hex_digits(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"0x")
        .or_else(|| text.strip_prefix(b"0X"))
}

/// Reads a decimal number, or a hexadecimal number after `0x`.
pub(super) fn parse_number(text: &[u8]) -> Result<u64, Refusal> {
    match hex_digits(text) {
        Some(digits) => parse_digits(digits, 16),
        None => parse_digits(text, 10),
    }
}

pub(super) fn parse_digits(digits: &[u8], radix: u32) -> Result<u64, Refusal> {
    if digits.is_empty() {
        return Err(Refusal::BadNumber);
    }
    digits
        .iter()
        .try_fold(0_u64, |number, digit| {
            let value = char::from(*digit).to_digit(radix)?;
            number
                .checked_mul(u64::from(radix))?
                .checked_add(u64::from(value))
        })
        .ok_or(Refusal::BadNumber)
}

/// Whether the text is a pattern for names, and no name.
pub(super) fn is_pattern(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// Whether the byte can be in a pattern, and in no name.
pub(super) fn is_pattern_byte(byte: u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[' | b']' | b'!' | b'-')
}
