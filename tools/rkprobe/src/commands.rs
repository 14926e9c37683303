// SPDX-License-Identifier: GPL-2.0

//! One file for each command.

mod change;
mod count;
mod cover;
mod doctor;
mod explain;
mod heat;
mod list;
mod shell;
mod top;
mod trace;

use crate::cli::{Cli, Command};
use crate::error::Result;
use crate::files::{Failure, Files};
use crate::output::Output;
use crate::{instance, owner};
use std::io::{self, BufRead, IsTerminal};

/// Runs a command. Returns whether all that was asked for is done.
///
/// # Errors
///
/// Those of the command.
pub fn run(cli: &Cli, out: &mut Output<'_>) -> Result<bool> {
    let files = Files::new(&cli.root);
    match &cli.command {
        Command::Add(add) => change::add(&files, out, add),
        Command::Rm(rm) => change::rm(&files, out, rm),
        Command::List(list) => list::list(&files, out, list),
        Command::Enable(names) => change::switch(&files, &names.names, true),
        Command::Disable(names) => change::switch(&files, &names.names, false),
        Command::Limit(limit) => change::limit(&files, limit),
        Command::Flush => change::flush(&files),
        Command::Stats => list::stats(&files, out),
        Command::Explain(explain) => explain::explain(&files, out, explain),
        Command::Count(count) => count::count(&files, out, count),
        Command::Heat(heat) => heat::heat(&files, out, heat),
        Command::Cover(cover) => cover::cover(&files, out, cover),
        Command::Trace(trace) => trace::trace(&files, out, trace),
        Command::Top(top) => top::top(&files, top),
        Command::Doctor => doctor::doctor(&files, out),
        Command::Completions { shell } => {
            out.raw(&shell::completions(*shell)?)?;
            Ok(true)
        }
        Command::Man { folder } => shell::man(folder),
    }
}

/// Reports lines that were refused.
fn report(failures: &[Failure]) {
    for failure in failures {
        eprintln!("rkprobe: {}: {}", failure.line, failure.reason);
    }
}

/// Tells of probes that killed processes have left, and offers to remove them.
fn offer_removal(files: &Files) -> Result<()> {
    for (owner, count) in owner::left(files)? {
        let what = match count {
            1 => "a probe is".to_owned(),
            count => format!("{count} probes are"),
        };
        let pid = owner.pid();
        eprintln!("rkprobe: {what} left of rkprobe {pid}, which was killed");
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            eprintln!("  to do: rkprobe rm --left");
            continue;
        }
        eprint!("  remove? [Y/n] ");
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        if read.is_ok() && matches!(answer.trim(), "" | "y" | "Y" | "yes") {
            instance::remove_left(files)?;
            owner::remove_all_of(files, owner)?;
        }
    }
    Ok(())
}
