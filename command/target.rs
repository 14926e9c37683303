// SPDX-License-Identifier: GPL-2.0

//! Targets: the text that says where a probe is.

use crate::command::words::{
    hex_digits,
    is_name_byte,
    parse_number,
    parse_word,
    split_at_byte,
    split_word, //
};
use crate::eligibility::refusal::Refusal;

/// The longest module name, in bytes.
pub const MODULE_MAX: usize = 55;
/// The longest symbol, in bytes.
pub const SYMBOL_MAX: usize = 511;

/// A target, as a user writes it: the place of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetSpec<'a> {
    /// `[MODULE:]SYMBOL[+OFFSET]`
    Symbol {
        /// The module. Without one, the symbol is searched in all text.
        module: Option<&'a str>,
        /// The function.
        symbol: &'a str,
        /// Bytes after the start of the function.
        offset: u64,
    },
    /// `0xADDRESS[+OFFSET]`
    Address(u64),
}

/// Refuses a target that has a blank beside its plus, so that `rest` has the other part of it.
pub(super) fn check_whole(target: &[u8], rest: &[u8]) -> Result<(), Refusal> {
    let (word, _) = split_word(rest);
    // An argument of an event may begin with a plus, and then has a brace.
    let is_offset = word.first() == Some(&b'+') && !word.contains(&b'(');
    match (target.last(), word.first()) {
        (Some(b'+' | b','), Some(_)) | (_, Some(b',')) => Err(Refusal::BlankInTarget),
        _ if is_offset => Err(Refusal::BlankInTarget),
        _ => Ok(()),
    }
}

/// Reads a target. White space may surround it. The size of the function that stack traces print after
/// the offset is ignored.
///
/// # Errors
///
/// `BadTarget`, `BadNumber`, `NameTooLong`, `BlankInTarget`, `TrailingText`.
pub fn parse_target(text: &[u8]) -> Result<TargetSpec<'_>, Refusal> {
    let (text, rest) = split_word(text.trim_ascii());
    check_whole(text, rest)?;
    if !rest.is_empty() {
        return Err(Refusal::TrailingText);
    }
    let (place, offset) = match split_at_byte(text, b'+') {
        Some((place, offset)) => (place, parse_offset(offset)?),
        None => (text, 0),
    };
    if hex_digits(place).is_some() {
        let addr = parse_number(place)?.checked_add(offset);
        return Ok(TargetSpec::Address(addr.ok_or(Refusal::BadNumber)?));
    }
    let (module, symbol) = match split_at_byte(place, b':') {
        Some((module, symbol)) => (Some(parse_module(module)?), symbol),
        None => (None, place),
    };
    let symbol = parse_word(symbol, SYMBOL_MAX, is_symbol_byte).ok_or(Refusal::BadTarget)??;
    Ok(TargetSpec::Symbol {
        module,
        symbol,
        offset,
    })
}

impl<'a> TargetSpec<'a> {
    /// The module that it names.
    pub const fn module(&self) -> Option<&'a str> {
        match self {
            TargetSpec::Symbol { module, .. } => *module,
            TargetSpec::Address(_) => None,
        }
    }
}

/// The bytes of a module's name as the kernel has them. The name of a module's file may have `-` where
/// the name of the module has `_`.
pub fn module_bytes(name: &str) -> impl Iterator<Item = u8> + Clone + '_ {
    name.bytes().map(|byte| match byte {
        b'-' => b'_',
        byte => byte,
    })
}

/// Reads the name of a module.
///
/// # Errors
///
/// `BadTarget`, `NameTooLong`.
pub(super) fn parse_module(name: &[u8]) -> Result<&str, Refusal> {
    // Module names may begin with a digit, because they come from file names.
    let allowed = |byte: &u8| is_name_byte(*byte) || *byte == b'-';
    if name.is_empty() || !name.iter().all(allowed) {
        return Err(Refusal::BadTarget);
    }
    if name.len() > MODULE_MAX {
        return Err(Refusal::NameTooLong);
    }
    core::str::from_utf8(name).map_err(|_| Refusal::BadTarget)
}

/// Compilers add suffixes with dots, and symbols of Rust may have a dollar sign.
pub(super) fn is_symbol_byte(byte: u8) -> bool {
    is_name_byte(byte) || byte == b'.' || byte == b'$'
}

/// Reads `OFFSET` or `OFFSET/SIZE`.
fn parse_offset(text: &[u8]) -> Result<u64, Refusal> {
    match split_at_byte(text, b'/') {
        Some((offset, size)) => {
            parse_number(size)?;
            parse_number(offset)
        }
        None => parse_number(text),
    }
}
