// SPDX-License-Identifier: GPL-2.0

//! The instructions that objdump finds.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Instruction starts by section, in the order of the file.
pub type Starts = BTreeMap<String, Vec<u64>>;

/// The objdump of the root of the lab, or of the host if there is no lab. The lab has a newer one,
/// which knows more instructions.
fn objdump(lab: &Path) -> Command {
    let root = lab.join("root");
    let loader = root.join("lib64/ld-linux-x86-64.so.2");
    let program = root.join("usr/bin/objdump");
    if !loader.exists() || !program.exists() {
        return Command::new("objdump");
    }
    let mut command = Command::new(loader);
    command
        .arg("--library-path")
        .arg(root.join("usr/lib/x86_64-linux-gnu"));
    command.arg(program);
    command
}

/// Disassembles the text sections of a file.
pub fn disassemble_elf(lab: &Path, file: &Path) -> Starts {
    run(objdump(lab).args(["-d", "-z"]).arg(file))
}

/// Disassembles a file that contains only text for the address `addr`.
pub fn disassemble_bytes(lab: &Path, file: &Path, addr: u64) -> Vec<u64> {
    let vma = format!("--adjust-vma={addr:#x}");
    let format = ["-D", "-z", "-b", "binary", "-m", "i386:x86-64"];
    let mut starts = run(objdump(lab).args(format).arg(vma).arg(file));
    starts.remove(".data").expect("the one section of a binary")
}

fn run(command: &mut Command) -> Starts {
    let mut child = command
        .arg("--no-show-raw-insn")
        .stdout(Stdio::piped())
        .spawn()
        .expect("objdump runs");
    let output = child.stdout.take().expect("a pipe");
    let mut starts = Starts::new();
    let mut section = None;
    for line in BufReader::with_capacity(1 << 20, output).split(b'\n') {
        let line = line.expect("output of objdump");
        if let Some(rest) = line.strip_prefix(b"Disassembly of section ") {
            let name = String::from_utf8_lossy(rest)
                .trim_end_matches(':')
                .to_owned();
            section = Some(starts.entry(name).or_default());
        } else if let (Some(starts), Some(addr)) = (&mut section, address(&line)) {
            starts.push(addr);
        }
    }
    assert!(child.wait().expect("objdump ends").success());
    starts
}

/// The address of a line `  ffffffff81000000:\tinstruction`.
fn address(line: &[u8]) -> Option<u64> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    if line.get(colon + 1) != Some(&b'\t') {
        return None;
    }
    let digits = std::str::from_utf8(&line[..colon]).ok()?;
    u64::from_str_radix(digits.trim_start(), 16).ok()
}
