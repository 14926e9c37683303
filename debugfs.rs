// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/debug/rkprobes/`: the directory, and which file is where. Also the files in tracefs.
//!
//! - `file`: directories and files of debugfs. `writer`: the writes of one open file.
//! - `commands`: `probes`. `expansion`: the addresses of its targets. `errors`, `failures`: the lines that failed.
//! - `event_files`: the files of tracefs.
//! - `named`: the probes that were made by lines of `probes`.
//! - `waiting`: probes in modules that are loaded later.
//! - `probe_dir`: the files of one probe. `sites`: a line for each of its sites. `profile`: a line for
//!   each site of all probes.
//! - `list`, `switches`, `explain`, `stats`, `blacklist`: the files of these names, and `enabled`,
//!   `optimization` and `flush`.
//! - `words`, `print`: how states, reasons and addresses are written.

mod blacklist;
mod commands;
mod errors;
mod event_files;
mod expansion;
mod explain;
mod failures;
mod file;
mod list;
mod named;
mod print;
mod probe_dir;
mod profile;
mod sites;
mod stats;
mod switches;
mod waiting;
mod words;
mod writer;

use crate::sys::ffi;
use blacklist::BlacklistFile;
use commands::{
    Commands,
    ProbesFile, //
};
use core::ptr::from_ref;
use errors::ErrorsFile;
use event_files::{
    EventProfileFile,
    EventsFile, //
};
use explain::{
    ExplainFile,
    Explained, //
};
use file::{
    Dir,
    TracingFile, //
};
use kernel::prelude::*;
use kernel::sync::{
    new_mutex,
    Arc,
    Mutex, //
};
use list::ListFile;
use profile::ProfileFile;
use stats::StatsFile;
use switches::{
    EnabledFile,
    FlushFile,
    OptimizationFile, //
};
use waiting::Waiting;

/// The directory and its files. No file is open when this is dropped, because an open file keeps the
/// module loaded.
#[pin_data(PinnedDrop)]
pub(crate) struct Debugfs {
    /// The files of tracefs. Dropped before their data.
    tracing: [Option<TracingFile>; 2],
    /// `None` while the files are removed: it uses `commands`.
    waiting: Option<Waiting>,
    /// Dropped before `root`, because the directories of its probes are there.
    #[pin]
    commands: Commands,
    /// The last answer of `explain`.
    #[pin]
    explained: Mutex<Option<Arc<Explained>>>,
    /// Or why there is no directory.
    root: Result<Dir>,
}

impl Debugfs {
    /// Makes the directory and its files. Where debugfs does not work, the module works with its
    /// other interfaces.
    ///
    /// # Safety
    ///
    /// Called once.
    ///
    /// # Errors
    ///
    /// ENOMEM, and the errors of the kernel's notifier chains.
    pub(crate) unsafe fn new() -> Result<Pin<KBox<Self>>> {
        // SAFETY: Called once, by the contract, and no file is made yet.
        unsafe { failures::init() };
        let root = Dir::new(c"rkprobes", None);
        let probe = root
            .as_ref()
            .ok()
            .and_then(|root| Dir::new(c"probe", Some(root)).ok());
        let has_probes = probe.is_some();
        let mut this = KBox::pin_init(
            pin_init!(Self {
                tracing: [None, None],
                waiting: None,
                commands <- Commands::new(probe),
                explained <- new_mutex!(None),
                root,
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: Called once. `commands` is pinned, and dropped after `waiting`.
        let waiting = unsafe { Waiting::start(&this.commands)? };
        *this.as_mut().project().waiting = Some(waiting);
        tell_missing(this.as_ref().make_files());
        if has_probes {
            this.as_mut().make_tracing_files();
        }
        Ok(this)
    }

    /// Makes the files of tracefs. If it is off or locked down, they are missing, as those of the kernel.
    fn make_tracing_files(self: Pin<&mut Self>) {
        let commands = from_ref(&self.as_ref().get_ref().commands);
        // SAFETY: The data is in `self`, which drops the files first. It is dropped when the module is
        // unloaded.
        let files = unsafe {
            [
                TracingFile::new::<EventsFile>(commands),
                TracingFile::new::<EventProfileFile>(commands),
            ]
        };
        *self.project().tracing = files;
    }

    fn make_files(self: Pin<&Self>) -> Result {
        let this = self.get_ref();
        let root = this.root.as_ref().map_err(|error| *error)?;
        let (commands, explained) = (from_ref(&this.commands), from_ref(&this.explained));
        // SAFETY: All data is in `this`, which drops the directory. `()` is no data.
        unsafe {
            root.file::<ProbesFile>(commands)?;
            root.file::<ErrorsFile>(from_ref(&()))?;
            root.file::<ListFile>(from_ref(&()))?;
            root.file::<ProfileFile>(commands)?;
            root.file::<EnabledFile>(from_ref(&()))?;
            root.file::<OptimizationFile>(from_ref(&()))?;
            root.file::<FlushFile>(from_ref(&()))?;
            root.file::<ExplainFile>(explained)?;
            root.file::<StatsFile>(from_ref(&()))?;
            root.file::<BlacklistFile>(from_ref(&()))
        }
    }
}

/// Where users look for the files.
const MOUNTED: &CStr = c"/sys/kernel/debug/rkprobes";

/// Says in the log what is missing after the files were `made`: one line at most.
fn tell_missing(made: Result) {
    match made {
        // SAFETY: The path is a C string, and the task that loads the module may sleep.
        Ok(()) if unsafe { ffi::rk_path_exists(MOUNTED.as_char_ptr()) } => {}
        // debugfs has its own mount, so the files exist. This one is of the task that loads the module.
        Ok(()) => pr_notice!(
            "debugfs is not mounted at /sys/kernel/debug: the files are there after it is mounted\n"
        ),
        // fs/debugfs/inode.c: debugfs=off on the command line, and CONFIG_DEBUG_FS_ALLOW_NONE.
        Err(error) if error == EPERM => {
            pr_notice!("debugfs is off: there are no files, the C and the Rust API work\n");
        }
        Err(error) => pr_warn!("files are missing in debugfs: {:?}\n", error),
    }
}

#[pinned_drop]
impl PinnedDrop for Debugfs {
    fn drop(self: Pin<&mut Self>) {
        // Its notifier writes to `errors`.
        *self.project().waiting = None;
        failures::forget();
    }
}
