// SPDX-License-Identifier: GPL-2.0

//! How the writes to a file become lines, and which write reports a line that failed.
//!
//! A program may cut its text at any byte. So a line runs when its newline is written, or when the
//! file is closed, and never in two parts. A program that writes in blocks must be able to go on after
//! a refused line, so only a program that writes whole lines gets the error from its write.

/// The longest line, in bytes.
pub const LINE_MAX: usize = 4095;

/// A write of this many bytes is a block of a longer text. The buffers of C libraries and of tools
/// have at least this size.
pub const BLOCK_MIN: usize = 1024;

/// The lines of a text, with their numbers.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    text: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    /// The lines of `text`. The first one has `number`. The last one may lack its newline.
    pub const fn new(text: &'a [u8], number: usize) -> Self {
        Self { text, number }
    }

    /// The number of the next line.
    pub const fn number(&self) -> usize {
        self.number
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.text.is_empty() {
            return None;
        }
        let newline = self.text.iter().position(|byte| *byte == b'\n');
        let len = newline.unwrap_or(self.text.len());
        let (line, rest) = self.text.split_at_checked(len).unwrap_or((self.text, &[]));
        self.text = rest.get(1..).unwrap_or(&[]);
        let number = self.number;
        self.number = number.saturating_add(1);
        Some((number, line))
    }
}

/// The whole lines of `text`, with their newlines, and the unfinished line after them.
pub fn split_unfinished(text: &[u8]) -> (&[u8], &[u8]) {
    let newline = text.iter().rposition(|byte| *byte == b'\n');
    let len = newline.map_or(0, |at| at.saturating_add(1));
    text.split_at_checked(len).unwrap_or((text, &[]))
}

/// As much of a line as has to be kept: a line that is too long stays too long.
pub fn keep(line: &[u8]) -> &[u8] {
    line.get(..=LINE_MAX).unwrap_or(line)
}

/// What the writes of one open file tell of its writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// A write had the size of a block, or ended inside a line.
    in_blocks: bool,
}

impl Writes {
    /// Notes a write of `len` bytes. `ends_line`: its last byte is a newline. Returns whether the write
    /// reports lines that failed; if not, closing the file reports them.
    pub fn note(&mut self, len: usize, ends_line: bool) -> bool {
        self.in_blocks |= len >= BLOCK_MIN || !ends_line;
        !self.in_blocks
    }
}
