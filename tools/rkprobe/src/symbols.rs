// SPDX-License-Identifier: GPL-2.0

//! The functions of the kernel and of its modules, from kallsyms.

use crate::error::{Error, Result};
use crate::files::Files;
use crate::glob::matches;
use std::fs;

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Where it begins; 0 if the kernel hides addresses.
    pub address: u64,
    /// Its name, as the kernel has it.
    pub name: &'a str,
    /// The module that it is in.
    pub module: Option<&'a str>,
}

impl Symbol<'_> {
    /// What names it as a target.
    pub fn target(&self) -> String {
        match self.module {
            Some(module) => format!("{module}:{}", self.name),
            None => self.name.to_owned(),
        }
    }
}

/// A line of kallsyms.
struct Row {
    address: u64,
    /// Where the line is in the text.
    line: (u32, u32),
    is_function: bool,
}

/// All symbols, sorted by address.
#[derive(Default)]
pub struct Symbols {
    text: String,
    rows: Vec<Row>,
}

impl Symbols {
    /// Reads kallsyms.
    ///
    /// # Errors
    ///
    /// `Io`.
    pub fn read(files: &Files) -> Result<Self> {
        let path = files.proc("kallsyms");
        let text = fs::read_to_string(&path).map_err(|error| Error::file(&path, &error))?;
        Ok(Self::parse(text))
    }

    /// Reads the text of kallsyms.
    pub fn parse(text: String) -> Self {
        let mut rows = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let end = start + line.len();
            let place = (u32::try_from(start), u32::try_from(end));
            if let (Some((address, kind)), (Ok(start), Ok(end))) = (head(line), place) {
                // Other symbols are values, not places.
                if kind.is_ascii_alphabetic() && !matches!(kind, b'A' | b'a') {
                    rows.push(Row {
                        address,
                        line: (start, end),
                        is_function: matches!(kind, b'T' | b't' | b'W' | b'w'),
                    });
                }
            }
            start = end;
        }
        rows.sort_by_key(|row: &Row| row.address);
        Self { text, rows }
    }

    fn symbol(&self, row: &Row) -> Option<Symbol<'_>> {
        let line = self.text.get(row.line.0 as usize..row.line.1 as usize)?;
        let mut words = line.split_whitespace().skip(2);
        Some(Symbol {
            address: row.address,
            name: words.next()?,
            module: words
                .next()
                .map(|module| module.trim_matches(['[', ']']))
                .filter(|module| !module.starts_with("__builtin")),
        })
    }

    /// The symbol at or before an address.
    pub fn at(&self, address: u64) -> Option<Symbol<'_>> {
        let after = self.rows.partition_point(|row| row.address <= address);
        // Of several names for one address the first is the one that the kernel prints.
        let found = self.rows.get(after.checked_sub(1)?)?.address;
        let first = self.rows.partition_point(|row| row.address < found);
        self.symbol(self.rows.get(first)?)
    }

    /// An address as `SYMBOL+OFFSET`.
    pub fn name_of(&self, address: u64) -> Option<String> {
        let symbol = self.at(address)?;
        let offset = address - symbol.address;
        // No symbol is that long: the address has none.
        if symbol.address == 0 || offset > 1 << 20 {
            return None;
        }
        let name = demangle(symbol.name);
        Some(match offset {
            0 => name,
            _ => format!("{name}+{offset:#x}"),
        })
    }

    /// The functions that match `[MODULE:]PATTERN`, without the padding before functions.
    pub fn matching<'a>(&'a self, pattern: &str) -> impl Iterator<Item = Symbol<'a>> {
        let (module, pattern) = match pattern.split_once(':') {
            Some((module, pattern)) => (Some(module.to_owned()), pattern.to_owned()),
            None => (None, pattern.to_owned()),
        };
        self.rows
            .iter()
            .filter(|row| row.is_function)
            .filter_map(|row| self.symbol(row))
            .filter(move |symbol| {
                let padding = ["__pfx_", "__cfi_"]
                    .iter()
                    .any(|prefix| symbol.name.starts_with(prefix));
                let inside = module.is_none() || module.as_deref() == symbol.module;
                !padding && inside && matches(&pattern, symbol.name)
            })
    }
}

fn head(line: &str) -> Option<(u64, u8)> {
    let (address, rest) = line.split_once(' ')?;
    Some((
        u64::from_str_radix(address, 16).ok()?,
        *rest.as_bytes().first()?,
    ))
}

/// A name as people write it. Names of Rust are mangled in the kernel.
pub fn demangle(name: &str) -> String {
    match rustc_demangle::try_demangle(name) {
        Ok(demangled) => format!("{demangled:#}"),
        Err(_) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KALLSYMS: &str = "\
ffffffff81000030 t third
ffffffff81000010 T first
ffffffff81000010 t alias
ffffffff81000000 T __pfx_first
ffffffff81000020 D data
ffffffffc0000000 t helper\t[ext4]
ffffffffc0000100 t _RNvCsdvLn2mWP0nC_4core4main
";

    #[test]
    fn addresses_have_names() {
        let symbols = Symbols::parse(KALLSYMS.to_owned());
        let name = |address| symbols.name_of(address);
        assert_eq!(name(0xffff_ffff_8100_0010).as_deref(), Some("first"));
        assert_eq!(name(0xffff_ffff_8100_0012).as_deref(), Some("first+0x2"));
        assert_eq!(name(0xffff_ffff_8100_0020).as_deref(), Some("data"));
        assert_eq!(name(0x1000), None);
        assert_eq!(name(0xffff_ffff_c000_0100).as_deref(), Some("core::main"));
    }

    #[test]
    fn patterns_find_functions() {
        let symbols = Symbols::parse(KALLSYMS.to_owned());
        let found = |pattern: &str| -> Vec<String> {
            symbols
                .matching(pattern)
                .map(|symbol| symbol.target())
                .collect()
        };
        assert_eq!(found("*irst"), ["first"]);
        assert_eq!(found("ext4:*"), ["ext4:helper"]);
        assert_eq!(found("[th]*r*"), ["third", "ext4:helper"]);
    }
}
