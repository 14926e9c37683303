// SPDX-License-Identifier: GPL-2.0

//! The output: colours, tables, JSON.

use crate::error::Result;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// A colour or a weight of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Headings.
    Bold,
    /// Text that is less important, and what never runs.
    Dim,
    /// How hot a block is, from 0 to 4.
    Heat(u8),
    /// What is right.
    Good,
    /// What is wrong.
    Bad,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Style::Bold => "1",
            Style::Dim => "90",
            Style::Heat(0) => "34",
            Style::Heat(1) => "36",
            Style::Heat(2) => "32",
            Style::Heat(3) => "33",
            Style::Heat(_) => "1;31",
            Style::Good => "32",
            Style::Bad => "31",
        }
    }
}

/// Where a command writes.
pub struct Output<'a> {
    writer: Box<dyn Write + 'a>,
    /// Whether text has colours.
    pub colour: bool,
    /// Whether a table may replace the one before.
    pub live: bool,
    /// The columns of the terminal.
    pub width: usize,
    /// Whether the command writes JSON.
    pub json: bool,
}

impl<'a> Output<'a> {
    /// The standard output.
    pub fn stdout(json: bool) -> Self {
        let terminal = io::stdout().is_terminal() && !json;
        let width = match terminal {
            true => ratatui::crossterm::terminal::size().map_or(0, |size| size.0),
            false => 0,
        };
        Self {
            writer: Box::new(io::BufWriter::new(io::stdout())),
            colour: terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            live: terminal,
            // A serial line has no size.
            width: match width {
                0 => 100,
                width => usize::from(width),
            },
            json,
        }
    }

    /// A buffer, for tests.
    pub fn buffer(buffer: &'a mut Vec<u8>, json: bool) -> Self {
        Self {
            writer: Box::new(buffer),
            colour: false,
            live: false,
            width: 80,
            json,
        }
    }

    /// Text with a style.
    pub fn paint(&self, style: Style, text: &str) -> String {
        match self.colour {
            true => format!("\x1b[{}m{text}\x1b[0m", style.code()),
            false => text.to_owned(),
        }
    }

    /// Writes a line.
    ///
    /// # Errors
    ///
    /// `Pipe`, `Io`.
    pub fn line(&mut self, text: &str) -> Result<()> {
        Ok(writeln!(self.writer, "{}", text.trim_end())?)
    }

    /// Writes text as it is.
    ///
    /// # Errors
    ///
    /// `Pipe`, `Io`.
    pub fn raw(&mut self, text: &str) -> Result<()> {
        Ok(self.writer.write_all(text.as_bytes())?)
    }

    /// Writes a value as one line of JSON.
    ///
    /// # Errors
    ///
    /// `Pipe`, `Io`.
    pub fn json(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.writer, value)?;
        Ok(writeln!(self.writer)?)
    }

    /// Sends what was written.
    ///
    /// # Errors
    ///
    /// `Pipe`, `Io`.
    pub fn flush(&mut self) -> Result<()> {
        Ok(self.writer.flush()?)
    }

    /// Clears the terminal, before a table that replaces the one before.
    ///
    /// # Errors
    ///
    /// `Pipe`, `Io`.
    pub fn clear(&mut self) -> Result<()> {
        match self.live {
            true => self.raw("\x1b[H\x1b[2J"),
            false => Ok(()),
        }
    }

    /// Writes a table. Columns of numbers are aligned to the right.
    ///
    /// # Errors
    ///
    /// `Pipe`, `Io`.
    pub fn table(&mut self, heads: &[&str], rows: &[Vec<String>]) -> Result<()> {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let widths = cells.map(|cell| cell.chars().count());
            widths.max().unwrap_or(0).max(heads[column].len())
        };
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let numeric = |column: usize| {
            !rows.is_empty()
                && rows
                    .iter()
                    .all(|row| row.get(column).is_some_and(|cell| is_number(cell)))
        };
        let right: Vec<bool> = (0..heads.len()).map(numeric).collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| -> String {
            let mut text = String::new();
            for (column, cell) in cells.enumerate() {
                let gap = if column == 0 { "" } else { "  " };
                let width = widths[column];
                text.push_str(gap);
                text.push_str(&match right[column] {
                    true => format!("{cell:>width$}"),
                    false => format!("{cell:<width$}"),
                });
            }
            text.trim_end().to_owned()
        };
        let head = line(&mut heads.iter().copied());
        let head = self.paint(Style::Bold, &head);
        self.line(&head)?;
        for row in rows {
            let text = line(&mut row.iter().map(String::as_str));
            self.line(&text)?;
        }
        Ok(())
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b".-%".contains(&byte))
}

/// A bar of `width` columns at most, in eighths of a column.
pub fn bar(part: f64, width: usize) -> String {
    const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (part.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let mut text = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        text.push(PARTS[eighths % 8]);
    } else if eighths == 0 && part > 0.0 {
        text.push(PARTS[1]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned() {
        let mut buffer = Vec::new();
        let mut out = Output::buffer(&mut buffer, false);
        let rows = [
            vec!["7".to_owned(), "vfs_read".to_owned()],
            vec!["1234".to_owned(), "x".to_owned()],
        ];
        out.table(&["HITS", "TARGET"], &rows).unwrap();
        drop(out);
        assert_eq!(
            String::from_utf8(buffer).unwrap(),
            "HITS  TARGET\n   7  vfs_read\n1234  x\n"
        );
    }

    #[test]
    fn bars_show_parts_of_columns() {
        assert_eq!(bar(1.0, 3), "███");
        assert_eq!(bar(0.5, 3), "█▌");
        assert_eq!(bar(0.0001, 3), "▏");
        assert_eq!(bar(0.0, 3), "");
    }
}
