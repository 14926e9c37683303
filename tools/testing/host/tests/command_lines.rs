// SPDX-License-Identifier: GPL-2.0

//! Command lines, targets, switches and generated names.

use rkprobes_host::command::places::{parse_places, Places, Targets};
use rkprobes_host::command::target::{
    module_bytes, parse_target, TargetSpec, MODULE_MAX, SYMBOL_MAX,
};
use rkprobes_host::command::{
    parse_event_line, parse_limit, parse_line, parse_name, parse_switch, AutoName, Command,
    ProbeKind, Settings, FULL_NAME_MAX, NAME_MAX,
};
use rkprobes_host::eligibility::errno;
use rkprobes_host::eligibility::refusal::Refusal;

fn symbol(symbol: &str, offset: u64) -> TargetSpec<'_> {
    TargetSpec::Symbol {
        module: None,
        symbol,
        offset,
    }
}

/// What a line adds: its kind, name and only target, if it has neither settings nor arguments.
fn added(line: &[u8]) -> (ProbeKind, Option<&str>, TargetSpec<'_>) {
    match parse_line(line) {
        Ok(Some(Command::Add {
            kind,
            name,
            targets,
            settings,
            arguments: b"",
        })) if settings == Settings::default() => match targets.first() {
            Places::Place(target) if targets.is_one() => (kind, name, target),
            other => panic!("{line:?}: {other:?}"),
        },
        other => panic!("{line:?}: {other:?}"),
    }
}

fn probe<'a>(
    name: Option<&'a str>,
    target: TargetSpec<'a>,
) -> (ProbeKind, Option<&'a str>, TargetSpec<'a>) {
    (ProbeKind::Probe, name, target)
}

#[test]
fn lines_that_are_nothing() {
    for line in ["", " ", "\t \r\n", "# p vfs_read", "  #", "#p:x y z"] {
        assert_eq!(parse_line(line.as_bytes()), Ok(None), "{line:?}");
    }
}

#[test]
fn probes() {
    let place = symbol("vfs_read", 0);
    assert_eq!(added(b"p vfs_read"), probe(None, place));
    assert_eq!(added(b"p:x vfs_read"), probe(Some("x"), place));
    assert_eq!(
        added(b"  p:_A9\t vfs_read+12 \r\n"),
        probe(Some("_A9"), symbol("vfs_read", 12))
    );
    assert_eq!(
        added(b"p vfs_read+0x1F"),
        probe(None, symbol("vfs_read", 31))
    );
    assert_eq!(
        added(b"p foo.isra.0.cold+010"),
        probe(None, symbol("foo.isra.0.cold", 10))
    );
    let in_module = TargetSpec::Symbol {
        module: Some("9p"),
        symbol: "v9fs$x",
        offset: 4,
    };
    assert_eq!(added(b"p:n 9p:v9fs$x+4"), probe(Some("n"), in_module));
    let in_dashed = TargetSpec::Symbol {
        module: Some("snd-hda_x"),
        symbol: "f",
        offset: 0,
    };
    assert_eq!(added(b"p snd-hda_x:f"), probe(None, in_dashed));
    assert!(module_bytes("snd-hda_x").eq(*b"snd_hda_x"));
    assert_eq!(
        added(b"p 0xffffffff81000000"),
        probe(None, TargetSpec::Address(0xffff_ffff_8100_0000))
    );
}

#[test]
fn other_commands() {
    assert_eq!(
        added(b"c:n vfs_read+5"),
        (ProbeKind::Count, Some("n"), symbol("vfs_read", 5))
    );
    assert_eq!(parse_line(b"-:n "), Ok(Some(Command::Remove { name: "n" })));
}

/// Forms that stack traces and people write.
#[test]
fn other_forms() {
    let probe = |line: &'static str| {
        let (_, name, target) = added(line.as_bytes());
        (name, target)
    };
    for line in [
        "p f+0x4/0x250",
        "p f+0X4",
        "p f+4/592 # a comment",
        "p f+4\t#",
        " p  f+4 #x #y",
    ] {
        assert_eq!(probe(line), (None, symbol("f", 4)), "{line:?}");
    }
    for line in ["p 0x1b", "p 0X1B", "p 0x10+11", "p 0x10+0xb/0x20"] {
        assert_eq!(probe(line), (None, TargetSpec::Address(0x1b)), "{line:?}");
    }
    assert_eq!(
        probe("p:f.isra.0 f.isra.0"),
        (Some("f.isra.0"), symbol("f.isra.0", 0))
    );
    assert_eq!(
        parse_line(b"-:f.cold # gone"),
        Ok(Some(Command::Remove { name: "f.cold" }))
    );
    assert_eq!(parse_line(b"  # p f"), Ok(None));
}

#[test]
fn settings() {
    let settings = |line: &'static str| match parse_line(line.as_bytes()) {
        Ok(Some(Command::Add {
            targets, settings, ..
        })) => {
            assert_eq!(targets.as_bytes(), b"f+4", "{line:?}");
            (settings.enabled, settings.limit)
        }
        other => panic!("{line:?}: {other:?}"),
    };
    for (line, expected) in [
        ("p f+4", (true, 0)),
        ("c:n  f+4\tlimit=100 ", (true, 100)),
        ("p:n f+4 enable=0", (false, 0)),
        (" p:n f+4 enable=1 limit=0x10 # enable=0", (true, 16)),
        ("p f+4 limit=4294967295  enable=0", (false, u32::MAX)),
    ] {
        assert_eq!(settings(line), expected, "{line:?}");
    }
}

#[test]
fn arguments() {
    for (line, limit, expected) in [
        ("p f+4 %di", 0, "%di"),
        (
            "p:n f+4  limit=7\tx=%di  +8(%sp):u8 # y",
            7,
            "x=%di  +8(%sp):u8",
        ),
        ("p f+4 x=%di limit=7", 0, "x=%di limit=7"),
        ("p f+4 limit=7 limit=%di", 7, "limit=%di"),
        (
            "p f+4 limit=7 limit=(file)%di->f_flags",
            7,
            "limit=(file)%di->f_flags",
        ),
        ("p f+4 limit=+8(%sp)", 0, "limit=+8(%sp)"),
        ("p f+4 enable=$stack", 0, "enable=$stack"),
        (
            "p f+4 enable=@jiffies limit=1",
            0,
            "enable=@jiffies limit=1",
        ),
        ("p f+4 limit=\\7", 0, "limit=\\7"),
        ("p f+4 limit=-8(%sp)", 0, "limit=-8(%sp)"),
        ("p f+4 limits=7", 0, "limits=7"),
        ("p f+4", 0, ""),
    ] {
        match parse_line(line.as_bytes()) {
            Ok(Some(Command::Add {
                targets,
                settings,
                arguments,
                ..
            })) => {
                assert_eq!(targets.as_bytes(), b"f+4", "{line:?}");
                assert_eq!(settings.limit, limit, "{line:?}");
                assert_eq!(arguments, expected.as_bytes(), "{line:?}");
            }
            other => panic!("{line:?}: {other:?}"),
        }
        let counter = parse_line(line.replacen('p', "c", 1).as_bytes()).map(|_| ());
        let refused = !expected.is_empty();
        assert_eq!(counter.is_err(), refused, "{line:?}");
    }
}

#[test]
fn places() {
    let in_module = |module, symbol| TargetSpec::Symbol {
        module: Some(module),
        symbol,
        offset: 0,
    };
    let matching = |module, pattern| Places::Matching { module, pattern };
    for (text, places) in [
        (" vfs_read+4\n", Places::Place(symbol("vfs_read", 4))),
        ("vfs_read+*\n", Places::Function(symbol("vfs_read", 0))),
        ("f.isra.0+*", Places::Function(symbol("f.isra.0", 0))),
        ("0x1b+*", Places::Function(TargetSpec::Address(0x1b))),
        ("m:f+*", Places::Function(in_module("m", "f"))),
        ("f+blocks", Places::Blocks(symbol("f", 0))),
        ("m:f+blocks", Places::Blocks(in_module("m", "f"))),
        ("vfs_*", matching(None, "vfs_*")),
        ("*", matching(None, "*")),
        ("m:*", matching(Some("m"), "*")),
        (
            "ext4:ext4_[a-c]?_*.cold",
            matching(Some("ext4"), "ext4_[a-c]?_*.cold"),
        ),
        ("[!_]*", matching(None, "[!_]*")),
        ("9p*", matching(None, "9p*")),
    ] {
        assert_eq!(parse_places(text.as_bytes()), Ok(places), "{text:?}");
    }
    for (text, refusal) in [
        ("", Refusal::BadTarget),
        ("+*", Refusal::BadTarget),
        ("+blocks", Refusal::BadTarget),
        ("m:", Refusal::BadTarget),
        ("*:f", Refusal::BadTarget),
        ("*:*", Refusal::BadTarget),
        ("f*/", Refusal::BadTarget),
        ("f*(", Refusal::BadTarget),
        ("f*+4", Refusal::BadTarget),
        ("f*+*", Refusal::BadTarget),
        ("f*+blocks", Refusal::BadTarget),
        ("f+4+*", Refusal::BadNumber),
        ("f+4+blocks", Refusal::BadNumber),
        ("f+*+*", Refusal::BadNumber),
        ("f+block", Refusal::BadNumber),
        ("f+*4", Refusal::BadTarget),
        ("f +*", Refusal::BlankInTarget),
        ("f +blocks", Refusal::BlankInTarget),
        ("f +9", Refusal::BlankInTarget),
        ("f+ 9", Refusal::BlankInTarget),
        ("f 9", Refusal::TrailingText),
    ] {
        assert_eq!(parse_places(text.as_bytes()), Err(refusal), "{text:?}");
    }
}

#[test]
fn lists_of_targets() {
    let all = |text: &'static str| -> Vec<Places<'static>> {
        Targets::parse(text.as_bytes()).unwrap().iter().collect()
    };
    let place = |name, offset| Places::Place(symbol(name, offset));
    assert_eq!(all("f"), [place("f", 0)]);
    assert_eq!(
        all("f,g+1,f"),
        [place("f", 0), place("g", 1), place("f", 0)]
    );
    let mixed = [
        Places::Blocks(symbol("f", 0)),
        Places::Matching {
            module: None,
            pattern: "g*",
        },
        Places::Place(TargetSpec::Address(0x20)),
    ];
    assert_eq!(all("f+blocks,g*,0x10+0x10"), mixed);
    for (text, one, alone) in [
        ("f", true, true),
        ("f+*", false, true),
        ("f*", false, true),
        ("f,f", false, false),
        ("f*,f", false, false),
    ] {
        let targets = Targets::parse(text.as_bytes()).unwrap();
        assert_eq!(
            (targets.is_one(), targets.is_alone()),
            (one, alone),
            "{text}"
        );
    }
    let targets = Targets::parse(b"f*,f,g+*").unwrap();
    let places: Vec<_> = (0..4).map(|number| targets.is_place(number)).collect();
    assert_eq!(places, [false, true, false, false]);
    for text in ["", ",", "f,", ",f", "f,,g", "f;g"] {
        assert_eq!(
            Targets::parse(text.as_bytes()),
            Err(Refusal::BadTarget),
            "{text}"
        );
    }
}

#[test]
fn removals_by_pattern() {
    for pattern in [
        "*", "a*", "[ab]?", "x.*", "[!a-z]*", "a/b*", "*/b", "a/", "a*/",
    ] {
        let line = format!("-:{pattern}");
        let command = Command::RemoveMatching { pattern };
        assert_eq!(parse_line(line.as_bytes()), Ok(Some(command)), "{line}");
    }
}

/// A name may have a group. That of names without one is left out.
#[test]
fn groups() {
    for (written, name) in [
        ("a/b", "a/b"),
        ("_/b.c", "_/b.c"),
        ("rkprobes/b", "b"),
        ("rkprobes2/b", "rkprobes2/b"),
        ("b/rkprobes", "b/rkprobes"),
    ] {
        assert_eq!(parse_name(written.as_bytes()), Ok(name), "{written}");
        let line = format!("p:{written} f+4");
        assert_eq!(
            added(line.as_bytes()),
            probe(Some(name), symbol("f", 4)),
            "{line}"
        );
        let line = format!("-:{written}");
        assert_eq!(
            parse_line(line.as_bytes()),
            Ok(Some(Command::Remove { name }))
        );
    }
    let long = "a".repeat(NAME_MAX);
    let full = format!("{long}/{long}");
    assert_eq!(full.len(), FULL_NAME_MAX);
    assert_eq!(parse_name(full.as_bytes()), Ok(full.as_str()));
    for too_long in [format!("{long}a/b"), format!("b/{long}a")] {
        assert_eq!(
            parse_name(too_long.as_bytes()),
            Err(Refusal::NameTooLong),
            "{too_long}"
        );
    }
}

/// The lines of `rkprobe_events` do not count, and disable their probes unless they say something else.
#[test]
fn lines_of_events() {
    let settings = |line: &'static str| match parse_event_line(line.as_bytes()) {
        Ok(Some(Command::Add {
            settings,
            arguments,
            ..
        })) => (settings.enabled, settings.limit, arguments),
        other => panic!("{line:?}: {other:?}"),
    };
    let none: &[u8] = b"";
    assert_eq!(settings("p f+4"), (false, 0, none));
    assert_eq!(settings("p:a/b f+4 enable=1"), (true, 0, none));
    assert_eq!(settings("p f+4 limit=7 %di"), (false, 7, b"%di".as_slice()));
    assert_eq!(settings("p f+4 enable=0"), (false, 0, none));
    assert_eq!(parse_event_line(b"c f+4"), Err(Refusal::UnknownCommand));
    assert_eq!(parse_event_line(b"x"), Err(Refusal::UnknownCommand));
    assert_eq!(parse_event_line(b" # p f"), Ok(None));
    assert_eq!(
        parse_event_line(b"-:a/b"),
        Ok(Some(Command::Remove { name: "a/b" }))
    );
}

#[test]
fn refused_lines() {
    use Refusal::*;
    let cases: &[(&str, Refusal)] = &[
        ("x", UnknownCommand),
        ("r vfs_read", UnknownCommand),
        ("probe vfs_read", UnknownCommand),
        ("pvfs_read", UnknownCommand),
        ("-n", UnknownCommand),
        ("\0", UnknownCommand),
        ("P vfs_read", UnknownCommand),
        ("p", BadTarget),
        ("p:x", BadTarget),
        ("p: vfs_read", BadName),
        ("p:9x vfs_read", BadName),
        ("p:a-b vfs_read", BadName),
        ("p:a:b vfs_read", BadName),
        ("p:/ vfs_read", BadName),
        ("p:/b vfs_read", BadName),
        ("p:a/ vfs_read", BadName),
        ("p:a/b/c vfs_read", BadName),
        ("p:a.b/c vfs_read", BadName),
        ("p:9a/c vfs_read", BadName),
        ("p:a/.c vfs_read", BadName),
        ("p:rkprobes/ vfs_read", BadName),
        ("p:enable/a vfs_read", BadName),
        ("p:header_page/a vfs_read", BadName),
        ("p:header_event/a vfs_read", BadName),
        ("-:/", BadRemoval),
        ("-:/a*", BadRemoval),
        ("-:a/b/", BadRemoval),
        ("-:a/b/*", BadRemoval),
        ("p:\u{e9} vfs_read", BadName),
        ("-", BadRemoval),
        ("-:", BadName),
        ("-:a b", BadRemoval),
        ("- a", BadRemoval),
        ("- :a", BadRemoval),
        ("c vfs_read 1", TrailingText),
        ("p vfs_read + 1", BlankInTarget),
        ("p vfs_read +1", BlankInTarget),
        ("p vfs_read\t+1 limit=1", BlankInTarget),
        ("p vfs_read+ 1", BlankInTarget),
        ("p 0x10 +1", BlankInTarget),
        ("p vfs_read+1 +1", BlankInTarget),
        ("c vfs_read 1 # comment", TrailingText),
        ("p vfs_read limit", NoValue),
        ("p vfs_read enable", NoValue),
        ("p vfs_read limit =1", NoValue),
        ("p vfs_read limit=1 limit", NoValue),
        ("c vfs_read limits", TrailingText),
        ("c vfs_read Limit=1", TrailingText),
        ("p vfs_read limit=1 limit=1", TrailingText),
        ("p vfs_read enable=0 limit=1 enable=0", TrailingText),
        ("p limit=1", BadTarget),
        ("-:n limit=1", BadRemoval),
        ("p vfs_read limit=", BadLimit),
        ("c vfs_read limit=-1", TrailingText),
        ("p vfs_read limit=4294967296", BadLimit),
        ("p vfs_read enable=", BadSwitch),
        ("p vfs_read enable=2", BadSwitch),
        ("p vfs_read+*4", BadTarget),
        ("p vfs_read,", BadTarget),
        ("p vfs_read, vfs_write", BlankInTarget),
        ("p vfs_read ,vfs_write", BlankInTarget),
        ("-:a*b c", BadRemoval),
        ("p vfs_read#comment", BadTarget),
        ("p:.x vfs_read", BadName),
        ("p:.. vfs_read", BadName),
        ("p vfs_read+1/", BadNumber),
        ("p vfs_read+1/x", BadNumber),
        ("p vfs_read+1/1/1", BadNumber),
        ("p vfs_read/1", BadTarget),
        ("p 0xffffffffffffffff+1", BadNumber),
        ("p 9p", BadTarget),
        ("p +4", BadTarget),
        ("p a/b", BadTarget),
        ("p vfs_read-4", BadTarget),
        ("p m:", BadTarget),
        ("p :f", BadTarget),
        ("p m.x:f", BadTarget),
        ("p a:b:c", BadTarget),
        ("p m:0x10", BadTarget),
        ("p vfs_read+", BadNumber),
        ("p vfs_read+x", BadNumber),
        ("p vfs_read+-1", BadNumber),
        ("p vfs_read+1+1", BadNumber),
        ("p vfs_read+0x", BadNumber),
        ("p vfs_read+12a", BadNumber),
        ("p vfs_read+18446744073709551616", BadNumber),
        ("p vfs_read+0x10000000000000000", BadNumber),
        ("p 0x", BadNumber),
        ("p 0xg", BadNumber),
        ("p 0x10+x", BadNumber),
        ("p 0x10000000000000000", BadNumber),
    ];
    for (line, refusal) in cases {
        assert_eq!(parse_line(line.as_bytes()), Err(*refusal), "{line:?}");
        assert_eq!(refusal.errno(), errno::EINVAL, "{line:?}");
    }
}

#[test]
fn long_names() {
    let word = |len: usize| "a".repeat(len);
    let refused = |line: String| match parse_line(line.as_bytes()) {
        Err(refusal) => {
            assert_eq!(
                (refusal, refusal.errno()),
                (Refusal::NameTooLong, errno::ENAMETOOLONG)
            );
            true
        }
        Ok(_) => false,
    };
    for (max, line) in [
        (
            NAME_MAX,
            (|word| format!("p:{word} f")) as fn(String) -> String,
        ),
        (NAME_MAX, |word| format!("-:{word}")),
        (MODULE_MAX, |word| format!("p {word}:f")),
        (SYMBOL_MAX, |word| format!("p {word}+1")),
    ] {
        assert!(!refused(line(word(max))), "{}", line(word(1)));
        assert!(refused(line(word(max + 1))), "{}", line(word(1)));
        assert!(refused(line(word(1 << 20))), "{}", line(word(1)));
    }
}

#[test]
fn largest_numbers() {
    assert_eq!(
        parse_target(b"f+18446744073709551615"),
        Ok(symbol("f", u64::MAX))
    );
    assert_eq!(
        parse_target(b" 0xffffffffffffffff\n"),
        Ok(TargetSpec::Address(u64::MAX))
    );
    assert_eq!(parse_target(b"f+0x0000000000000000001"), Ok(symbol("f", 1)));
}

#[test]
fn switches() {
    for text in ["1", "1\n", " y", "Y", "on\n"] {
        assert_eq!(parse_switch(text.as_bytes()), Ok(true), "{text:?}");
    }
    for text in ["0", "0\n", "n", "N", "off"] {
        assert_eq!(parse_switch(text.as_bytes()), Ok(false), "{text:?}");
    }
    for text in ["", "\n", "2", "10", "1 1", "yes", "true", "\u{31}\0"] {
        let refused = Err(Refusal::BadSwitch);
        assert_eq!(parse_switch(text.as_bytes()), refused, "{text:?}");
    }
}

#[test]
fn limits() {
    for (text, limit) in [
        ("0", 0),
        ("100\n", 100),
        (" 0x10", 16),
        ("4294967295", u32::MAX),
    ] {
        assert_eq!(parse_limit(text.as_bytes()), Ok(limit), "{text:?}");
    }
    for text in ["", "\n", "-1", "1 1", "x", "1k", "4294967296", "0x"] {
        let refused = Err(Refusal::BadLimit);
        assert_eq!(parse_limit(text.as_bytes()), refused, "{text:?}");
    }
}

#[test]
fn generated_names() {
    let name = |target, nth| {
        AutoName::new(ProbeKind::Probe, &Places::Place(target), nth)
            .as_str()
            .to_string()
    };
    assert_eq!(name(symbol("vfs_read", 0), 0), "p_vfs_read_0");
    assert_eq!(name(symbol("vfs_read", 31), 0), "p_vfs_read_31");
    assert_eq!(name(symbol("foo.isra.0", 100), 2), "p_foo_isra_0_100_2");
    assert_eq!(name(symbol("f", u64::MAX), 0), "p_f_18446744073709551615");
    let address = TargetSpec::Address(0xffff_ffff_8100_00a0);
    assert_eq!(name(address, 0), "p_0xffffffff810000a0");
    assert_eq!(name(TargetSpec::Address(0), 11), "p_0x0_11");
    let count = AutoName::new(ProbeKind::Count, &Places::Place(symbol("f", 1)), 0);
    assert_eq!(count.as_str(), "c_f_1");
    let group = |text: &'static str| {
        let places = parse_places(text.as_bytes()).unwrap();
        AutoName::new(ProbeKind::Count, &places, 0)
            .as_str()
            .to_string()
    };
    assert_eq!(group("f+*"), "c_f_0");
    assert_eq!(group("f+blocks"), "c_f_0");
    assert_eq!(group("m:tcp_[a-z]*"), "c_tcp__a_z___0");
}

#[test]
fn generated_names_are_names_and_tell_offsets_apart() {
    let long = "x".repeat(SYMBOL_MAX);
    let mut seen = std::collections::HashSet::new();
    for offset in [0, 9, 10, 99, 1 << 20, u64::MAX] {
        for nth in [0, 1, 7, u32::MAX] {
            let name = AutoName::new(ProbeKind::Probe, &Places::Place(symbol(&long, offset)), nth);
            assert_eq!(name.as_str().len(), NAME_MAX, "{}", name.as_str());
            assert_eq!(parse_name(name.as_str().as_bytes()), Ok(name.as_str()));
            assert!(seen.insert(name.as_str().to_string()), "{}", name.as_str());
        }
    }
}
