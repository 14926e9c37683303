// SPDX-License-Identifier: GPL-2.0

//! Properties that hold for any line, whether it is a command or not.

use rkprobes_host::command::{
    parse_limit, parse_line, parse_name, parse_question, parse_switch, parse_target,
    written_target, AutoName, Command, Question, TargetSpec, MODULE_MAX, NAME_MAX, SYMBOL_MAX,
};

/// Writes a target as text. The text equals the parsed text, except for leading zeros and decimal
/// offsets.
fn written(target: &TargetSpec<'_>) -> String {
    match target {
        TargetSpec::Address(addr) => format!("{addr:#x}"),
        TargetSpec::Symbol {
            module,
            symbol,
            offset,
        } => {
            let module = module.map_or_else(String::new, |module| format!("{module}:"));
            format!("{module}{symbol}+{offset:#x}")
        }
    }
}

fn check_target(target: &TargetSpec<'_>) {
    let again = written(target);
    assert_eq!(parse_target(again.as_bytes()), Ok(*target), "{again:?}");
    if let TargetSpec::Symbol { module, symbol, .. } = target {
        assert!((1..=SYMBOL_MAX).contains(&symbol.len()), "{again:?}");
        assert!(module.is_none_or(|module| (1..=MODULE_MAX).contains(&module.len())));
        let words = [*symbol, module.unwrap_or("m")];
        for forbidden in [' ', '\n', '/', ':', '+', '\0'] {
            assert!(!words.iter().any(|word| word.contains(forbidden)));
        }
    }
}

/// Panics if a property does not hold.
pub fn check(line: &[u8]) {
    if let Ok(Some(command)) = parse_line(line) {
        let again = match command {
            Command::Remove { name } => {
                assert_eq!(parse_name(name.as_bytes()), Ok(name));
                format!("-:{name}").into_bytes()
            }
            Command::Add {
                kind,
                name,
                target,
                settings,
                arguments,
            } => {
                check_target(&target);
                assert_eq!(parse_target(written_target(line)), Ok(target), "{line:?}");
                let made = AutoName::new(kind, &target, 0);
                assert_eq!(parse_name(made.as_str().as_bytes()), Ok(made.as_str()));
                assert!(made.as_str().len() <= NAME_MAX);
                let name = name.map_or_else(String::new, |name| format!(":{name}"));
                let (letter, target) = (char::from(kind.letter()), written(&target));
                let (enable, limit) = (u8::from(settings.enabled), settings.limit);
                let settings = format!("limit={limit} enable={enable}");
                let mut again = format!("{letter}{name} {target} {settings} ").into_bytes();
                again.extend_from_slice(arguments);
                again
            }
        };
        assert_eq!(parse_line(&again), Ok(Some(command)), "{line:?}");
    }
    if let Ok(target) = parse_target(line) {
        check_target(&target);
    }
    match parse_question(line) {
        Ok(Question::Place(target)) => assert_eq!(parse_target(line), Ok(target)),
        Ok(Question::Function(target)) => {
            check_target(&target);
            assert!(line.trim_ascii().ends_with(b"+*") && parse_target(line).is_err());
        }
        Err(refusal) => assert!(parse_target(line).is_err(), "{line:?}: {refusal:?}"),
    }
    if let Ok(limit) = parse_limit(line) {
        assert_eq!(parse_limit(limit.to_string().as_bytes()), Ok(limit));
    }
    if let Ok(on) = parse_switch(line) {
        assert_eq!(parse_switch(if on { b"1" } else { b"0" }), Ok(on));
        assert!(line.trim_ascii().len() <= 3, "{line:?}");
    }
}
