// SPDX-License-Identifier: GPL-2.0

//! `heat`: how often each instruction of a function runs.

use crate::cli;
use crate::commands::offer_removal;
use crate::disassembly::lines;
use crate::error::{Error, Kind, Result};
use crate::files::Files;
use crate::graph::svg;
use crate::heat::Heat;
use crate::output::Output;
use crate::owner::Probes;
use crate::probes::sites;
use crate::symbols::Symbols;
use crate::text::Function;
use crate::wait::{Stop, Until};
use std::fs;
use std::time::Duration;

/// How long it counts unless the command line says it.
const DURATION: Duration = Duration::from_secs(5);

/// `heat`
pub(super) fn heat(files: &Files, out: &mut Output<'_>, options: &cli::Heat) -> Result<bool> {
    files.check()?;
    let target = &options.function;
    if target.contains([',', '*', '?', '[', ' ']) || target.contains("+blocks") {
        return Err(
            Error::new(Kind::Usage, format!("{target}: not one function"))
                .next("name one function; rkprobe count takes patterns and lists"),
        );
    }
    offer_removal(files)?;
    let stop = Stop::on_signals()?;
    let function = Function::read(files, target)?;
    let symbols = Symbols::read(files).unwrap_or_default();
    let lines = lines(&function, &symbols);
    drop(symbols);

    let mut probes = Probes::none(files)?;
    let places = if options.every { "+*" } else { "+blocks" };
    let definition = ('c', "heat".to_owned(), format!("{target}{places}"));
    let failures = probes.add(&[definition])?;
    if let Some(failure) = failures.first() {
        let error = Error::new(Kind::Refused, format!("{target}: {}", failure.reason));
        return Err(error.next(format!("rkprobe explain --all {target}")));
    }
    let time = match options.until.command.is_empty() {
        true => Some(options.until.duration.unwrap_or(DURATION)),
        false => options.until.duration,
    };
    let mut until = Until::begin(&stop, time, &options.until.command)?;
    until.wait(None);
    let seconds = until.elapsed().as_secs_f64();
    let name = probes.names().first().cloned().unwrap_or_default();
    let sites = sites(files, &name)?;
    probes.remove()?;

    let heat = Heat::new(function, lines, &sites, options.every, seconds);
    if let Some(path) = &options.svg {
        fs::write(path, svg(&heat)).map_err(|error| Error::file(path, &error))?;
    }
    match out.json {
        true => out.json(&heat.report())?,
        false => heat.show(out)?,
    }
    Ok(true)
}
