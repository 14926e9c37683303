// SPDX-License-Identifier: GPL-2.0

//! `add`, `rm`, `enable`, `disable`, `limit`, `flush`: what the files of the module can.

use crate::cli::{Add, Limit, Rm};
use crate::commands::report;
use crate::error::{Error, Kind, Result};
use crate::files::Files;
use crate::output::Output;
use crate::{instance, owner, probes};
use serde_json::json;
use std::fs;
use std::io;

/// `add`
pub(super) fn add(files: &Files, out: &mut Output<'_>, add: &Add) -> Result<bool> {
    let lines = match &add.file {
        Some(path) => {
            let text = match path.as_os_str() == "-" {
                true => io::read_to_string(io::stdin()),
                false => fs::read_to_string(path),
            };
            let text = text.map_err(|error| Error::file(path, &error))?;
            text.lines().map(str::to_owned).collect()
        }
        None => vec![line(add)?],
    };
    let failures = files.write_lines(&lines)?;
    if out.json {
        out.json(&json!({ "lines": lines.len(), "failed": failures }))?;
    }
    report(&failures);
    Ok(failures.is_empty())
}

/// The line of `probes`.
fn line(add: &Add) -> Result<String> {
    let target = add.target.as_deref().unwrap_or_default();
    let words = [target].into_iter().chain(add.name.as_deref());
    if words
        .chain(add.arguments.iter().map(String::as_str))
        .any(|word| word.contains('\n'))
    {
        return Err(Error::new(Kind::Usage, "an argument has a line break"));
    }
    let mut line = String::from(if add.count { "c" } else { "p" });
    if let Some(name) = &add.name {
        line.push_str(&format!(":{name}"));
    }
    line.push_str(&format!(" {target}"));
    if let Some(limit) = add.limit {
        line.push_str(&format!(" limit={limit}"));
    }
    if add.disabled {
        line.push_str(" enable=0");
    }
    for argument in &add.arguments {
        line.push_str(&format!(" {argument}"));
    }
    Ok(line)
}

/// `rm`
pub(super) fn rm(files: &Files, out: &mut Output<'_>, rm: &Rm) -> Result<bool> {
    if rm.left {
        let left = owner::left(files)?;
        // An event that is on keeps its probe.
        let instances = instance::remove_left(files)?;
        for (owner, _) in &left {
            owner::remove_all_of(files, *owner)?;
        }
        let count: usize = left.iter().map(|(_, count)| count).sum();
        if out.json {
            out.json(&json!({ "removed": count, "instances": instances }))?;
        }
        return Ok(true);
    }
    let lines: Vec<String> = rm.names.iter().map(|name| format!("-:{name}")).collect();
    let failures = files.write_lines(&lines)?;
    if out.json {
        out.json(&json!({ "lines": lines.len(), "failed": failures }))?;
    }
    report(&failures);
    Ok(failures.is_empty())
}

/// Writes a value to a file of each probe. Goes on after a probe that refuses it.
fn write_each(files: &Files, names: &[String], file: &str, value: &str) -> Result<bool> {
    let mut done = true;
    for probe in probes::named(files, names)? {
        match files.write_value(&files.probe(&probe.name, file), value) {
            Ok(()) => {}
            Err(error) if error.kind == Kind::Refused => {
                eprintln!("rkprobe: {error}");
                done = false;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// `enable`, `disable`
pub(super) fn switch(files: &Files, names: &[String], on: bool) -> Result<bool> {
    write_each(files, names, "enable", if on { "1" } else { "0" })
}

/// `limit`
pub(super) fn limit(files: &Files, limit: &Limit) -> Result<bool> {
    write_each(files, &limit.names.names, "limit", &limit.hits.to_string())
}

/// `flush`
pub(super) fn flush(files: &Files) -> Result<bool> {
    files.write_value(&files.module("flush"), "1")?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_a_line() {
        let mut options = Add {
            count: false,
            name: Some("x".to_owned()),
            limit: Some(5),
            disabled: true,
            file: None,
            target: Some("vfs_read".to_owned()),
            arguments: vec!["a=%di".to_owned()],
        };
        assert_eq!(
            line(&options).unwrap(),
            "p:x vfs_read limit=5 enable=0 a=%di"
        );
        options.target = Some("a\n-:*".to_owned());
        assert_eq!(line(&options).unwrap_err().kind, Kind::Usage);
    }
}
