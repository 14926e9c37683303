// SPDX-License-Identifier: GPL-2.0

//! The text that users write: command lines, targets, switches, and the names made for probes.

pub mod writes;

use crate::eligibility::refusal::Refusal;

/// The longest probe name, in bytes.
pub const NAME_MAX: usize = 63;
/// The longest module name, in bytes.
pub const MODULE_MAX: usize = 55;
/// The longest symbol, in bytes.
pub const SYMBOL_MAX: usize = 511;

/// What a probe does on a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// It runs its handlers.
    Probe,
    /// It counts the hit.
    Count,
}

impl ProbeKind {
    /// The letter of the command.
    pub const fn letter(self) -> u8 {
        match self {
            ProbeKind::Probe => b'p',
            ProbeKind::Count => b'c',
        }
    }
}

/// One line of `probes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// `p[:NAME] TARGET [SETTING..] [ARGUMENT..]`, `c[:NAME] TARGET [SETTING..]`
    Add {
        /// What the probe does, by the letter of the command.
        kind: ProbeKind,
        /// The name, if the line has one.
        name: Option<&'a str>,
        /// The target.
        target: TargetSpec<'a>,
        /// What the settings after the target set.
        settings: Settings,
        /// What follows the settings: the arguments of the event.
        arguments: &'a [u8],
    },
    /// `-:NAME`
    Remove {
        /// The name of the probe.
        name: &'a str,
    },
}

/// What a line sets besides the target: `enable=0`, `limit=N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The probe runs.
    pub enabled: bool,
    /// The most hits a second; 0 is no limit.
    pub limit: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            limit: 0,
        }
    }
}

/// What `explain` is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// `TARGET`: one address.
    Place(TargetSpec<'a>),
    /// `SYMBOL+*`: all instructions of the function.
    Function(TargetSpec<'a>),
}

impl<'a> Question<'a> {
    /// The address that it is about, or the function.
    pub const fn target(&self) -> TargetSpec<'a> {
        match self {
            Question::Place(target) | Question::Function(target) => *target,
        }
    }
}

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

/// Reads one line. Returns `None` for a blank line or a `#` comment.
///
/// # Errors
///
/// `UnknownCommand`, `BadRemoval`, `TrailingText`, `NoValue`, and the errors of [`parse_name`],
/// [`parse_target`], [`parse_switch`] and [`parse_limit`].
pub fn parse_line(line: &[u8]) -> Result<Option<Command<'_>>, Refusal> {
    let line = without_comment(line);
    let (&letter, rest) = match line.split_first() {
        None | Some((b'#', _)) => return Ok(None),
        Some(split) => split,
    };
    let (word, target) = split_word(rest);
    let name = match word.split_first() {
        None => None,
        Some((b':', name)) => Some(parse_name(name)?),
        Some(_) => return Err(Refusal::UnknownCommand),
    };
    let kind = match letter {
        b'p' => ProbeKind::Probe,
        b'c' => ProbeKind::Count,
        b'-' => {
            let name = name.filter(|_| target.is_empty());
            let name = name.ok_or(Refusal::BadRemoval)?;
            return Ok(Some(Command::Remove { name }));
        }
        _ => return Err(Refusal::UnknownCommand),
    };
    let (target, rest) = split_word(target);
    check_whole(target, rest)?;
    let target = parse_target(target)?;
    let (settings, arguments) = parse_settings(rest)?;
    if kind == ProbeKind::Count && !arguments.is_empty() {
        return Err(Refusal::TrailingText);
    }
    Ok(Some(Command::Add {
        kind,
        name,
        target,
        settings,
        arguments,
    }))
}

/// The target in a line of `p` or `c`, as it was written.
pub fn written_target(line: &[u8]) -> &[u8] {
    let (_, target) = split_word(without_comment(line));
    split_word(target).0
}

/// Reads the settings at the beginning of `text`, and returns the text after them. Each setting may be
/// there once, in any order.
fn parse_settings(text: &[u8]) -> Result<(Settings, &[u8]), Refusal> {
    let (mut enabled, mut limit) = (None, None);
    let mut rest = text;
    loop {
        let (word, after) = split_word(rest);
        match split_at_byte(word, b'=') {
            Some((b"enable" | b"limit", value)) if begins_fetch(value) => break,
            Some((b"enable", value)) if enabled.is_none() => enabled = Some(parse_switch(value)?),
            Some((b"limit", value)) if limit.is_none() => limit = Some(parse_limit(value)?),
            None if matches!(word, b"enable" | b"limit") => return Err(Refusal::NoValue),
            Some((b"enable" | b"limit", _)) => return Err(Refusal::TrailingText),
            _ => break,
        }
        rest = after;
    }
    let settings = Settings {
        enabled: enabled.unwrap_or(true),
        limit: limit.unwrap_or(0),
    };
    Ok((settings, rest))
}

/// Whether the value of a word is what an event's argument fetches, and not that of a setting.
fn begins_fetch(value: &[u8]) -> bool {
    matches!(value, [b'%' | b'$' | b'@' | b'+' | b'-' | b'\\', ..])
}

/// Refuses a target that has a blank beside its plus, so that `rest` has the other part of it.
fn check_whole(target: &[u8], rest: &[u8]) -> Result<(), Refusal> {
    let (word, _) = split_word(rest);
    // An argument of an event may begin with a plus, and then has a brace.
    let is_offset = word.first() == Some(&b'+') && !word.contains(&b'(');
    match (target.last(), word.first()) {
        (Some(b'+'), Some(_)) => Err(Refusal::BlankInTarget),
        _ if is_offset => Err(Refusal::BlankInTarget),
        _ => Ok(()),
    }
}

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

/// Reads a target. White space may surround it. The size of the function that stack traces print after
/// the offset is ignored.
///
/// # Errors
///
/// `BadTarget`, `BadNumber`, `NameTooLong`, `BlankInTarget`, `WholeFunction`, `TrailingText`.
pub fn parse_target(text: &[u8]) -> Result<TargetSpec<'_>, Refusal> {
    let (text, rest) = split_word(text.trim_ascii());
    check_whole(text, rest)?;
    if !rest.is_empty() {
        return Err(Refusal::TrailingText);
    }
    let (place, offset) = match split_at_byte(text, b'+') {
        Some((_, b"*")) => return Err(Refusal::WholeFunction),
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

/// Reads a question for `explain`: a target, or `SYMBOL+*` or `0xADDRESS+*` for a whole function.
///
/// # Errors
///
/// The errors of [`parse_target`]. `BadNumber`: an offset and a star.
pub fn parse_question(text: &[u8]) -> Result<Question<'_>, Refusal> {
    let text = text.trim_ascii();
    match text.strip_suffix(b"+*") {
        None => parse_target(text).map(Question::Place),
        Some(place) if place.trim_ascii_end() != place => Err(Refusal::BlankInTarget),
        Some(place) if place.contains(&b'+') => Err(Refusal::BadNumber),
        Some(place) => parse_target(place).map(Question::Function),
    }
}

/// Reads `1` or `0`, or the letters and words that the kernel's switches accept for them.
///
/// # Errors
///
/// `BadSwitch`.
pub fn parse_switch(text: &[u8]) -> Result<bool, Refusal> {
    match text.trim_ascii() {
        b"1" | b"y" | b"Y" | b"on" => Ok(true),
        b"0" | b"n" | b"N" | b"off" => Ok(false),
        _ => Err(Refusal::BadSwitch),
    }
}

/// Reads a limit of hits a second, decimal or hexadecimal; 0 is no limit.
///
/// # Errors
///
/// `BadLimit`.
pub fn parse_limit(text: &[u8]) -> Result<u32, Refusal> {
    let number = parse_number(text.trim_ascii());
    number
        .ok()
        .and_then(|number| u32::try_from(number).ok())
        .ok_or(Refusal::BadLimit)
}

/// The first word, and the text after it without the white space around that text.
fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let len = text
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(len).unwrap_or((text, &[]));
    (word, rest.trim_ascii())
}

/// The text before and after the first `byte`.
fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|b| *b == byte)?;
    let (before, rest) = text.split_at_checked(at)?;
    Some((before, rest.get(1..)?))
}

/// Reads a word of at most `max` bytes, which are all `allowed`, without a digit at its beginning.
fn parse_word(word: &[u8], max: usize, allowed: fn(u8) -> bool) -> Option<Result<&str, Refusal>> {
    let first = word.first()?;
    if first.is_ascii_digit() || !word.iter().all(|byte| allowed(*byte)) {
        return None;
    }
    if word.len() > max {
        return Some(Err(Refusal::NameTooLong));
    }
    core::str::from_utf8(word).ok().map(Ok)
}

/// Reads a probe name.
///
/// # Errors
///
/// `BadName`, `NameTooLong`.
pub fn parse_name(name: &[u8]) -> Result<&str, Refusal> {
    // A name is the name of a directory.
    if name.first() == Some(&b'.') {
        return Err(Refusal::BadName);
    }
    parse_word(name, NAME_MAX, |byte| is_name_byte(byte) || byte == b'.').ok_or(Refusal::BadName)?
}

fn parse_module(name: &[u8]) -> Result<&str, Refusal> {
    // Module names may begin with a digit, because they come from file names.
    if name.is_empty() || !name.iter().all(|byte| is_name_byte(*byte)) {
        return Err(Refusal::BadTarget);
    }
    if name.len() > MODULE_MAX {
        return Err(Refusal::NameTooLong);
    }
    core::str::from_utf8(name).map_err(|_| Refusal::BadTarget)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Compilers add suffixes with dots, and symbols of Rust may have a dollar sign.
fn is_symbol_byte(byte: u8) -> bool {
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

/// The text after `0x` or `0X`.
fn hex_digits(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"0x")
        .or_else(|| text.strip_prefix(b"0X"))
}

/// Reads a decimal number, or a hexadecimal number after `0x`.
fn parse_number(text: &[u8]) -> Result<u64, Refusal> {
    match hex_digits(text) {
        Some(digits) => parse_digits(digits, 16),
        None => parse_digits(text, 10),
    }
}

fn parse_digits(digits: &[u8], radix: u32) -> Result<u64, Refusal> {
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

/// A probe name that is made, because the user gave none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoName {
    bytes: [u8; NAME_MAX],
    len: usize,
}

impl AutoName {
    /// The name for `target`, as kprobe events make it: letter, symbol and decimal offset, or
    /// letter and address. A character of the symbol that a name cannot have becomes `_`. A symbol
    /// that is too long loses its end. `nth` distinguishes the names of one target; the first is 0.
    pub fn new(kind: ProbeKind, target: &TargetSpec<'_>, nth: u32) -> AutoName {
        let (stem, mut tail): (&[u8], AutoName) = match target {
            TargetSpec::Symbol { symbol, offset, .. } => {
                (symbol.as_bytes(), AutoName::EMPTY.with_number(*offset, 10))
            }
            TargetSpec::Address(address) => (b"", AutoName::EMPTY.with_number(*address, 16)),
        };
        if nth != 0 {
            tail = tail.with_number(u64::from(nth), 10);
        }
        let room = NAME_MAX.saturating_sub(tail.len).saturating_sub(2);
        let mut name = AutoName::EMPTY.with(&[kind.letter()]);
        if !stem.is_empty() {
            name = name.with(b"_").with(stem.get(..room).unwrap_or(stem));
        }
        name.with(tail.as_bytes())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    const EMPTY: AutoName = AutoName {
        bytes: [0; NAME_MAX],
        len: 0,
    };

    /// Appends as much of `text` as fits.
    fn with(mut self, text: &[u8]) -> AutoName {
        for byte in text {
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = if is_name_byte(*byte) { *byte } else { b'_' };
                self.len = self.len.saturating_add(1);
            }
        }
        self
    }

    /// Appends `_` and `number`. A hexadecimal number gets `0x` before it.
    fn with_number(self, number: u64, radix: u32) -> AutoName {
        let name = self.with(if radix == 16 { b"_0x" } else { b"_" });
        let mut scale = 1_u64;
        while number.checked_div(scale).unwrap_or(0) >= u64::from(radix) {
            scale = scale.saturating_mul(u64::from(radix));
        }
        let mut name = name;
        while scale != 0 {
            let digit = number.checked_div(scale).unwrap_or(0) % u64::from(radix);
            let digit = u32::try_from(digit).unwrap_or(0);
            let letter = char::from_digit(digit, radix).unwrap_or('0');
            name = name.with(&[u8::try_from(letter).unwrap_or(b'0')]);
            scale = scale.checked_div(u64::from(radix)).unwrap_or(0);
        }
        name
    }
}
