// SPDX-License-Identifier: GPL-2.0

//! Makes a copy of the optimizer, of the emulation and of the arguments, with the defects of
//! `mutants.rs` built in.

mod mutants;
#[path = "../mutate.rs"]
mod mutate;

use mutants::{all, FILES};
use mutate::{mutate, read, write, Defect};
use std::env;
use std::path::{Path, PathBuf};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    println!("cargo::rerun-if-changed=mutants.rs");
    println!("cargo::rerun-if-changed=../mutate.rs");
    for file in FILES {
        let text = read(&top.join(file));
        let text = mutate(file, text, "crate::mutants::is_on", defects(file));
        write(&out.join(file), &text);
    }
    let modules = format!(
        "#[path = {out:?}]
mod root {{
    pub mod arguments;
    pub mod optimizer;
    /// The one file of the family that has defects.
    pub mod out_of_line {{
        pub mod emulate;
    }}
}}
pub use root::*;
"
    );
    write(&out.join("mutated.rs"), &modules);
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
