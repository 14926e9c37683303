// SPDX-License-Identifier: GPL-2.0

//! The decoder against objdump and iced-x86 on the whole text of the kernel of the lab and of
//! several hundred of its modules. No difference is allowed.

#![cfg(feature = "slow")]

#[path = "common/iced.rs"]
mod iced;
#[path = "common/objdump.rs"]
mod objdump;

use object::{Object, ObjectSection, SectionFlags};
use rkprobes_host::insn_decode::{decode, MAX_INSN_LEN};
use rkprobes_host::stock::Kernel;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const MODULES: usize = 400;

/// Instructions of the kernel that objdump 2.44 or iced-x86 1.21 do not know.
const UNKNOWN_TO_OTHERS: [(&[u8], &str); 2] =
    [(&[0xf2, 0x0f, 0x01, 0xfd], "RMPREAD"), (&[0xd6], "UDB")];

/// Counts of the comparison.
#[derive(Default)]
struct Totals {
    instructions: u64,
    bytes: u64,
    /// Instructions of [`UNKNOWN_TO_OTHERS`].
    unknown: u64,
    mismatches: Vec<String>,
}

impl Totals {
    /// Compares one section from its first to its last instruction.
    fn section(&mut self, name: &str, addr: u64, bytes: &[u8], starts: &[u64]) {
        let end = addr + bytes.len() as u64;
        let ends = starts.iter().skip(1).copied().chain([end]);
        for (start, next) in starts.iter().copied().zip(ends) {
            let rest = &bytes[(start - addr) as usize..];
            let window = &rest[..rest.len().min(MAX_INSN_LEN)];
            if let Some(difference) = self.instruction(window, start, next - start) {
                self.mismatches
                    .push(format!("{name} {start:#x} {window:02x?}: {difference}"));
            }
        }
        self.bytes += bytes.len() as u64;
    }

    fn instruction(&mut self, bytes: &[u8], addr: u64, len: u64) -> Option<String> {
        let theirs = iced::decode(bytes, addr);
        match decode(bytes, addr) {
            Ok(ours) if ours.forced_emulation => None,
            Ok(_)
                if UNKNOWN_TO_OTHERS
                    .iter()
                    .any(|(insn, _)| bytes.starts_with(insn)) =>
            {
                self.unknown += 1;
                None
            }
            Ok(ours) => {
                self.instructions += 1;
                if u64::from(ours.len) != len && !is_wait_and_x87(bytes, len) {
                    return Some(format!("{} bytes, objdump: {len}", ours.len));
                }
                let Some(theirs) = theirs else {
                    return Some(format!("{ours:?}, iced-x86: invalid"));
                };
                let what = iced::difference(&ours, &theirs)?;
                Some(format!("{what}: {ours:?}, iced-x86: {}", theirs.0))
            }
            Err(error) => Some(format!("{error:?}")),
        }
    }

    fn report(&self, what: &str) {
        println!(
            "{what}: {} instructions in {} bytes, {} mismatches; {} that the others do not know",
            self.instructions,
            self.bytes,
            self.mismatches.len(),
            self.unknown
        );
        let first = &self.mismatches[..self.mismatches.len().min(20)];
        assert!(first.is_empty(), "{}", first.join("\n"));
    }
}

/// Is this FWAIT with an x87 instruction after it? objdump shows both as one instruction.
fn is_wait_and_x87(bytes: &[u8], len: u64) -> bool {
    let behind = bytes.strip_prefix(&[0x9b]).map(|rest| decode(rest, 0));
    matches!(behind, Some(Ok(x87)) if u64::from(x87.len) + 1 == len)
}

/// A file for objdump. Dropping this removes the file.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = env::temp_dir().join(format!("rkprobes-{}-{name}", std::process::id()));
        fs::write(&path, bytes).expect("a temporary file");
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn kernel_text() {
    let kernel = Kernel::open(&Kernel::lab_image()).expect("run tools/lab/setup");
    let mut totals = Totals::default();
    for section in kernel
        .sections()
        .iter()
        .filter(|section| section.name.ends_with(".text"))
    {
        let file = Scratch::new(&section.name, &section.bytes);
        let starts = objdump::disassemble_bytes(&lab(), &file.0, section.addr);
        totals.section(&section.name, section.addr, &section.bytes, &starts);
    }
    totals.report(kernel.release());
}

#[test]
fn module_text() {
    let mut modules = Vec::new();
    find_modules(&lab().join("modules"), &mut modules);
    assert!(
        modules.len() >= MODULES,
        "the lab has {} modules: run tools/lab/stock-modules",
        modules.len()
    );
    modules.sort();
    let mut totals = Totals::default();
    for module in modules.iter().step_by(modules.len() / MODULES) {
        compare_module(module, &mut totals);
    }
    totals.report(&format!("{MODULES} modules"));
}

/// The cache of the lab. The kernel image is in a folder of the cache.
fn lab() -> PathBuf {
    let image = Kernel::lab_image();
    image.ancestors().nth(2).unwrap_or(Path::new("")).to_owned()
}

fn find_modules(dir: &Path, modules: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => find_modules(&path, modules),
            Ok(_) if path.to_string_lossy().ends_with(".ko.xz") => modules.push(path),
            _ => {}
        }
    }
}

fn compare_module(path: &Path, totals: &mut Totals) {
    let output = Command::new("xz")
        .arg("-dc")
        .arg(path)
        .output()
        .expect("xz runs");
    assert!(output.status.success(), "{}", path.display());
    let file = Scratch::new("module.ko", &output.stdout);
    let starts = objdump::disassemble_elf(&lab(), &file.0);
    let elf = object::File::parse(&*output.stdout).expect("an ELF file");
    let mut compared = 0;
    for section in elf.sections().filter(|section| is_text(section.flags())) {
        let name = section.name().expect("a name");
        // objdump joins sections that have one name, so only the first of them is compared.
        let Some(starts) = starts.get(name) else {
            continue;
        };
        let bytes = section.data().expect("bytes");
        if starts.windows(2).all(|pair| pair[0] < pair[1]) {
            totals.section(&format!("{} {name}", path.display()), 0, bytes, starts);
            compared += 1;
        }
    }
    assert!(compared > 0, "{}: no text", path.display());
}

fn is_text(flags: SectionFlags) -> bool {
    const EXECUTABLE: u64 = object::elf::SHF_EXECINSTR as u64;
    matches!(flags, SectionFlags::Elf { sh_flags } if sh_flags & EXECUTABLE != 0)
}
