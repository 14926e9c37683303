// SPDX-License-Identifier: GPL-2.0

//! Numbers as the kernel reads them: `0x` begins a hexadecimal number, and `0` an octal one.

/// Reads a number that may begin with `+`.
pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    magnitude(text.strip_prefix(b"+").unwrap_or(text))
}

/// Reads a number that may begin with a sign.
pub(super) fn signed(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => negative(digits),
        None => i64::try_from(unsigned(text)?).ok(),
    }
}

/// Reads the number that follows a minus sign.
pub(super) fn negative(digits: &[u8]) -> Option<i64> {
    0_i64.checked_sub_unsigned(magnitude(digits)?)
}

/// Reads a decimal number that may begin with `+`.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    whole(digits(text.strip_prefix(b"+").unwrap_or(text), 10))
}

/// Reads the number at the beginning of the text. Returns it and the text after it.
pub(super) fn leading(text: &[u8]) -> Option<(u64, &[u8])> {
    match text {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => digits(text.get(2..)?, 16),
        [b'0', ..] => digits(text, 8),
        _ => digits(text, 10),
    }
}

fn magnitude(text: &[u8]) -> Option<u64> {
    whole(leading(text))
}

fn whole(number: Option<(u64, &[u8])>) -> Option<u64> {
    let (value, rest) = number?;
    rest.is_empty().then_some(value)
}

/// Reads as many digits as there are, at least one.
fn digits(text: &[u8], radix: u32) -> Option<(u64, &[u8])> {
    let is_digit = |byte: &u8| char::from(*byte).is_digit(radix);
    let len = text.iter().take_while(|byte| is_digit(byte)).count();
    let (digits, rest) = text.split_at_checked(len)?;
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(radix)?;
        number
            .checked_mul(u64::from(radix))?
            .checked_add(u64::from(digit))
    });
    Some((value?, rest))
}
