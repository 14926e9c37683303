// SPDX-License-Identifier: GPL-2.0

//! Patterns, by the rules of the module: `*`, `?`, `[a-z]` and `[!a-z]`.

/// Whether a text is a pattern.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether a pattern matches a whole text.
pub fn matches(pattern: &str, text: &str) -> bool {
    match_bytes(pattern.as_bytes(), text.as_bytes())
}

/// Goes back to the last star only, so it takes at most the product of both lengths.
fn match_bytes(mut pattern: &[u8], mut text: &[u8]) -> bool {
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        let step = match (pattern.first(), text.first()) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                pattern = &pattern[1..];
                star = Some((pattern, text));
                continue;
            }
            (Some(_), Some(&byte)) => one(pattern, byte),
            _ => None,
        };
        match (step, star) {
            (Some(rest), _) => {
                pattern = rest;
                text = &text[1..];
            }
            (None, Some((after, from))) if !from.is_empty() => {
                pattern = after;
                text = &from[1..];
                star = Some((after, text));
            }
            _ => return false,
        }
    }
}

/// The rest of the pattern after the part that matches one byte.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern.first()? {
        b'?' => Some(&pattern[1..]),
        b'[' => match class(&pattern[1..], byte) {
            Some((true, rest)) => Some(rest),
            Some((false, _)) => None,
            // Without its end it is a bracket.
            None => (byte == b'[').then(|| &pattern[1..]),
        },
        &literal => (literal == byte).then(|| &pattern[1..]),
    }
}

/// Whether a class has the byte, and the pattern after the class.
fn class(text: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (inverted, mut rest) = match text.first()? {
        b'!' => (true, &text[1..]),
        _ => (false, text),
    };
    let mut found = false;
    let mut first = true;
    loop {
        let low = *rest.first()?;
        if low == b']' && !first {
            return Some((found != inverted, &rest[1..]));
        }
        first = false;
        let (high, used) = match rest {
            [_, b'-', high, ..] if *high != b']' => (*high, 3),
            _ => (low, 1),
        };
        found |= (low..=high).contains(&byte);
        rest = &rest[used..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_those_of_the_module() {
        for (pattern, text, expected) in [
            ("vfs_*", "vfs_read", true),
            ("vfs_*", "xvfs_read", false),
            ("*_read", "vfs_read", true),
            ("*a*b", "xaxbxb", true),
            ("*a*b", "xaxbxc", false),
            ("v?s", "vfs", true),
            ("v?s", "vs", false),
            ("[rw]*", "write", true),
            ("[!rw]*", "write", false),
            ("[a-c]1", "b1", true),
            ("[a-c]1", "d1", false),
            ("[]]", "]", true),
            ("[x", "[x", true),
            ("", "", true),
            ("*", "", true),
            ("a", "", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
