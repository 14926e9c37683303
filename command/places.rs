// SPDX-License-Identifier: GPL-2.0

//! The places that one probe stands for: a list of targets, whole functions and patterns.

use crate::command::target::{
    is_symbol_byte,
    parse_module,
    parse_target,
    TargetSpec,
    SYMBOL_MAX, //
};
use crate::command::words::{
    is_pattern,
    is_pattern_byte,
    split_at_byte, //
};
use crate::eligibility::refusal::Refusal;

/// An element of the list of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places<'a> {
    /// `TARGET`: one address.
    Place(TargetSpec<'a>),
    /// `SYMBOL+*`: all instructions of the function.
    Function(TargetSpec<'a>),
    /// `SYMBOL+blocks`: the first instruction of each basic block of the function.
    Blocks(TargetSpec<'a>),
    /// `[MODULE:]PATTERN`: the entries of all functions whose names match.
    Matching {
        /// The module. Without one, the functions of the kernel and of all modules are compared.
        module: Option<&'a str>,
        /// What the names are compared with, by the rules of lib/glob.c:glob_match.
        pattern: &'a str,
    },
}

impl<'a> Places<'a> {
    /// The address that it is about, or the function. `None` for a pattern.
    pub const fn target(&self) -> Option<TargetSpec<'a>> {
        match self {
            Places::Place(target) | Places::Function(target) | Places::Blocks(target) => {
                Some(*target)
            }
            Places::Matching { .. } => None,
        }
    }

    /// The module that it names.
    pub const fn module(&self) -> Option<&'a str> {
        match self {
            Places::Place(target) | Places::Function(target) | Places::Blocks(target) => {
                target.module()
            }
            Places::Matching { module, .. } => *module,
        }
    }

    /// Whether it stands for entries of functions alone, as far as the text tells.
    pub const fn is_entry(&self) -> bool {
        matches!(
            self,
            Places::Matching { .. } | Places::Place(TargetSpec::Symbol { offset: 0, .. })
        )
    }
}

/// Reads an element of a list of targets. White space may surround it.
///
/// # Errors
///
/// The errors of [`parse_target`]. `BadNumber`: an offset before `+*` or `+blocks`.
pub fn parse_places(text: &[u8]) -> Result<Places<'_>, Refusal> {
    let text = text.trim_ascii();
    if let Some(function) = text.strip_suffix(b"+*") {
        return parse_function(function).map(Places::Function);
    }
    if let Some(function) = text.strip_suffix(b"+blocks") {
        return parse_function(function).map(Places::Blocks);
    }
    match is_pattern(text) {
        true => parse_matching(text),
        false => parse_target(text).map(Places::Place),
    }
}

fn parse_function(text: &[u8]) -> Result<TargetSpec<'_>, Refusal> {
    if text.trim_ascii_end() != text {
        return Err(Refusal::BlankInTarget);
    }
    if text.contains(&b'+') {
        return Err(Refusal::BadNumber);
    }
    parse_target(text)
}

fn parse_matching(text: &[u8]) -> Result<Places<'_>, Refusal> {
    let (module, pattern) = match split_at_byte(text, b':') {
        Some((module, pattern)) => (Some(parse_module(module)?), pattern),
        None => (None, text),
    };
    let allowed = |byte: &u8| is_symbol_byte(*byte) || is_pattern_byte(*byte);
    if pattern.is_empty() || !pattern.iter().all(allowed) {
        return Err(Refusal::BadTarget);
    }
    if pattern.len() > SYMBOL_MAX {
        return Err(Refusal::NameTooLong);
    }
    let pattern = core::str::from_utf8(pattern).map_err(|_| Refusal::BadTarget)?;
    Ok(Places::Matching { module, pattern })
}

/// The targets of a line, with commas between them.
///
/// # Invariants
///
/// There is at least one, and each can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Targets<'a>(&'a [u8]);

impl<'a> Targets<'a> {
    /// Reads a list of targets.
    ///
    /// # Errors
    ///
    /// Those of [`parse_places`], for the first target that cannot be read.
    pub fn parse(text: &'a [u8]) -> Result<Self, Refusal> {
        for places in split(text) {
            parse_places(places)?;
        }
        Ok(Self(text))
    }

    /// As they were written.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The targets, in order.
    pub fn iter(&self) -> impl Iterator<Item = Places<'a>> {
        split(self.0).filter_map(|places| parse_places(places).ok())
    }

    /// The first target.
    pub fn first(&self) -> Places<'a> {
        let none = Places::Place(TargetSpec::Address(0));
        self.iter().next().unwrap_or(none)
    }

    /// Whether there is one target.
    pub fn is_alone(&self) -> bool {
        self.iter().nth(1).is_none()
    }

    /// Whether there is one target, which stands for one place.
    pub fn is_one(&self) -> bool {
        self.is_alone() && self.is_place(0)
    }

    /// Whether the target with this number, from 0, stands for one place.
    pub fn is_place(&self, number: usize) -> bool {
        matches!(self.iter().nth(number), Some(Places::Place(_)))
    }
}

fn split(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b',')
}
