// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/debug/rkprobes/`: the files about all probes.

mod commands;
pub(crate) mod explain;
mod file;
mod named;
mod probe_dir;
mod words;

use crate::arch_x86::handlers::MISSED;
use crate::command::parse_switch;
use crate::containers::sort::sort_by_key;
use crate::debugfs::explain::Explained;
use crate::debugfs::file::{data, Dir, File};
use crate::debugfs::named::Registry;
use crate::debugfs::words::Flags;
use crate::eligibility::reserved::{Entry, Kind};
use crate::engine::{engine, Core};
use crate::optimizer::{Optimizer, State};
use crate::shell::memory::MEMORY;
use crate::shell::site;
use crate::shell::Shell;
use crate::sys::stats;
use crate::sys::symbols;
use commands::Said;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::sync::{new_mutex, Mutex};

/// About how long a line of `list` is.
const LIST_LINE: usize = 96;

/// About how long `blacklist` is.
const BLACKLIST: usize = 256 << 10;

/// All that the files are about. No file is open when this is dropped: an open one keeps the module.
#[pin_data]
pub(crate) struct Debugfs {
    /// Dropped first: its directories are in `root`.
    #[pin]
    named: Mutex<Registry>,
    /// What became of the last write to `probes`.
    #[pin]
    said: Mutex<Said>,
    /// What the last write to `explain` was about.
    #[pin]
    explained: Mutex<Explained>,
    root: Option<Dir>,
}

impl Debugfs {
    /// Makes the directory and its files. Where debugfs does not work the module has its other
    /// interfaces.
    pub(crate) fn new() -> Result<Pin<KBox<Self>>> {
        let root = Dir::new(c"rkprobes", None).ok();
        let probe = root
            .as_ref()
            .and_then(|root| Dir::new(c"probe", Some(root)).ok());
        let this = KBox::pin_init(
            pin_init!(Self {
                named <- new_mutex!(Registry::new(probe)),
                said <- new_mutex!(Said::nothing()),
                explained <- new_mutex!(Explained::nothing()),
                root,
            }),
            GFP_KERNEL,
        )?;
        if let Err(error) = this.as_ref().make_files() {
            pr_warn!("no files in debugfs: {:?}\n", error);
        }
        Ok(this)
    }

    fn make_files(self: Pin<&Self>) -> Result {
        let root = self.get_ref().root.as_ref().ok_or(ENODEV)?;
        let this = data(self);
        // SAFETY: the directory is a field of `this`.
        unsafe {
            root.file::<Probes>(this)?;
            root.file::<Errors>(this)?;
            root.file::<List>(this)?;
            root.file::<Enabled>(this)?;
            root.file::<Optimization>(this)?;
            root.file::<Flush>(this)?;
            root.file::<Explain>(this)?;
            root.file::<Stats>(this)?;
            root.file::<Blacklist>(this)
        }
    }
}

struct Probes;

impl File for Probes {
    type Data = Debugfs;
    const NAME: &'static CStr = c"probes";
    const MODE: u16 = 0o600;

    fn size_hint(this: &Debugfs) -> usize {
        this.named.lock().size_hint()
    }

    fn show(this: &Debugfs, out: &SeqFile) -> Result {
        this.named.lock().show(out);
        Ok(())
    }

    fn write(this: &Debugfs, text: KVVec<u8>) -> Result {
        let said = commands::run(&this.named, text);
        let result = said.result;
        let last = core::mem::replace(&mut *this.said.lock(), said);
        drop(last);
        result
    }
}

struct Errors;

impl File for Errors {
    type Data = Debugfs;
    const NAME: &'static CStr = c"errors";
    const MODE: u16 = 0o400;

    fn size_hint(this: &Debugfs) -> usize {
        this.said.lock().size_hint()
    }

    fn show(this: &Debugfs, out: &SeqFile) -> Result {
        this.said.lock().show(out);
        Ok(())
    }
}

struct List;

impl List {
    /// All probes, by address.
    fn probes() -> Result<KVVec<(usize, Flags)>> {
        let engine = engine().ok_or(ENODEV)?;
        let mut rows = KVVec::new();
        let mut wanted = engine.look(|core| core.optimizer.probes().count());
        loop {
            rows.clear();
            rows.reserve(wanted, GFP_KERNEL)?;
            wanted = engine.look(|core| Self::collect(&core.optimizer, &mut rows));
            // Others may have been added while no lock was held.
            if wanted <= rows.len() {
                sort_by_key(&mut rows, |row| row.0 as u64);
                return Ok(rows);
            }
        }
    }

    /// Puts as many into `rows` as there is room for; says how many there are.
    fn collect(optimizer: &Optimizer<Shell>, rows: &mut KVVec<(usize, Flags)>) -> usize {
        let mut count = 0usize;
        for (_, probe) in optimizer.probes() {
            if let Some(site) = optimizer.site(probe.site) {
                count = count.saturating_add(1);
                let _ = rows.push_within_capacity((site.addr, Flags::of(site, probe)));
            }
        }
        count
    }

    fn line(addr: usize, flags: Flags, out: &SeqFile) {
        seq_print!(out, "{:016x}  k  ", addr);
        // Something else may be at the address by now.
        let function = symbols::function(addr).filter(|_| !flags.gone);
        match &function {
            Some(function) => {
                let offset = addr.wrapping_sub(function.start);
                seq_print!(out, "{}+{:#x}", function.name(), offset);
            }
            None => seq_print!(out, "{:#x}+0x0", addr),
        }
        let module = function.as_ref().and_then(|function| function.module());
        if let Some(module) = module {
            seq_print!(out, "  [{}]", module);
        }
        for (nth, flag) in flags.texts().enumerate() {
            let gap = match (nth, module) {
                (0, None) => "  ",
                (0, Some(_)) => " ",
                _ => "",
            };
            seq_print!(out, "{}{}", gap, flag);
        }
        seq_print!(out, "\n");
    }
}

impl File for List {
    type Data = Debugfs;
    const NAME: &'static CStr = c"list";
    const MODE: u16 = 0o400;

    fn size_hint(_this: &Debugfs) -> usize {
        let count = engine().map_or(0, |engine| {
            engine.look(|core| core.optimizer.probes().count())
        });
        count.saturating_mul(LIST_LINE)
    }

    fn show(_this: &Debugfs, out: &SeqFile) -> Result {
        for (addr, flags) in &Self::probes()? {
            Self::line(*addr, *flags, out);
        }
        Ok(())
    }
}

struct Enabled;

impl File for Enabled {
    type Data = Debugfs;
    const NAME: &'static CStr = c"enabled";
    const MODE: u16 = 0o600;

    fn show(_this: &Debugfs, out: &SeqFile) -> Result {
        let armed = engine()
            .ok_or(ENODEV)?
            .look(|core| core.optimizer.all_armed());
        seq_print!(out, "{}\n", u8::from(armed));
        Ok(())
    }

    fn write(_this: &Debugfs, text: KVVec<u8>) -> Result {
        let armed = parse_switch(&text)?;
        engine().ok_or(ENODEV)?.set_all_armed(armed)
    }
}

struct Optimization;

impl File for Optimization {
    type Data = Debugfs;
    const NAME: &'static CStr = c"optimization";
    const MODE: u16 = 0o600;

    fn show(_this: &Debugfs, out: &SeqFile) -> Result {
        let allowed = engine()
            .ok_or(ENODEV)?
            .look(|core| core.optimizer.optimization());
        seq_print!(out, "{}\n", u8::from(allowed));
        Ok(())
    }

    fn write(_this: &Debugfs, text: KVVec<u8>) -> Result {
        let allowed = parse_switch(&text)?;
        engine().ok_or(ENODEV)?.set_optimization(allowed)
    }
}

struct Flush;

impl File for Flush {
    type Data = Debugfs;
    const NAME: &'static CStr = c"flush";
    const MODE: u16 = 0o200;

    fn write(_this: &Debugfs, _text: KVVec<u8>) -> Result {
        engine().ok_or(ENODEV)?.flush()
    }
}

struct Explain;

impl File for Explain {
    type Data = Debugfs;
    const NAME: &'static CStr = c"explain";
    const MODE: u16 = 0o600;

    fn show(this: &Debugfs, out: &SeqFile) -> Result {
        this.explained.lock().show(out);
        Ok(())
    }

    fn write(this: &Debugfs, text: KVVec<u8>) -> Result {
        let explained = Explained::of(text);
        let result = explained.result();
        let last = core::mem::replace(&mut *this.explained.lock(), explained);
        drop(last);
        result
    }
}

struct Blacklist;

impl Blacklist {
    /// The functions of an area.
    fn show_area(area: &Entry, out: &SeqFile) {
        let (mut at, end) = (area.start as usize, area.end as usize);
        if area.kind == Kind::OwnText {
            let reason = area.kind.text();
            seq_print!(out, "{at:#018x}-{end:#018x} [rkprobes] {reason}\n");
            return;
        }
        while at < end {
            let function = symbols::function(at);
            let name = function.as_ref().map_or(c"-", |function| function.name());
            let next = function.as_ref().map_or(end, |function| function.end());
            let next = next.clamp(at.saturating_add(1), end);
            let reason = area.kind.text();
            seq_print!(out, "{at:#018x}-{next:#018x} {name} {reason}\n");
            at = next;
        }
    }
}

impl File for Blacklist {
    type Data = Debugfs;
    const NAME: &'static CStr = c"blacklist";
    const MODE: u16 = 0o400;

    fn size_hint(_this: &Debugfs) -> usize {
        BLACKLIST
    }

    fn show(_this: &Debugfs, out: &SeqFile) -> Result {
        for area in &engine().ok_or(ENODEV)?.areas()? {
            Self::show_area(area, out);
        }
        Ok(())
    }
}

/// What the optimizer has, counted.
#[derive(Default)]
struct Counted {
    probes: u64,
    sites: u64,
    armed: u64,
    optimizing: u64,
    optimized: u64,
    unoptimizing: u64,
    freeing: u64,
    passes: u64,
    hits: u64,
}

impl Counted {
    fn of(core: &Core) -> Self {
        let optimizer = &core.optimizer;
        let mut counted = Self {
            passes: optimizer.ended(),
            hits: stats::get(&stats::REMOVED_HITS),
            ..Self::default()
        };
        for (_, site) in optimizer.sites() {
            counted.sites = counted.sites.saturating_add(1);
            let state = match site.state() {
                State::Armed => &mut counted.armed,
                State::Optimizing { .. } => &mut counted.optimizing,
                State::Optimized => &mut counted.optimized,
                State::Unoptimizing => &mut counted.unoptimizing,
                State::Freeing { .. } => &mut counted.freeing,
                State::Disarmed | State::Gone => continue,
            };
            *state = state.saturating_add(1);
        }
        for (_, probe) in optimizer.probes() {
            counted.probes = counted.probes.saturating_add(1);
            let hits = site::hits(core.held(), probe.payload) as u64;
            counted.hits = counted.hits.wrapping_add(hits);
        }
        counted
    }
}

struct Stats;

impl File for Stats {
    type Data = Debugfs;
    const NAME: &'static CStr = c"stats";
    const MODE: u16 = 0o400;

    fn show(_this: &Debugfs, out: &SeqFile) -> Result {
        let engine = engine().ok_or(ENODEV)?;
        let counted = engine.look(Counted::of);
        let (slots, slot_memory) = {
            let memory = MEMORY.lock();
            (memory.slots.used(), memory.slots.mapped())
        };
        for (name, value) in [
            ("probes", counted.probes),
            ("sites", counted.sites),
            ("armed", counted.armed),
            ("optimizing", counted.optimizing),
            ("optimized", counted.optimized),
            ("unoptimizing", counted.unoptimizing),
            ("freeing", counted.freeing),
            ("passes", counted.passes),
            ("batches", stats::get(&stats::BATCHES)),
            ("sync_rounds", stats::get(&stats::SYNC_ROUNDS)),
            ("grace_periods", stats::get(&stats::GRACE_PERIODS)),
            ("hits", counted.hits),
            ("missed", stats::get(&MISSED)),
            ("foreign_text", stats::get(&stats::FOREIGN_TEXT)),
            (
                "refused_in_handlers",
                stats::get(&stats::REFUSED_IN_HANDLERS),
            ),
            ("reserved", engine.reserved() as u64),
            ("index_ns", stats::get(&stats::INDEX_TIME)),
            ("slots", slots as u64),
            ("slot_memory", slot_memory as u64),
        ] {
            seq_print!(out, "{} {}\n", name, value);
        }
        Ok(())
    }
}
