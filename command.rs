// SPDX-License-Identifier: GPL-2.0

//! The text that users write: command lines, targets, switches, and the names made for probes.

pub mod places;
pub mod target;
mod words;
pub mod writes;

use crate::eligibility::refusal::Refusal;
use places::{
    Places,
    Targets, //
};
use target::{
    check_whole,
    TargetSpec, //
};
pub use words::without_comment;
use words::{
    is_name_byte,
    is_pattern,
    is_pattern_byte,
    parse_number,
    parse_word,
    split_at_byte,
    split_word, //
};

/// The longest probe name, in bytes, and the longest group of an event.
pub const NAME_MAX: usize = 63;
/// The longest name with its group, in bytes.
pub const FULL_NAME_MAX: usize = 2 * NAME_MAX + 1;
/// The group of events whose names have no group.
pub const GROUP: &str = "rkprobes";

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
    /// `p[:NAME] TARGET[,TARGET..] [SETTING..] [ARGUMENT..]`, `c[:NAME] TARGET[,TARGET..] [SETTING..]`
    Add {
        /// What the probe does, by the letter of the command.
        kind: ProbeKind,
        /// The name, if the line has one.
        name: Option<&'a str>,
        /// The targets.
        targets: Targets<'a>,
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
    /// `-:PATTERN`, `-:GROUP/`
    RemoveMatching {
        /// What the names of the probes are compared with, by the rules of lib/glob.c:glob_match:
        /// `GROUP/NAME`, or a name without its group, or `GROUP/`.
        pattern: &'a str,
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

/// Reads one line of `probes`. Returns `None` for a blank line or a `#` comment.
///
/// # Errors
///
/// `UnknownCommand`, `BadRemoval`, `TrailingText`, `NoValue`, and the errors of [`parse_name`],
/// [`Targets::parse`], [`parse_switch`] and [`parse_limit`].
pub fn parse_line(line: &[u8]) -> Result<Option<Command<'_>>, Refusal> {
    parse(line, Settings::default())
}

/// Reads one line of `rkprobe_events`: a line of `probes` without counting, whose probe is disabled by
/// default. So it runs only while its event has a consumer.
///
/// # Errors
///
/// Those of [`parse_line`].
pub fn parse_event_line(line: &[u8]) -> Result<Option<Command<'_>>, Refusal> {
    let settings = Settings {
        enabled: false,
        ..Settings::default()
    };
    match parse(line, settings)? {
        Some(Command::Add {
            kind: ProbeKind::Count,
            ..
        }) => Err(Refusal::UnknownCommand),
        command => Ok(command),
    }
}

/// Reads one line. What it does not set is that of `default`.
fn parse(line: &[u8], default: Settings) -> Result<Option<Command<'_>>, Refusal> {
    let line = without_comment(line);
    let (&letter, rest) = match line.split_first() {
        None | Some((b'#', _)) => return Ok(None),
        Some(split) => split,
    };
    let (word, target) = split_word(rest);
    let name = match word.split_first() {
        None => None,
        Some((b':', pattern))
            if letter == b'-' && (is_pattern(pattern) || pattern.ends_with(b"/")) =>
        {
            return parse_matching_removal(pattern, target).map(Some);
        }
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
    let targets = Targets::parse(target)?;
    let (settings, arguments) = parse_settings(rest, default)?;
    if kind == ProbeKind::Count && !arguments.is_empty() {
        return Err(Refusal::TrailingText);
    }
    Ok(Some(Command::Add {
        kind,
        name,
        targets,
        settings,
        arguments,
    }))
}

fn parse_matching_removal<'a>(pattern: &'a [u8], rest: &[u8]) -> Result<Command<'a>, Refusal> {
    let allowed =
        |byte: &u8| is_name_byte(*byte) || matches!(*byte, b'.' | b'/') || is_pattern_byte(*byte);
    let slashes = pattern.iter().filter(|byte| **byte == b'/').count();
    if !rest.is_empty() || slashes > 1 || pattern.starts_with(b"/") || !pattern.iter().all(allowed)
    {
        return Err(Refusal::BadRemoval);
    }
    if pattern.len() > FULL_NAME_MAX {
        return Err(Refusal::NameTooLong);
    }
    let pattern = core::str::from_utf8(pattern).map_err(|_| Refusal::BadRemoval)?;
    Ok(Command::RemoveMatching { pattern })
}

/// Reads the settings at the beginning of `text`, and returns the text after them. Each setting may be
/// there once, in any order.
fn parse_settings(text: &[u8], default: Settings) -> Result<(Settings, &[u8]), Refusal> {
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
        enabled: enabled.unwrap_or(default.enabled),
        limit: limit.unwrap_or(default.limit),
    };
    Ok((settings, rest))
}

/// Whether the value of a word is what an event's argument fetches, and not that of a setting.
fn begins_fetch(value: &[u8]) -> bool {
    matches!(value, [b'%' | b'$' | b'@' | b'+' | b'-' | b'\\' | b'(', ..])
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

/// Reads a probe name, `NAME` or `GROUP/NAME`. Returns it without the group [`GROUP`].
///
/// # Errors
///
/// `BadName`, `NameTooLong`.
pub fn parse_name(name: &[u8]) -> Result<&str, Refusal> {
    let Some((group, own)) = split_at_byte(name, b'/') else {
        return parse_own_name(name);
    };
    let group = parse_word(group, NAME_MAX, is_name_byte).ok_or(Refusal::BadName)??;
    match (group, parse_own_name(own)?) {
        // The directory of all groups has files of its own.
        ("enable" | "header_event" | "header_page", _) => Err(Refusal::BadName),
        (GROUP, own) => Ok(own),
        _ => core::str::from_utf8(name).map_err(|_| Refusal::BadName),
    }
}

fn parse_own_name(name: &[u8]) -> Result<&str, Refusal> {
    // A name is the name of a directory.
    if name.first() == Some(&b'.') {
        return Err(Refusal::BadName);
    }
    parse_word(name, NAME_MAX, |byte| is_name_byte(byte) || byte == b'.').ok_or(Refusal::BadName)?
}

/// A probe name that is made, because the user gave none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoName {
    bytes: [u8; NAME_MAX],
    len: usize,
}

impl AutoName {
    /// The name for `places`, as kprobe events make it: letter, symbol and decimal offset, or
    /// letter and address. A pattern stands where the symbol does. A character of the symbol that a name cannot have becomes `_`. A symbol
    /// that is too long loses its end. `nth` distinguishes the names of one target; the first is 0.
    pub fn new(kind: ProbeKind, places: &Places<'_>, nth: u32) -> AutoName {
        let (stem, offset, radix) = match places {
            Places::Matching { pattern, .. } => (*pattern, 0, 10),
            Places::Place(target) | Places::Function(target) | Places::Blocks(target) => {
                match target {
                    TargetSpec::Symbol { symbol, offset, .. } => (*symbol, *offset, 10),
                    TargetSpec::Address(address) => ("", *address, 16),
                }
            }
        };
        let mut tail = AutoName::EMPTY.with_number(offset, radix);
        if nth != 0 {
            tail = tail.with_number(u64::from(nth), 10);
        }
        let room = NAME_MAX.saturating_sub(tail.len).saturating_sub(2);
        let mut name = AutoName::EMPTY.with(&[kind.letter()]);
        if !stem.is_empty() {
            name = name
                .with(b"_")
                .with(stem.as_bytes().get(..room).unwrap_or(stem.as_bytes()));
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
