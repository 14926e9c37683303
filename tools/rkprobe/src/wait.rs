// SPDX-License-Identifier: GPL-2.0

//! Waiting: for a time, for a command, or until a signal asks this process to end.

use crate::error::{reason, Error, Kind, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a signal may stay unseen.
const SLICE: Duration = Duration::from_millis(20);

/// Becomes true when a signal asks this process to end. Then probes are removed.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Handles SIGINT, SIGTERM and SIGHUP from now on.
    ///
    /// # Errors
    ///
    /// `Io`.
    pub fn on_signals() -> Result<Self> {
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, stop.0.clone())
                .map_err(|error| Error::new(Kind::Io, format!("signals: {}", reason(&error))))?;
        }
        Ok(stop)
    }

    /// Whether a signal has arrived.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits. Returns early if a signal arrives.
    pub fn sleep(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.is_set() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            sleep(left.min(SLICE));
        }
    }
}

/// What ends a measurement: a time, a command, a signal.
pub struct Until<'a> {
    stop: &'a Stop,
    begin: Instant,
    end: Option<Instant>,
    child: Option<Child>,
    status: Option<ExitStatus>,
}

impl<'a> Until<'a> {
    /// Begins now: starts the command, if there is one.
    ///
    /// # Errors
    ///
    /// `Usage`: the command cannot be started.
    pub fn begin(stop: &'a Stop, time: Option<Duration>, command: &[String]) -> Result<Self> {
        let child = match command {
            [] => None,
            [program, arguments @ ..] => {
                let child = Command::new(program).args(arguments).spawn();
                Some(child.map_err(|error| {
                    Error::new(Kind::Usage, format!("{program}: {}", reason(&error)))
                        .next("write a program and its arguments after --")
                })?)
            }
        };
        let begin = Instant::now();
        Ok(Self {
            stop,
            begin,
            end: time.map(|time| begin + time),
            child,
            status: None,
        })
    }

    /// How long it has lasted.
    pub fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// The exit status of the command, if it has ended.
    pub fn status(&self) -> Option<ExitStatus> {
        self.status
    }

    /// Waits for `interval`, or until the end. Returns whether the end has come.
    pub fn wait(&mut self, interval: Option<Duration>) -> bool {
        let pause = interval.map(|interval| Instant::now() + interval);
        loop {
            if self.stop.is_set() {
                self.end_command();
                return true;
            }
            if let Some(child) = &mut self.child {
                if let Ok(Some(status)) = child.try_wait() {
                    self.status = Some(status);
                    return true;
                }
            }
            let now = Instant::now();
            if self.end.is_some_and(|end| end <= now) {
                self.end_command();
                return true;
            }
            if pause.is_some_and(|pause| pause <= now) {
                return false;
            }
            let next = [self.end, pause].into_iter().flatten().min();
            let left = next.map_or(SLICE, |next| next - now);
            sleep(left.min(SLICE));
        }
    }

    /// Asks the command to end, and waits for that.
    fn end_command(&mut self) {
        let Some(child) = &mut self.child else {
            return;
        };
        if let Some(pid) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        self.status = child.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_ends_the_wait() {
        let stop = Stop::default();
        let command = ["sh", "-c", "exit 3"].map(str::to_owned);
        let mut until = Until::begin(&stop, None, &command).unwrap();
        assert!(until.wait(None));
        assert_eq!(until.status().and_then(|status| status.code()), Some(3));
    }

    #[test]
    fn a_signal_ends_the_wait_and_the_command() {
        let stop = Stop::default();
        let command = ["sleep", "1000"].map(str::to_owned);
        let mut until = Until::begin(&stop, None, &command).unwrap();
        assert!(!until.wait(Some(Duration::from_millis(1))));
        stop.0.store(true, Ordering::Relaxed);
        assert!(until.wait(None));
        assert!(until.status().is_some());
    }

    #[test]
    fn a_time_ends_the_wait() {
        let stop = Stop::default();
        let mut until = Until::begin(&stop, Some(Duration::from_millis(30)), &[]).unwrap();
        assert!(until.wait(None));
        assert!(until.elapsed() >= Duration::from_millis(30));
    }
}
