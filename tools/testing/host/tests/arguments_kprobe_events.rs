// SPDX-License-Identifier: GPL-2.0

//! What kprobe_events of the stock kernel makes of arguments: the fields, the print format, and the
//! columns of errors. `data/kprobe_events.txt` has its answers, from a boot in the VM.

use rkprobes_host::arguments;

#[path = "arguments/hit.rs"]
mod hit;

use arguments::{ArgumentField, ProbePlace};
use hit::{parse, print_fmt};

/// Lines that we refuse, and their column. kprobe_events accepts the first three, but ignores the text
/// after the brace, cuts the offset, and records no string. In the others it adds the length of the
/// text before the inner braces to the column of the type.
const DIFFERENT: [(&str, usize); 7] = [
    ("+0(@0)x", 6),
    ("+0x80000000(@0)", 0),
    ("\\1:string[2]", 3),
    ("+u0(%di):u8[2]", 9),
    ("+0(%di):symstr[2]", 8),
    ("+u0(%di):symstr", 9),
    ("this_cpu_ptr(%di):string", 18),
];

/// A field as a line of `format`.
fn line_of(field: &ArgumentField<'_>) -> String {
    let name = field.name.to_str().expect("ASCII");
    let c_type = field.c_type.to_str().expect("ASCII");
    let declared = match c_type.split_once('[') {
        Some((element, _)) if !c_type.starts_with("__data_loc") => format!("{element} {name}[]"),
        _ => format!("{c_type} {name}"),
    };
    format!(
        "\tfield:{declared};\toffset:{};\tsize:{};\tsigned:{};",
        field.offset,
        field.size,
        u8::from(field.is_signed)
    )
}

/// What we make of a line, in the form of the data.
fn ours(line: &str) -> Vec<String> {
    match parse(line.as_bytes(), ProbePlace::Entry) {
        Err(error) => vec![format!("ERR {}", error.column)],
        Ok(arguments) => {
            let fields = arguments.fields();
            let mut text: Vec<_> = fields
                .map(|field| format!("OUT {}", line_of(&field)))
                .collect();
            text.push(format!("OUT print fmt: {}", print_fmt(line)));
            text
        }
    }
}

#[test]
fn as_kprobe_events() {
    let data = include_str!("data/kprobe_events.txt");
    let mut count = 0;
    for case in data.split("\nARG ").skip(1) {
        let (line, answer) = case.split_once('\n').expect("an answer");
        let answer: Vec<_> = answer.lines().collect();
        match DIFFERENT.iter().find(|(other, _)| *other == line) {
            None => assert_eq!(ours(line), answer, "{line}"),
            Some((_, column)) => {
                assert_ne!(ours(line), answer, "{line}");
                assert_eq!(ours(line), [format!("ERR {column}")], "{line}");
            }
        }
        count += 1;
    }
    assert!(count > 100, "{count}");
}
