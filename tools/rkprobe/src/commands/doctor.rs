// SPDX-License-Identifier: GPL-2.0

//! `doctor`: what is missing on this machine, and what to do.

use crate::error::Result;
use crate::files::Files;
use crate::kcore::Kcore;
use crate::output::{Output, Style};
use crate::owner;
use serde::Serialize;
use std::fs;

#[derive(Serialize)]
struct Finding {
    ok: bool,
    what: String,
    /// What to do.
    next: Option<String>,
}

fn right(what: impl Into<String>) -> Finding {
    let what = what.into();
    Finding {
        ok: true,
        what,
        next: None,
    }
}

fn wrong(what: impl Into<String>, next: &str) -> Finding {
    let what = what.into();
    Finding {
        ok: false,
        what,
        next: Some(next.to_owned()),
    }
}

/// `doctor`: fails if anything is wrong.
pub(super) fn doctor(files: &Files, out: &mut Output<'_>) -> Result<bool> {
    let mut findings = machine(files);
    findings.extend(module(files));
    let all = findings.iter().all(|finding| finding.ok);
    if out.json {
        out.json(&findings)?;
        return Ok(all);
    }
    for finding in &findings {
        let word = match finding.ok {
            true => out.paint(Style::Good, "ok   "),
            false => out.paint(Style::Bad, "WRONG"),
        };
        out.line(&format!("{word}  {}", finding.what))?;
        if let Some(next) = &finding.next {
            out.line(&format!("       to do: {next}"))?;
        }
    }
    Ok(all)
}

fn trimmed(files: &Files, name: &str) -> String {
    let text = fs::read_to_string(files.proc(name)).unwrap_or_default();
    text.trim().to_owned()
}

fn machine(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    let release = trimmed(files, "sys/kernel/osrelease");
    let version = release
        .split(['.', '-'])
        .take(2)
        .map(|part| part.parse().unwrap_or(0));
    let version: Vec<u32> = version.collect();
    findings.push(match version.as_slice() >= [7, 2].as_slice() {
        true => right(format!("kernel {release}")),
        false => wrong(format!("kernel {release}"), "boot a kernel from 7.2 on"),
    });
    findings.push(match rustix::process::geteuid().is_root() {
        true => right("this is root"),
        false => wrong(
            "this is not root",
            "run rkprobe as root: the files of the module are root's",
        ),
    });
    findings.push(match files.tracefs().join("events").exists() {
        true => right("tracefs is mounted"),
        false => wrong(
            "tracefs is not mounted",
            "mount -t tracefs tracefs /sys/kernel/tracing",
        ),
    });
    if trimmed(files, "sys/kernel/kptr_restrict") == "2" {
        findings.push(wrong(
            "the kernel hides all addresses",
            "sysctl kernel.kptr_restrict=1; without it, heat reads each instruction by itself",
        ));
    }
    if Kcore::open(&files.proc("kcore")).is_ok() {
        findings.push(right("/proc/kcore can be read"));
    } else {
        findings.push(right(
            "/proc/kcore cannot be read: heat asks the module for each instruction",
        ));
    }
    findings
}

fn module(files: &Files) -> Vec<Finding> {
    if let Err(error) = files.check() {
        return vec![wrong(
            error.text,
            error.next.as_deref().unwrap_or("see dmesg"),
        )];
    }
    let mut findings = vec![right("the module rkprobes is loaded")];
    let is_off = |name| files.read(name).is_ok_and(|text| text.trim() == "0");
    if is_off("enabled") {
        let file = files.module("enabled");
        findings.push(wrong(
            "all probes are disarmed",
            &format!("echo 1 > {}", file.display()),
        ));
    }
    if is_off("optimization") {
        let file = files.module("optimization");
        findings.push(wrong(
            "no int3 becomes a jump",
            &format!("echo 1 > {}", file.display()),
        ));
    }
    let stats = files.read("stats").unwrap_or_default();
    let stat = |name: &str| {
        let value = |line: &str| line.strip_prefix(name)?.trim().parse::<u64>().ok();
        stats.lines().find_map(value).unwrap_or(0)
    };
    match stat("foreign_text ") {
        0 => {}
        count => findings.push(wrong(
            format!("{count} changes of text were not made, because another tool has changed it"),
            "rkprobe list names the probes; remove the other tool's probes",
        )),
    }
    match stat("dead_handlers ") {
        0 => {}
        count => findings.push(wrong(
            format!("a handler has died on {count} CPUs, which miss all hits"),
            "reboot; the kernel log has the handler",
        )),
    }
    for (owner, count) in owner::left(files).unwrap_or_default() {
        let what = format!(
            "{count} probes are left of rkprobe {}, which was killed",
            owner.pid()
        );
        findings.push(wrong(what, "rkprobe rm --left"));
    }
    findings
}
