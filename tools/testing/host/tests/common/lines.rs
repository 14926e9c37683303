// SPDX-License-Identifier: GPL-2.0

//! Properties that hold for any line, whether it is a command or not.

use rkprobes_host::command::places::{parse_places, Places};
use rkprobes_host::command::target::{parse_target, TargetSpec, MODULE_MAX, SYMBOL_MAX};
use rkprobes_host::command::{
    parse_limit, parse_line, parse_name, parse_switch, AutoName, Command, FULL_NAME_MAX, NAME_MAX,
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

/// Writes an element of a list of targets as text.
fn written_places(places: &Places<'_>) -> String {
    let function = |target: &TargetSpec<'_>| match target {
        TargetSpec::Symbol { .. } => written(target).trim_end_matches("+0x0").to_string(),
        TargetSpec::Address(_) => written(target),
    };
    match places {
        Places::Place(target) => written(target),
        Places::Function(target) => format!("{}+*", function(target)),
        Places::Blocks(target) => format!("{}+blocks", function(target)),
        Places::Matching { module, pattern } => {
            let module = module.map_or_else(String::new, |module| format!("{module}:"));
            format!("{module}{pattern}")
        }
    }
}

fn check_places(places: &Places<'_>) {
    let again = written_places(places);
    assert_eq!(parse_places(again.as_bytes()), Ok(*places), "{again:?}");
    match places.target() {
        Some(target) => check_target(&target),
        None => assert!(again.contains(['*', '?', '['])),
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
            Command::RemoveMatching { pattern } => {
                assert!(pattern.contains(['*', '?', '[']) || pattern.ends_with('/'));
                assert!(pattern.len() <= FULL_NAME_MAX);
                format!("-:{pattern}").into_bytes()
            }
            Command::Add {
                kind,
                name,
                targets,
                settings,
                arguments,
            } => {
                let all: Vec<_> = targets.iter().collect();
                all.iter().for_each(check_places);
                let text = core::str::from_utf8(targets.as_bytes()).unwrap();
                assert_eq!(all.len(), text.split(',').count(), "{text:?}");
                let one = matches!(all[..], [Places::Place(_)]);
                assert_eq!(targets.is_one(), one);
                assert_eq!(targets.is_alone(), all.len() == 1);
                assert_eq!(targets.first(), all[0]);
                let made = AutoName::new(kind, &all[0], 0);
                assert_eq!(parse_name(made.as_str().as_bytes()), Ok(made.as_str()));
                assert!(made.as_str().len() <= NAME_MAX);
                let name = name.map_or_else(String::new, |name| format!(":{name}"));
                let letter = char::from(kind.letter());
                let (enable, limit) = (u8::from(settings.enabled), settings.limit);
                let settings = format!("limit={limit} enable={enable}");
                let mut again = format!("{letter}{name} {text} {settings} ").into_bytes();
                again.extend_from_slice(arguments);
                again
            }
        };
        assert_eq!(parse_line(&again), Ok(Some(command)), "{line:?}");
    }
    if let Ok(target) = parse_target(line) {
        check_target(&target);
    }
    match parse_places(line) {
        Ok(Places::Place(target)) => assert_eq!(parse_target(line), Ok(target)),
        Ok(places) => {
            check_places(&places);
            assert!(parse_target(line).is_err(), "{line:?}");
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
