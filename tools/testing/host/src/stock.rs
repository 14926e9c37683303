// SPDX-License-Identifier: GPL-2.0

//! Reads the kernel image of a distribution: sections, symbols and the tables of the kernel.
//!
//! The image is the file that boots. Its text is not yet patched for a machine: alternatives,
//! retpolines, return thunks, jump labels and static calls are as the linker wrote them.

use object::{Object, ObjectSection};
use std::borrow::ToOwned;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, fs};

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A section that is in memory when the kernel runs.
pub struct Section {
    /// Its name.
    pub name: String,
    /// Its address without KASLR.
    pub addr: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it holds text.
    pub text: bool,
}

/// A symbol of `/proc/kallsyms`.
#[derive(Clone, Debug)]
pub struct Symbol {
    /// Its address without KASLR.
    pub addr: u64,
    /// The letter of its type, as nm prints it.
    pub kind: char,
    /// Its name.
    pub name: String,
}

/// A function, from its symbol to the next symbol at another address, as the kernel measures it.
#[derive(Clone, Debug)]
pub struct Function<'a> {
    /// The first address.
    pub start: u64,
    /// The address after the last byte, padding included.
    pub end: u64,
    /// Its names. There are several if symbols share the address.
    pub names: Vec<&'a str>,
}

/// A kernel image.
pub struct Kernel {
    /// The version banner.
    pub banner: String,
    sections: Vec<Section>,
    /// Sorted by address.
    symbols: Vec<Symbol>,
}

impl Kernel {
    /// The image that the lab boots: `RKPROBES_VMLINUZ`, or the image in the cache of the lab.
    pub fn lab_image() -> PathBuf {
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        let cache =
            || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
        variable("RKPROBES_VMLINUZ")
            .or_else(|| Some(cache()?.join("rkprobes/boot/vmlinuz")))
            .unwrap_or_else(|| PathBuf::from("vmlinuz"))
    }

    /// Reads a bzImage or a vmlinux.
    pub fn open(path: &Path) -> io::Result<Kernel> {
        let image = fs::read(path).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        let elf = unpack(image)?;
        let sections = read_sections(&elf).map_err(invalid)?;
        let mut kernel = Kernel {
            banner: String::new(),
            sections,
            symbols: Vec::new(),
        };
        let rodata = kernel
            .section(".rodata")
            .ok_or_else(|| invalid("no .rodata"))?;
        let symbols = Kallsyms::find(&rodata.bytes)
            .and_then(|found| found.symbols(rodata.addr))
            .ok_or_else(|| invalid("no kallsyms in .rodata"))?;
        kernel.symbols = symbols;
        kernel.banner = kernel
            .read_banner()
            .ok_or_else(|| invalid("no linux_banner"))?;
        Ok(kernel)
    }

    /// The release, as `uname -r` prints it.
    pub fn release(&self) -> &str {
        self.banner.split(' ').nth(2).unwrap_or("")
    }

    /// The sections.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The section of that name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// All symbols, by address.
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// The address of a symbol.
    pub fn address(&self, name: &str) -> Option<u64> {
        let symbol = self.symbols.iter().find(|symbol| symbol.name == name)?;
        Some(symbol.addr)
    }

    /// The bytes at `start..end`, if one section has all of them.
    pub fn bytes(&self, start: u64, end: u64) -> Option<&[u8]> {
        self.sections.iter().find_map(|section| {
            let from = usize::try_from(start.checked_sub(section.addr)?).ok()?;
            let to = usize::try_from(end.checked_sub(section.addr)?).ok()?;
            section.bytes.get(from..to)
        })
    }

    /// The bytes between two symbols (a table of the kernel) and their address.
    pub fn table(&self, first: &str, last: &str) -> Option<(u64, &[u8])> {
        let start = self.address(first)?;
        Some((start, self.bytes(start, self.address(last)?)?))
    }

    /// The functions of a section, by address.
    pub fn functions(&self, section: &Section) -> Vec<Function<'_>> {
        let end = section.addr + section.bytes.len() as u64;
        let first = self
            .symbols
            .partition_point(|symbol| symbol.addr < section.addr);
        let last = self.symbols.partition_point(|symbol| symbol.addr < end);
        let mut functions: Vec<Function<'_>> = Vec::new();
        for symbol in &self.symbols[first..last] {
            match functions.last_mut() {
                Some(before) if before.start == symbol.addr => {
                    before.names.push(&symbol.name);
                    continue;
                }
                Some(before) => before.end = symbol.addr,
                None => {}
            }
            functions.push(Function {
                start: symbol.addr,
                end,
                names: [symbol.name.as_str()].to_vec(),
            });
        }
        functions
    }

    /// Patches the text as the kernel does at boot on a processor that needs no return thunks: each
    /// jump to a thunk becomes a return and padding. Returns the number of these jumps.
    pub fn patch_returns(&mut self) -> usize {
        let sites = self
            .section(".return_sites")
            .map(|sites| (sites.addr, sites.bytes.clone()));
        let (addr, bytes) = sites.unwrap_or_default();
        let mut patched = 0;
        for (entry, word) in (addr..).step_by(4).zip(bytes.chunks_exact(4)) {
            let relative = i32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            let site = entry.wrapping_add(i64::from(relative) as u64);
            let place = self.sections.iter_mut().find_map(|section| {
                let from = usize::try_from(site.checked_sub(section.addr)?).ok()?;
                section.bytes.get_mut(from..from + 5)
            });
            if let Some(place) = place.filter(|place| place[0] == 0xe9) {
                place.copy_from_slice(&[0xc3, 0xcc, 0xcc, 0xcc, 0xcc]);
                patched += 1;
            }
        }
        patched
    }

    fn read_banner(&self) -> Option<String> {
        let start = self.address("linux_banner")?;
        let bytes = self.bytes(start, start + 64)?;
        Some(String::from_utf8_lossy(bytes).to_string())
    }
}

fn invalid(reason: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_string())
}

/// The vmlinux in a bzImage. The header of the bzImage has the offset of the payload.
fn unpack(image: Vec<u8>) -> io::Result<Vec<u8>> {
    if image.starts_with(b"\x7fELF") {
        return Ok(image);
    }
    if image.get(0x202..0x206) != Some(b"HdrS") {
        return Err(invalid("neither a bzImage nor a vmlinux"));
    }
    let word = |at: usize| Some(u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?));
    let payload = || {
        let sectors = usize::from(*image.get(0x1f1)?) + 1;
        let start = sectors * 512 + usize::try_from(word(0x248)?).ok()?;
        image.get(start..start + usize::try_from(word(0x24c)?).ok()?)
    };
    let payload = payload().ok_or_else(|| invalid("no payload in the bzImage"))?;
    if !payload.starts_with(&ZSTD_MAGIC) {
        return Err(invalid("the payload is not compressed with zstd"));
    }
    let mut elf = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(payload)
        .map_err(invalid)?
        .read_to_end(&mut elf)?;
    Ok(elf)
}

fn read_sections(elf: &[u8]) -> object::Result<Vec<Section>> {
    let file = object::File::parse(elf)?;
    let in_memory = file.sections().filter(|section| section.address() != 0);
    in_memory
        .map(|section| {
            Ok(Section {
                name: section.name()?.to_owned(),
                addr: section.address(),
                bytes: section.data()?.to_vec(),
                text: section.kind() == object::SectionKind::Text,
            })
        })
        .collect()
}

/// The compressed symbol table of the kernel. An image without symbols has no pointer to the table,
/// so the table is found by its form.
struct Kallsyms<'a> {
    bytes: &'a [u8],
    tokens: usize,
    token_index: usize,
}

impl<'a> Kallsyms<'a> {
    /// Finds the tokens: the digits are tokens of one letter each, and follow each other.
    fn find(bytes: &'a [u8]) -> Option<Kallsyms<'a>> {
        let digits = b"0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0";
        let mut from = 0;
        loop {
            let at = from + find(bytes.get(from..)?, digits)?;
            let end = (at + 0x4000).min(bytes.len());
            let found = (at.next_multiple_of(4)..end)
                .step_by(4)
                .find_map(|token_index| {
                    let index = |token: usize| u16_at(bytes, token_index + 2 * token);
                    let tokens = at.checked_sub(usize::from(index(usize::from(b'0'))?))?;
                    let rises = (1..256).all(|token| index(token) > index(token - 1));
                    (index(0) == Some(0) && rises).then_some(Kallsyms {
                        bytes,
                        tokens,
                        token_index,
                    })
                });
            if found.is_some() {
                return found;
            }
            from = at + 1;
        }
    }

    /// The symbols of a table that is in a section at `base`.
    fn symbols(&self, base: u64) -> Option<Vec<Symbol>> {
        let offsets = self.token_index + 512;
        let address = |index: usize| {
            let at = offsets + 4 * index;
            let relative = u32_at(self.bytes, at)? as i32;
            Some((base + at as u64).wrapping_add(relative as i64 as u64))
        };
        let (count, names) = self.names()?;
        let mut at = names;
        let mut symbols = Vec::with_capacity(count);
        for index in 0..count {
            let (name, next) = self.name(at)?;
            at = next;
            let mut letters = name.chars();
            symbols.push(Symbol {
                addr: address(index)?,
                kind: letters.next()?,
                name: letters.as_str().to_owned(),
            });
        }
        symbols.sort_by_key(|symbol| symbol.addr);
        Some(symbols)
    }

    /// The number and the place of the names. They are before the markers, of which there is one
    /// for 256 names, and which end at the start of the tokens.
    fn names(&self) -> Option<(usize, usize)> {
        (0..self.tokens / 4).rev().find_map(|word| {
            let at = 4 * word;
            let count = usize::try_from(u32_at(self.bytes, at)?).ok()?;
            let markers = self.tokens.checked_sub(4 * count.div_ceil(256))?;
            let plausible = count > 1000
                && markers > at
                && u32_at(self.bytes, markers) == Some(0)
                && self.skip(at + 4, 256)
                    == Some(at + 4 + u32_at(self.bytes, markers + 4)? as usize);
            plausible.then_some((count, at + 4))
        })
    }

    /// The start of the name after `count` names.
    fn skip(&self, at: usize, count: usize) -> Option<usize> {
        (0..count).try_fold(at, |at, _| {
            let (len, start) = self.name_len(at)?;
            Some(start + len)
        })
    }

    /// The tokens of the name at `at`, and their start.
    fn name_len(&self, at: usize) -> Option<(usize, usize)> {
        let low = usize::from(*self.bytes.get(at)?);
        if low & 0x80 == 0 {
            return Some((low, at + 1));
        }
        let high = usize::from(*self.bytes.get(at + 1)?);
        Some((low & 0x7f | high << 7, at + 2))
    }

    /// The name at `at` with its type, and the start of the next name.
    fn name(&self, at: usize) -> Option<(String, usize)> {
        let (len, start) = self.name_len(at)?;
        let mut name = Vec::new();
        for token in self.bytes.get(start..start + len)? {
            let index = u16_at(self.bytes, self.token_index + 2 * usize::from(*token))?;
            let text = self.bytes.get(self.tokens + usize::from(index)..)?;
            name.extend(text.iter().take_while(|byte| **byte != 0));
        }
        Some((String::from_utf8(name).ok()?, start + len))
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
