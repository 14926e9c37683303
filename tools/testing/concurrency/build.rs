// SPDX-License-Identifier: GPL-2.0

//! Copies the module's lock-free files. In the copies the atomics are those of the model checker, the
//! per-CPU instructions are calls, and the defects of `mutants.rs` are built in.

mod mutants;
#[path = "../mutate.rs"]
mod mutate;
mod substitutions;

use mutants::all;
use mutate::{mutate, read, write, Defect};
use std::env;
use std::path::{Path, PathBuf};
use substitutions::SUBSTITUTIONS;

/// The module's files, each a module of the family `arch_x86`.
const FILES: &[&str] = &["handlers", "int3_table", "probe_list", "trap"];

/// What the engine does around them: a file of this crate, because it has defects too.
const CALLERS: &str = "callers.rs";

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    println!("cargo::rerun-if-changed=mutants.rs");
    println!("cargo::rerun-if-changed=../mutate.rs");
    println!("cargo::rerun-if-changed=substitutions.rs");
    let mut family = String::new();
    for name in FILES {
        let file = format!("arch_x86/{name}.rs");
        let to = copy(&here.join("../../.."), &file, &out);
        family += &format!("#[path = {to:?}]\npub(crate) mod {name};\n");
    }
    let entry = here.join("src/arch_x86/detour_entry.rs");
    let callers = copy(&here.join("src"), CALLERS, &out);
    let modules = format!(
        "// The scenarios use a part of the family, and a macro makes its statics.
#[allow(dead_code, unused_doc_comments)]
pub(crate) mod arch_x86 {{
{family}
#[path = {entry:?}]
pub(crate) mod detour_entry;
}}
#[path = {callers:?}]
pub(crate) mod callers;
"
    );
    write(&out.join("modules.rs"), &modules);
}

/// Copies one file of a folder with its substitutions and its defects, and returns the copy's path.
fn copy(folder: &Path, file: &str, out: &Path) -> PathBuf {
    let text = read(&folder.join(file));
    let text = mutate(file, text, "crate::explore::is_on", defects(file));
    let to = out.join(file);
    write(&to, &substitute(file, text));
    to
}

/// The defects of one file. The first of all has the number 1.
fn defects(file: &str) -> impl Iterator<Item = Defect> + '_ {
    all()
        .filter(move |(_, mutant)| mutant.file == file)
        .map(|(number, mutant)| Defect {
            number,
            name: mutant.name,
            find: mutant.find,
            put: mutant.put,
        })
}

/// Replaces what the host does not have.
fn substitute(file: &str, mut text: String) -> String {
    for (_, find, put) in SUBSTITUTIONS.iter().filter(|(of, ..)| *of == file) {
        assert!(text.contains(find), "{file} does not have: {find}");
        text = text.replace(find, put);
    }
    let left = ["core::sync::atomic", "asm!"].map(|word| text.contains(word));
    assert_eq!(
        left, [false; 2],
        "{file} has something that is not modelled"
    );
    text
}
