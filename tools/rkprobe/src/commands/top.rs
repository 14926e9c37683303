// SPDX-License-Identifier: GPL-2.0

//! `top`: the full-screen view on a terminal.

use crate::cli;
use crate::error::{Error, Kind, Result};
use crate::files::Files;
use crate::probes::{all, profile};
use crate::top::{Action, Top};
use crate::wait::Stop;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::crossterm::terminal;
use ratatui::layout::Rect;
use ratatui::{DefaultTerminal, TerminalOptions, Viewport};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// How long a signal may stay unseen.
const SLICE: Duration = Duration::from_millis(100);

/// Gives the terminal back when it is dropped.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> Result<Self> {
        let failed = |error: io::Error| Error::new(Kind::Io, format!("the terminal: {error}"));
        // A serial line does not know its size.
        let viewport = match terminal::size() {
            Ok((width, height)) if width > 0 && height > 0 => Viewport::Fullscreen,
            _ => Viewport::Fixed(Rect::new(0, 0, 80, 24)),
        };
        let opened = match viewport {
            Viewport::Fullscreen => ratatui::try_init(),
            viewport => ratatui::try_init_with_options(TerminalOptions { viewport }),
        };
        opened.map(Self).map_err(failed)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// `top`
pub(super) fn top(files: &Files, options: &cli::Top) -> Result<bool> {
    files.check()?;
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Error::new(Kind::Usage, "top needs a terminal")
            .next("rkprobe list, or rkprobe count -i 1 TARGET, write to files and pipes"));
    }
    let stop = Stop::on_signals()?;
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut top = Top::new(colour);
    let mut screen = Screen::open()?;
    let interval = options.interval.unwrap_or(Duration::from_secs(1));
    let mut last: Option<Instant> = None;
    while !stop.is_set() {
        let now = Instant::now();
        let passed = last.map(|last| now - last);
        if passed.is_none_or(|passed| passed >= interval) {
            top.update(
                all(files)?,
                profile(files)?,
                passed.map_or(0.0, |passed| passed.as_secs_f64()),
            );
            last = Some(now);
        }
        screen.0.draw(|frame| top.draw(frame))?;
        let next = last.map_or(now, |last| last + interval);
        // Drawing again without a change takes time, so this waits for a key or for the next counts.
        if wait_for_key(&stop, next)? {
            if let Event::Key(key) = event::read()? {
                if !act(files, &mut top, key) {
                    break;
                }
            }
        }
    }
    Ok(true)
}

/// Waits for a key, until a time. Returns whether a key was pressed.
fn wait_for_key(stop: &Stop, end: Instant) -> Result<bool> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if event::poll(left.min(SLICE))? {
            return Ok(true);
        }
        if left <= SLICE || stop.is_set() {
            return Ok(false);
        }
    }
}

/// Carries out what a key asks for. Returns whether to go on.
fn act(files: &Files, top: &mut Top, key: KeyEvent) -> bool {
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        return false;
    }
    let result = match top.key(key.code) {
        Action::None => return true,
        Action::Quit => return false,
        Action::Switch(name, on) => {
            let value = if on { "1" } else { "0" };
            files.write_value(&files.probe(&name, "enable"), value)
        }
        Action::Remove(name) => files
            .write_lines(&[format!("-:{name}")])
            .and_then(|failures| {
                let error =
                    |reason: &str| Err(Error::new(Kind::Refused, format!("{name}: {reason}")));
                failures
                    .first()
                    .map_or(Ok(()), |failure| error(&failure.reason))
            }),
    };
    top.message = result.err().map(|error| error.text);
    true
}
