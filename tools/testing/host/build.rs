// SPDX-License-Identifier: GPL-2.0

//! Makes a copy of the optimizer and of the emulation with the defects of `mutants.rs` built in.

mod mutants;

use mutants::{all, FILES};
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    println!("cargo::rerun-if-changed=mutants.rs");
    for file in FILES {
        let source = top.join(file);
        println!("cargo::rerun-if-changed={}", source.display());
        let text = fs::read_to_string(&source).unwrap_or_else(|error| panic!("{file}: {error}"));
        write(&out.join(file), &mutate(file, text));
    }
    let modules = format!(
        "#[path = {out:?}]
mod root {{
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

fn write(path: &Path, text: &str) {
    let folder = path.parent().expect("every file is in a folder");
    fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Builds every defect of one file into it. The first has the number 1.
fn mutate(file: &str, mut text: String) -> String {
    for (number, mutant) in all().filter(|(_, mutant)| mutant.file == file) {
        let places = text.matches(mutant.find).count();
        assert_eq!(
            places, 1,
            "{file} does not have exactly one place for: {}",
            mutant.name
        );
        let hook = format!("crate::mutants::is_on({number})");
        text = text.replace(mutant.find, &mutant.put.replace("MUTANT", &hook));
    }
    text
}
