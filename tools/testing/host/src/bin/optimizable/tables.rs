// SPDX-License-Identifier: GPL-2.0

//! The index of reserved text of a kernel image, from the tables of the kernel.

use rkprobes_host::containers::slab::NoMemory;
use rkprobes_host::eligibility::each_possible_jump;
use rkprobes_host::eligibility::reserved::{Index, Kind};
use rkprobes_host::eligibility::tables::{bugs, faults, jump_labels, static_calls};
use rkprobes_host::heap::Heap;
use rkprobes_host::insn_decode::decode;
use rkprobes_host::stock::{Function, Kernel, Section};
use std::collections::{BTreeMap, BTreeSet};

/// The facts about the text of a kernel that its tables contain.
pub struct Tables<'a> {
    kernel: &'a Kernel,
    /// The functions of `.text`, by address, without the padding before them.
    pub functions: Vec<Function<'a>>,
    /// The functions of `.text`, and the padding before functions.
    all: Vec<Function<'a>>,
    /// The places of the functions in `functions`, by name.
    by_name: BTreeMap<String, Vec<usize>>,
    /// Text that must not be probed or covered, and the targets of jumps.
    pub index: Index<Heap>,
    /// Exception-table entries and jump labels, by address.
    pub extable: BTreeSet<u64>,
    /// Addresses to which the tables of the kernel jump.
    pub landings: Vec<(u64, Kind)>,
    /// The areas of the pieces.
    piece_areas: Vec<(u64, u64)>,
}

/// The size of an entry in the kernel's table of BUGs and WARNs.
const BUG_ENTRY: usize = 16;

/// Text within this distance may belong to a function in assembly.
const NEAR: u64 = 1024;

/// The areas in which the linker places the pieces that the compiler splits off, as in pieces.rs.
pub const PIECES: [(&str, &str); 2] = [
    ("__split_text_start", "__split_text_end"),
    ("__unlikely_text_start", "__unlikely_text_end"),
];

/// The areas, as pairs of symbols.
const AREAS: [(&str, &str, Kind); 5] = [
    ("__entry_text_start", "__entry_text_end", Kind::Noinstr),
    ("__noinstr_text_start", "__noinstr_text_end", Kind::Noinstr),
    (
        "__kprobes_text_start",
        "__kprobes_text_end",
        Kind::Blacklist,
    ),
    // Indirect and return thunks, because the path of the breakpoint runs through them.
    (
        "__x86_indirect_thunk_array",
        "__static_call_text_start",
        Kind::Int3Path,
    ),
    (
        "__static_call_text_start",
        "__static_call_text_end",
        Kind::StaticCall,
    ),
];

/// Functions that run before our notifier and are not on a blacklist.
const INT3_PATH: [&str; 9] = [
    "__rcu_read_lock",
    "__rcu_read_unlock",
    "rcu_read_unlock_special",
    "hw_breakpoint_exceptions_notify",
    "srso_alias_untrain_ret",
    "srso_alias_safe_ret",
    "srso_alias_return_thunk",
    "its_static_thunk",
    "warn_thunk_thunk",
];

impl<'a> Tables<'a> {
    /// Reads the tables. An error names the missing symbol.
    pub fn read(kernel: &'a Kernel) -> Result<Self, String> {
        let text = kernel.section(".text").ok_or("no .text")?;
        let mut tables = Tables {
            kernel,
            functions: functions(kernel, text),
            all: kernel.functions(text),
            by_name: BTreeMap::new(),
            index: Index::default(),
            extable: BTreeSet::new(),
            landings: Vec::new(),
            piece_areas: Vec::new(),
        };
        for (at, function) in tables.functions.iter().enumerate() {
            for name in &function.names {
                tables.by_name.entry(name.to_string()).or_default().push(at);
            }
        }
        tables.read_jump_labels()?;
        tables.read_sites()?;
        tables.read_extable()?;
        tables.read_areas()?;
        tables.read_blacklist()?;
        tables.read_pieces()?;
        tables.index.seal();
        Ok(tables)
    }

    /// The function that has `addr`.
    pub fn function_at(&self, addr: u64) -> Option<&Function<'a>> {
        let behind = self
            .functions
            .partition_point(|function| function.start <= addr);
        let function = self.functions.get(behind.checked_sub(1)?)?;
        (addr < function.end).then_some(function)
    }

    fn push(&mut self, start: u64, len: u64, kind: Kind) -> Result<(), String> {
        let pushed = self.index.push(start, start.wrapping_add(len), kind);
        pushed.map_err(|NoMemory| "out of memory".to_string())
    }

    fn push_landing(&mut self, addr: u64, kind: Kind) -> Result<(), String> {
        self.landings.push((addr, kind));
        self.push(addr, 1, kind)
    }

    /// The bytes of a table between two symbols, and the address of the table.
    fn table(&self, name: &str) -> Result<(u64, &'a [u8]), String> {
        let (first, last) = (format!("__start_{name}"), format!("__stop_{name}"));
        let table = self.kernel.table(&first, &last);
        table.ok_or_else(|| format!("no {first}"))
    }

    /// The addresses of a table of absolute addresses between two symbols.
    fn addresses(&self, name: &str) -> Result<Vec<u64>, String> {
        let (_, bytes) = self.table(name)?;
        let words = bytes
            .chunks_exact(8)
            .filter_map(|word| word.try_into().ok());
        Ok(words.map(u64::from_le_bytes).collect())
    }

    fn read_jump_labels(&mut self) -> Result<(), String> {
        let (addr, bytes) = self.table("__jump_table")?;
        for label in jump_labels(bytes, addr) {
            let site = label.code;
            let bytes = self.kernel.bytes(site, site.wrapping_add(16));
            let len = bytes.and_then(|bytes| decode(bytes, site).ok());
            let len = len
                .ok_or_else(|| format!("no instruction at jump label {site:#x}"))?
                .len;
            self.push(site, u64::from(len), Kind::JumpLabel)?;
            self.push_landing(label.target, Kind::JumpTarget)?;
        }
        Ok(())
    }

    fn read_sites(&mut self) -> Result<(), String> {
        let (addr, bytes) = self.table("static_call_sites")?;
        for call in static_calls(bytes, addr) {
            self.push(call, 5, Kind::StaticCall)?;
        }
        for call in self.addresses("mcount_loc")? {
            self.push(call, 5, Kind::Ftrace)?;
        }
        let (addr, bytes) = self
            .table("__bug_table")
            .or_else(|_| self.section("__bug_table"))?;
        for bug in bugs(bytes, addr, BUG_ENTRY) {
            self.push(bug, 2, Kind::Bug)?;
        }
        Ok(())
    }

    /// The bytes of a section, and its address.
    fn section(&self, name: &str) -> Result<(u64, &'a [u8]), String> {
        let section = self
            .kernel
            .section(name)
            .ok_or_else(|| format!("no {name}"))?;
        Ok((section.addr, &section.bytes))
    }

    fn read_extable(&mut self) -> Result<(), String> {
        let (addr, bytes) = self.section("__ex_table")?;
        for fault in faults(bytes, addr) {
            self.extable.insert(fault.insn);
            self.push(fault.insn, 1, Kind::ExtableInsn)?;
            self.push_landing(fault.fixup, Kind::ExtableFixup)?;
        }
        Ok(())
    }

    fn read_areas(&mut self) -> Result<(), String> {
        for (first, last, kind) in AREAS {
            let ends = self.kernel.address(first).zip(self.kernel.address(last));
            let (start, end) = ends.ok_or_else(|| format!("no {first} to {last}"))?;
            self.push(start, end.saturating_sub(start), kind)?;
        }
        for symbol in self.kernel.symbols() {
            if symbol.name.starts_with("__pfx_") || symbol.name.starts_with("__cfi_") {
                self.push(symbol.addr, 16, Kind::Preamble)?;
            }
        }
        Ok(())
    }

    /// Blacklisted functions, with the pieces that the compiler split off.
    fn read_blacklist(&mut self) -> Result<(), String> {
        let listed = self.addresses("kprobe_blacklist")?;
        let listed = listed.into_iter().map(|addr| (addr, Kind::Blacklist));
        let path = INT3_PATH
            .iter()
            .filter_map(|name| self.kernel.address(name));
        let places: Vec<_> = listed
            .chain(path.map(|addr| (addr, Kind::Int3Path)))
            .collect();
        let mut names = BTreeSet::new();
        for (addr, kind) in places {
            if let Some(function) = self.function_at(addr).cloned() {
                names.extend(function.names.iter().map(|name| name.to_string()));
                self.push(function.start, function.end - function.start, kind)?;
            }
        }
        let pieces: Vec<_> = self
            .functions
            .iter()
            .filter(|function| {
                let mut stems = function
                    .names
                    .iter()
                    .filter_map(|name| name.split_once('.'));
                stems.any(|(stem, _)| names.contains(stem))
            })
            .map(|piece| (piece.start, piece.end - piece.start))
            .collect();
        for (start, len) in pieces {
            self.push(start, len, Kind::Blacklist)?;
        }
        Ok(())
    }

    /// The possible targets of jumps that leave the area of a piece, as in pieces.rs.
    fn read_pieces(&mut self) -> Result<(), String> {
        for (first, last) in PIECES {
            let ends = self.kernel.address(first).zip(self.kernel.address(last));
            self.piece_areas
                .push(ends.ok_or_else(|| format!("no {first} to {last}"))?);
        }
        let text = self
            .kernel
            .address("_stext")
            .zip(self.kernel.address("_etext"));
        let (first, last) = text.ok_or("no _stext to _etext")?;
        let mut targets = Vec::new();
        for (start, end) in &self.piece_areas {
            let bytes = self.kernel.bytes(*start, *end).unwrap_or(&[]);
            each_possible_jump(*start, bytes, |to| {
                let outside = !(*start..*end).contains(&to);
                targets.extend((outside && (first..last).contains(&to)).then_some(to));
            });
        }
        targets
            .into_iter()
            .try_for_each(|to| self.push(to, 1, Kind::PieceTarget))
    }

    fn is_piece(&self, symbol: &Function<'_>) -> bool {
        let mut areas = self.piece_areas.iter();
        areas.any(|(start, end)| *start <= symbol.start && symbol.start < *end)
    }

    /// The assembly that may belong to a function: the text near it, up to the start of a compiled
    /// function, which has padding before it. The pieces contain no assembly.
    pub fn neighbours(&self, function: &Function<'_>) -> impl Iterator<Item = &Function<'a>> + '_ {
        let at = self
            .all
            .partition_point(|other| other.start < function.start);
        let (start, end) = (function.start, function.end);
        let before = self.all[..at].iter().rev();
        let before = before.take_while(move |other| start - other.end < NEAR);
        let behind = self.all[at..].iter().skip(1);
        let behind = behind.take_while(move |other| other.start - end < NEAR);
        let compiled =
            |function: &&Function<'_>| function.names.iter().any(|name| name.starts_with("__pfx_"));
        let before = before.take_while(move |other| !compiled(other));
        let around = before.chain(behind.take_while(move |other| !compiled(other)));
        let alone = self.is_piece(function);
        around.filter(move |_| !alone)
    }

    /// The function from which a piece was split off: `NAME` for `NAME.cold`. Branches of pieces
    /// are in the index.
    pub fn pieces(&self, function: &Function<'_>) -> impl Iterator<Item = &Function<'a>> + '_ {
        let names = function.names.iter();
        let others = names.filter_map(|name| name.strip_suffix(".cold"));
        let others: Vec<String> = others.map(str::to_string).collect();
        others
            .into_iter()
            .flat_map(|other| self.by_name.get(&other).into_iter().flatten())
            .filter_map(|at| self.functions.get(*at))
    }
}

fn functions<'a>(kernel: &'a Kernel, text: &Section) -> Vec<Function<'a>> {
    let mut functions = kernel.functions(text);
    functions.retain(|function| !function.names.iter().all(|name| name.starts_with("__pfx_")));
    functions
}
