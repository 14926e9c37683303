// SPDX-License-Identifier: GPL-2.0

//! `trace`: events as they come.

use crate::cli;
use crate::commands::offer_removal;
use crate::error::{Error, Kind, Result};
use crate::files::Files;
use crate::instance::{event_of, Instance};
use crate::output::Output;
use crate::owner::Probes;
use crate::wait::{Stop, Until};
use std::fs::File;
use std::io::Write;
use std::time::Duration;

/// How long a record may stay unread.
const SLICE: Duration = Duration::from_millis(50);

/// Cuts the text of the pipe into lines, and counts the events.
struct Lines {
    /// The begin of a line whose end was not read yet.
    rest: Vec<u8>,
    /// What the event is called.
    event: String,
    left: Option<u64>,
}

impl Lines {
    /// The lines that are complete, with a short name of the event.
    fn take(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return String::new();
        };
        let after = self.rest.split_off(end + 1);
        let text = String::from_utf8_lossy(&self.rest).into_owned();
        self.rest = after;
        let mark = format!(": {}: ", self.event);
        let mut shown = String::new();
        for line in text.lines() {
            let is_event = line.contains(&mark);
            if is_event {
                match &mut self.left {
                    Some(0) => return shown,
                    Some(left) => *left -= 1,
                    None => {}
                }
            }
            shown.push_str(&line.replacen(&mark, ": ", 1));
            shown.push('\n');
        }
        shown
    }

    fn is_done(&self) -> bool {
        self.left == Some(0)
    }
}

/// `trace`
pub(super) fn trace(files: &Files, out: &mut Output<'_>, options: &cli::Trace) -> Result<bool> {
    files.check()?;
    if out.json {
        return Err(Error::new(Kind::Usage, "trace writes text only").next("leave out --json"));
    }
    offer_removal(files)?;
    let stop = Stop::on_signals()?;
    let mut file = match &options.output {
        Some(path) => Some(File::create(path).map_err(|error| Error::file(path, &error))?),
        None => None,
    };
    // Declared first, so that the event is off before its probe is removed.
    let mut probes = Probes::none(files)?;
    let mut words = vec![options.target.clone(), "enable=0".to_owned()];
    words.extend(options.arguments.iter().cloned());
    let failures = probes.add(&[('p', "trace".to_owned(), words.join(" "))])?;
    if let Some(failure) = failures.first() {
        let error = Error::new(
            Kind::Refused,
            format!("{}: {}", options.target, failure.reason),
        );
        return Err(error.next(format!("rkprobe explain {}", options.target)));
    }
    let name = probes.names().first().cloned().unwrap_or_default();
    let event = event_of(&name);
    let mut instance = Instance::make(files, probes.owner())?;
    // Each read of the trace may be a hit.
    instance.not_pid(std::process::id())?;
    if let Some(pid) = options.pid {
        instance.only_pid(pid)?;
    }
    instance.record(&event, options.filter.as_deref(), options.stack)?;
    let mut lines = Lines {
        rest: Vec::new(),
        event,
        left: options.number,
    };
    let mut until = Until::begin(&stop, options.until.duration, &options.until.command)?;
    let mut ended = false;
    while !lines.is_done() {
        // Also while there is something to read: the event may be hit all the time.
        if !ended && until.wait(Some(Duration::ZERO)) {
            ended = true;
            instance.stop();
        }
        let bytes = instance.read()?;
        if bytes.is_empty() {
            if ended {
                break;
            }
            ended = until.wait(Some(SLICE));
            if ended {
                instance.stop();
            }
            continue;
        }
        let text = lines.take(&bytes);
        match (&mut file, &options.output) {
            (Some(file), Some(path)) => file
                .write_all(text.as_bytes())
                .map_err(|error| Error::file(path, &error))?,
            _ => {
                out.raw(&text)?;
                out.flush()?;
            }
        }
    }
    let lost = instance.lost();
    drop(instance);
    probes.remove()?;
    if lost > 0 {
        eprintln!("rkprobe: {lost} events were lost: use --filter, or -o FILE");
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_counted() {
        let mut lines = Lines {
            rest: Vec::new(),
            event: "rkprobe_1_2_trace".to_owned(),
            left: Some(2),
        };
        assert_eq!(lines.take(b" cat-7 [000] 1.4: rkprobe_1_2_tr"), "");
        assert_eq!(
            lines.take(b"ace: (a+0x4) x=1\n b"),
            " cat-7 [000] 1.4: (a+0x4) x=1\n"
        );
        assert!(!lines.is_done());
        assert_eq!(
            lines.take(b": rkprobe_1_2_trace: x\n c: rkprobe_1_2_trace: y\n"),
            " b: x\n"
        );
        assert!(lines.is_done());
    }
}
