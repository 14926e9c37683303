// SPDX-License-Identifier: GPL-2.0

//! Builds defects into a copy of a file. The build scripts of the test crates share it.

use std::fs;
use std::path::Path;

/// A defect of a file.
pub struct Defect {
    /// Its number, which the switch gets.
    pub number: usize,
    pub name: &'static str,
    /// The text that is replaced. The file has it exactly once.
    pub find: &'static str,
    /// The replacement. `MUTANT` is true while the defect is on.
    pub put: &'static str,
}

/// Builds the defects of one file into its text. `switch` is the function that says whether the defect
/// of a number is on.
pub fn mutate(
    file: &str,
    mut text: String,
    switch: &str,
    defects: impl Iterator<Item = Defect>,
) -> String {
    for Defect {
        number,
        name,
        find,
        put,
    } in defects
    {
        let places = text.matches(find).count();
        assert_eq!(
            places, 1,
            "{file} does not have exactly one place for: {name}"
        );
        let hook = format!("{switch}({number})");
        text = text.replace(find, &put.replace("MUTANT", &hook));
    }
    text
}

/// Reads a file of the module, and has cargo build again when it changes.
pub fn read(path: &Path) -> String {
    println!("cargo::rerun-if-changed={}", path.display());
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Writes a file, and makes its folder.
pub fn write(path: &Path, text: &str) {
    let folder = path.parent().expect("every file is in a folder");
    fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
