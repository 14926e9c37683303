// SPDX-License-Identifier: GPL-2.0

//! An instance of tracefs of this process alone, so that its events do not mix with the trace of
//! other users.

use crate::error::{Error, Kind, Result};
use crate::files::Files;
use crate::owner::Owner;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// An instance. It is removed when it is dropped.
pub struct Instance {
    path: PathBuf,
    /// Files that were changed, and what undoes the change, the last first.
    undo: Vec<(PathBuf, String)>,
    pipe: Option<File>,
}

/// What the event of a probe is called: events have no dots in their names.
pub fn event_of(probe: &str) -> String {
    probe.replace('.', "_")
}

fn write(path: &Path, value: &str) -> Result<()> {
    let file = OpenOptions::new().write(true).open(path);
    file.and_then(|mut file| file.write_all(format!("{value}\n").as_bytes()))
        .map_err(|error| Error::file(path, &error))
}

impl Instance {
    /// Makes an instance.
    ///
    /// # Errors
    ///
    /// `Missing`: tracefs is not mounted; `Io`.
    pub fn make(files: &Files, owner: Owner) -> Result<Self> {
        let instances = files.tracefs().join("instances");
        if !instances.exists() {
            let text = format!("{} is missing", instances.display());
            return Err(Error::new(Kind::Missing, text)
                .next("mount -t tracefs tracefs /sys/kernel/tracing"));
        }
        let path = instances.join(owner.to_string());
        fs::create_dir(&path).map_err(|error| Error::file(&path, &error))?;
        let mut instance = Self {
            path,
            undo: Vec::new(),
            pipe: None,
        };
        let pipe = instance.path.join("trace_pipe");
        // A blocked reader would not see a signal.
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&pipe);
        instance.pipe = Some(opened.map_err(|error| Error::file(&pipe, &error))?);
        Ok(instance)
    }

    /// Records the events of these tasks only.
    ///
    /// # Errors
    ///
    /// `Io`.
    pub fn only_pid(&self, pid: u32) -> Result<()> {
        write(&self.path.join("set_event_pid"), &pid.to_string())
    }

    /// Records no event of this task.
    ///
    /// # Errors
    ///
    /// `Io`.
    pub fn not_pid(&self, pid: u32) -> Result<()> {
        write(&self.path.join("set_event_notrace_pid"), &pid.to_string())
    }

    /// Records an event of the module.
    ///
    /// # Errors
    ///
    /// `Usage`: the kernel refuses the filter; `Io`.
    pub fn record(&mut self, event: &str, filter: Option<&str>, stack: bool) -> Result<()> {
        let folder = self.path.join("events/rkprobes").join(event);
        if let Some(filter) = filter {
            let path = folder.join("filter");
            write(&path, filter).map_err(|_| {
                let said = fs::read_to_string(&path).unwrap_or_default();
                Error::new(
                    Kind::Usage,
                    format!(
                        "the filter is refused: {}",
                        said.lines().last().unwrap_or_default()
                    ),
                )
                .next("a filter is as in tracing: count > 100 && common_pid != 1")
            })?;
        }
        if stack {
            let path = folder.join("trigger");
            let condition = filter.map_or(String::new(), |filter| format!(" if {filter}"));
            write(&path, &format!("stacktrace{condition}"))?;
            self.undo.push((path, "!stacktrace".to_owned()));
        }
        let path = folder.join("enable");
        write(&path, "1")?;
        self.undo.push((path, "0".to_owned()));
        Ok(())
    }

    /// Records no more events.
    pub fn stop(&mut self) {
        while let Some((path, value)) = self.undo.pop() {
            // The module may be gone, and then so is the event.
            let _ = write(&path, &value);
        }
    }

    /// Reads what was recorded. Empty if there is nothing yet.
    ///
    /// # Errors
    ///
    /// `Io`.
    pub fn read(&mut self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; 1 << 16];
        let pipe = self
            .pipe
            .as_mut()
            .map_or(Ok(0), |pipe| pipe.read(&mut bytes));
        match pipe {
            Ok(length) => bytes.truncate(length),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                bytes.clear()
            }
            Err(error) => return Err(Error::file(&self.path.join("trace_pipe"), &error)),
        }
        Ok(bytes)
    }

    /// How many records were lost, because they were not read in time.
    pub fn lost(&self) -> u64 {
        let mut lost = 0;
        let Ok(cpus) = fs::read_dir(self.path.join("per_cpu")) else {
            return 0;
        };
        for cpu in cpus.flatten() {
            let stats = fs::read_to_string(cpu.path().join("stats")).unwrap_or_default();
            for line in stats.lines() {
                let number = line.split_once(": ").and_then(|(name, number)| {
                    matches!(name, "overrun" | "dropped events")
                        .then(|| number.trim().parse::<u64>().ok())?
                });
                lost += number.unwrap_or(0);
            }
        }
        lost
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.stop();
        // An instance with an open pipe is in use.
        self.pipe = None;
        if let Err(error) = fs::remove_dir(&self.path) {
            eprintln!("rkprobe: {}", Error::file(&self.path, &error));
        }
    }
}

/// Removes the instances that killed processes have left. Returns how many there were.
///
/// # Errors
///
/// `Io`.
pub fn remove_left(files: &Files) -> Result<usize> {
    let mut count = 0;
    let Ok(instances) = fs::read_dir(files.tracefs().join("instances")) else {
        return Ok(0);
    };
    for instance in instances.flatten() {
        let name = instance.file_name();
        let owner = Owner::of(&name.to_string_lossy());
        if owner.is_none_or(|owner| owner.is_alive(files)) {
            continue;
        }
        let path = instance.path();
        let events = path.join("events/rkprobes");
        for event in fs::read_dir(&events).into_iter().flatten().flatten() {
            // Events without a trigger refuse its removal.
            let _ = write(&event.path().join("trigger"), "!stacktrace");
        }
        if events.exists() {
            write(&events.join("enable"), "0")?;
        }
        fs::remove_dir(&path).map_err(|error| Error::file(&path, &error))?;
        count += 1;
    }
    Ok(count)
}
