// SPDX-License-Identifier: GPL-2.0

//! The types of the test's kernel, in the format of BTF.

use std::sync::OnceLock;

/// The kinds of types that the tests use (include/uapi/linux/btf.h).
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const CONST: u32 = 10;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;

/// Types, by number.
pub struct Types {
    types: Vec<Vec<u8>>,
    names: Vec<u8>,
}

impl Types {
    fn new() -> Types {
        Types {
            types: vec![vec![0; 12]],
            names: vec![0],
        }
    }

    fn name_at(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let at = self.names.len() as u32;
        self.names.extend(name.bytes().chain([0]));
        at
    }

    /// Adds a type. The words follow its head.
    fn add(&mut self, name: &str, info: u32, size_or_type: u32, words: &[u32]) -> u32 {
        let name = self.name_at(name);
        let head = [name, info, size_or_type];
        let bytes = head.iter().chain(words).flat_map(|word| word.to_le_bytes());
        self.types.push(bytes.collect());
        self.types.len() as u32 - 1
    }

    fn int(&mut self, name: &str, size: u32, signed: bool) -> u32 {
        let data = (u32::from(signed) << 24) | (size * 8);
        self.add(name, INT << 24, size, &[data])
    }

    fn pointer(&mut self, to: u32) -> u32 {
        self.add("", PTR << 24, to, &[])
    }

    /// A structure. Its members are names, types and bit offsets; with bit fields they have widths.
    fn structure(
        &mut self,
        name: &str,
        kind: u32,
        size: u32,
        members: &[(&str, u32, u32, u32)],
    ) -> u32 {
        let has_bits = members.iter().any(|member| member.3 != 0);
        let mut words = Vec::new();
        for (name, number, offset, width) in members {
            words.extend([self.name_at(name), *number, offset | (width << 24)]);
        }
        let info = (kind << 24) | members.len() as u32 | (u32::from(has_bits) << 31);
        self.add(name, info, size, &words)
    }

    fn function(&mut self, name: &str, returned: u32, parameters: &[(&str, u32)]) {
        let mut words = Vec::new();
        for (name, number) in parameters {
            words.extend([self.name_at(name), *number]);
        }
        let prototype = self.add(
            "",
            (FUNC_PROTO << 24) | parameters.len() as u32,
            returned,
            &words,
        );
        self.add(name, FUNC << 24, prototype, &[]);
    }

    pub fn find(&self, kind: u32, name: &[u8]) -> Option<((), u32)> {
        let found = self.types.iter().position(|it| {
            let word = |at: usize| u32::from_le_bytes(it[at..at + 4].try_into().expect("4 bytes"));
            (word(4) >> 24) & 0x7f == kind && self.name(word(0)) == Some(name)
        });
        found.map(|number| ((), number as u32))
    }

    pub fn bytes(&self, number: u32) -> Option<&[u8]> {
        self.types.get(number as usize).map(Vec::as_slice)
    }

    pub fn name(&self, offset: u32) -> Option<&[u8]> {
        self.names
            .get(offset as usize..)?
            .split(|byte| *byte == 0)
            .next()
    }
}

/// The types of the test's kernel.
pub fn kernel() -> &'static Types {
    static TYPES: OnceLock<Types> = OnceLock::new();
    TYPES.get_or_init(make)
}

fn make() -> Types {
    let mut t = Types::new();
    let int = t.int("int", 4, true);
    let uint = t.int("unsigned int", 4, false);
    let char = t.int("char", 1, false);
    let long = t.int("long", 8, true);
    let size = t.int("unsigned long", 8, false);
    let short = t.int("short", 2, true);
    let big = t.int("__int128", 16, true);
    let size_t = t.add("size_t", TYPEDEF << 24, size, &[]);
    let const_char = t.add("", CONST << 24, char, &[]);
    let text = t.pointer(const_char);
    let name = t.add("", ARRAY << 24, 0, &[char, int, 16]);
    let mode = t.add("mode", ENUM << 24, 4, &[]);
    let anonymous_union = t.structure(
        "",
        UNION,
        8,
        &[("number", long, 0, 0), ("text", text, 0, 0)],
    );
    let pair = t.structure(
        "pair",
        STRUCT,
        8,
        &[("low", uint, 0, 0), ("high", short, 32, 0)],
    );
    let bits = t.structure(
        "bits",
        STRUCT,
        8,
        &[
            ("first", uint, 0, 3),
            ("second", uint, 3, 13),
            ("third", uint, 16, 8),
            ("", uint, 24, 8),
            ("plain", uint, 32, 0),
        ],
    );
    let parts = [
        ("", anonymous_union, 0, 0),
        ("", uint, 64, 8),
        ("end", uint, 96, 0),
    ];
    t.structure("mixed", STRUCT, 16, &parts);
    let wide = t.structure("wide", STRUCT, 16, &[("a", long, 0, 0), ("b", long, 64, 0)]);
    let huge = t.structure(
        "huge",
        STRUCT,
        24,
        &[("c", wide, 0, 0), ("d", long, 128, 0)],
    );
    // A structure that has a pointer to its own type: its number is that of the type after the pointer.
    let next = t.types.len() as u32 + 1;
    let node_pointer = t.pointer(next);
    let node = t.structure(
        "node",
        STRUCT,
        80,
        &[
            ("next", node_pointer, 0, 0),
            ("pair", pair, 64, 0),
            ("", anonymous_union, 128, 0),
            ("name", name, 192, 0),
            ("mode", mode, 320, 0),
            ("bits", bits, 352, 0),
            ("label", text, 448, 0),
            ("size", size_t, 512, 0),
        ],
    );
    assert_eq!(node, next);
    t.structure(
        "task_struct",
        STRUCT,
        32,
        &[("pid", int, 64, 0), ("comm", name, 128, 0)],
    );
    let void_pointer = t.pointer(0);
    t.function(
        "work",
        int,
        &[
            ("node", node_pointer),
            ("count", size_t),
            ("label", text),
            ("raw", void_pointer),
        ],
    );
    t.function("nothing", 0, &[]);
    let long_name = "n".repeat(200);
    t.function("names", 0, &[(&long_name, int), ("short", int)]);
    t.function(
        "values",
        huge,
        &[
            ("one", int),
            ("small", pair),
            ("two_words", wide),
            ("three", int),
            ("too_late", wide),
            ("last", int),
            ("memory", huge),
            ("after", short),
        ],
    );
    t.function(
        "vector",
        0,
        &[("first", int), ("value", big), ("second", int)],
    );
    t
}
