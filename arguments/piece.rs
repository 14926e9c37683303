// SPDX-License-Identifier: GPL-2.0

//! A piece of a line, which knows its column.

use super::error::{
    ArgumentError,
    ArgumentRefusal, //
};

/// A piece of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a [u8],
    /// The offset in the line of the first byte.
    pub(super) column: usize,
}

impl<'a> Piece<'a> {
    /// The words of the line, from the byte `start` on.
    pub(super) fn words(line: &'a [u8], start: usize) -> impl Iterator<Item = Piece<'a>> + Clone {
        let mut rest = Piece {
            text: line.get(start..).unwrap_or(&[]),
            column: start,
        };
        core::iter::from_fn(move || {
            let begin = rest.find(|byte| !byte.is_ascii_whitespace())?;
            let (_, word) = rest.split(begin)?;
            let end = word.find(|byte| byte.is_ascii_whitespace());
            let (word, after) = word.split(end.unwrap_or(word.text.len()))?;
            rest = after;
            Some(word)
        })
    }

    /// The error at the first byte.
    pub(super) fn refuse(self, reason: ArgumentRefusal) -> ArgumentError {
        ArgumentError {
            column: self.column,
            reason,
        }
    }

    /// The error after the last byte.
    pub(super) fn refuse_end(self, reason: ArgumentRefusal) -> ArgumentError {
        self.end().refuse(reason)
    }

    fn end(self) -> Piece<'a> {
        Piece {
            text: &[],
            column: self.column.saturating_add(self.text.len()),
        }
    }

    fn find(self, is_it: impl Fn(&u8) -> bool) -> Option<usize> {
        self.text.iter().position(is_it)
    }

    /// The pieces before and from the byte `at`.
    pub(super) fn split(self, at: usize) -> Option<(Piece<'a>, Piece<'a>)> {
        let (before, after) = self.text.split_at_checked(at)?;
        let column = self.column.saturating_add(at);
        Some((
            Piece {
                text: before,
                column: self.column,
            },
            Piece {
                text: after,
                column,
            },
        ))
    }

    /// The piece without its first `count` bytes.
    pub(super) fn skip(self, count: usize) -> Piece<'a> {
        self.split(count).map_or(self.end(), |(_, after)| after)
    }

    /// The piece after `prefix`.
    pub(super) fn strip_prefix(self, prefix: &[u8]) -> Option<Piece<'a>> {
        self.text
            .starts_with(prefix)
            .then(|| self.skip(prefix.len()))
    }

    /// The piece before `suffix`.
    pub(super) fn strip_suffix(self, suffix: &[u8]) -> Option<Piece<'a>> {
        let text = self.text.strip_suffix(suffix)?;
        Some(Piece { text, ..self })
    }

    /// The pieces before and after the first `byte`.
    pub(super) fn split_at_first(self, byte: u8) -> Option<(Piece<'a>, Piece<'a>)> {
        let (before, after) = self.split(self.find(|it| *it == byte)?)?;
        Some((before, after.skip(1)))
    }

    /// The pieces before and after the last `byte`.
    pub(super) fn split_at_last(self, byte: u8) -> Option<(Piece<'a>, Piece<'a>)> {
        let at = self.text.iter().rposition(|it| *it == byte)?;
        let (before, after) = self.split(at)?;
        Some((before, after.skip(1)))
    }

    /// The pieces before and after the first `->`.
    pub(super) fn split_at_arrow(self) -> Option<(Piece<'a>, Piece<'a>)> {
        let at = self.text.windows(2).position(|it| it == b"->")?;
        let (before, after) = self.split(at)?;
        Some((before, after.skip(2)))
    }

    /// The pieces before and from the first sign.
    pub(super) fn split_at_sign(self) -> Option<(Piece<'a>, Piece<'a>)> {
        self.split(self.find(|byte| matches!(byte, b'+' | b'-'))?)
    }
}
