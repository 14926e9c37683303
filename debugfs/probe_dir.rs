// SPDX-License-Identifier: GPL-2.0

//! `probe/NAME/`: the files of one probe.

use crate::arch_x86::probe_list::ProbePtr;
use crate::command::{parse_limit, parse_switch};
use crate::debugfs::file::{data, Dir, File};
use crate::debugfs::named::Named;
use crate::debugfs::words;
use crate::engine::limits;
use crate::engine::{engine, Core};
use crate::optimizer::MAX_REGION;
use crate::optimizer::{JumpTo, SiteProbe, State};
use crate::shell::text::live;
use crate::shell::window;
use crate::sys::locks::TextMutex;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;

/// Makes the files.
///
/// # Safety
///
/// `named` lives until `dir` is dropped.
///
/// # Errors
///
/// Those of debugfs.
pub(crate) unsafe fn make(dir: &Dir, named: Pin<&Named>) -> Result {
    let named = data(named);
    // SAFETY: by the contract.
    unsafe {
        dir.file::<Enable>(named)?;
        dir.file::<Limit>(named)?;
        dir.file::<Hits>(named)?;
        dir.file::<Missed>(named)?;
        dir.file::<StateFile>(named)?;
        dir.file::<Reason>(named)?;
        dir.file::<Text>(named)
    }
}

struct Enable;

impl File for Enable {
    type Data = Named;
    const NAME: &'static CStr = c"enable";
    const MODE: u16 = 0o600;

    fn show(named: &Named, out: &SeqFile) -> Result {
        let enabled = named.look(|_, probe| probe.enabled())?;
        seq_print!(out, "{}\n", u8::from(enabled));
        Ok(())
    }

    fn write(named: &Named, text: KVVec<u8>) -> Result {
        let enabled = parse_switch(&text)?;
        let engine = engine().ok_or(ENODEV)?;
        Ok(engine.set_enabled(named.probe(), enabled)?)
    }
}

/// The most hits a second; 0 is no limit.
struct Limit;

impl File for Limit {
    type Data = Named;
    const NAME: &'static CStr = c"limit";
    const MODE: u16 = 0o600;

    fn show(named: &Named, out: &SeqFile) -> Result {
        let limit = named.look(|core, probe| window::limit_of(core.held(), probe.payload))?;
        seq_print!(out, "{}\n", limit);
        Ok(())
    }

    fn write(named: &Named, text: KVVec<u8>) -> Result {
        let limit = parse_limit(&text)?;
        let engine = engine().ok_or(ENODEV)?;
        Ok(limits::set(engine, named.probe(), limit)?)
    }
}

struct Hits;

impl File for Hits {
    type Data = Named;
    const NAME: &'static CStr = c"hits";
    const MODE: u16 = 0o400;

    fn show(named: &Named, out: &SeqFile) -> Result {
        seq_print!(out, "{}\n", named.hits()?);
        Ok(())
    }
}

struct Missed;

impl File for Missed {
    type Data = Named;
    const NAME: &'static CStr = c"missed";
    const MODE: u16 = 0o400;

    fn show(named: &Named, out: &SeqFile) -> Result {
        seq_print!(out, "recursion {}\n", named.missed());
        Ok(())
    }
}

struct StateFile;

impl File for StateFile {
    type Data = Named;
    const NAME: &'static CStr = c"state";
    const MODE: u16 = 0o400;

    fn show(named: &Named, out: &SeqFile) -> Result {
        seq_print!(out, "{}\n", named.look(words::state)?);
        Ok(())
    }
}

struct Reason;

impl File for Reason {
    type Data = Named;
    const NAME: &'static CStr = c"reason";
    const MODE: u16 = 0o400;

    fn show(named: &Named, out: &SeqFile) -> Result {
        seq_print!(out, "{}\n", named.look(words::reason)?);
        Ok(())
    }
}

/// What is in the text at a probe.
struct Bytes {
    addr: usize,
    len: usize,
    original: [u8; MAX_REGION],
    /// `None` if the text is gone.
    current: Option<[u8; MAX_REGION]>,
    /// `None` if no hit goes there.
    detour: Option<usize>,
}

impl Bytes {
    /// Reads them. The engine's lock is held, so a module's text cannot go meanwhile.
    fn read(core: &Core, probe: &SiteProbe<ProbePtr>) -> Option<Self> {
        let site = core.optimizer.site(probe.site)?;
        let trap = site.payload.trap();
        let len = trap.original().len();
        let current = (site.state() != State::Gone).then(|| {
            let mut bytes = [0; MAX_REGION];
            let _whole = TextMutex::lock();
            for (offset, byte) in bytes.iter_mut().take(len).enumerate() {
                // SAFETY: the site is not gone, so its text is mapped, also all of its region.
                let [now] = unsafe { live(trap.addr.wrapping_add(offset)) };
                *byte = now;
            }
            bytes
        });
        let to = site.jump_to().unwrap_or(JumpTo::Detour);
        let used = site.state().is_jump() || matches!(site.state(), State::Optimizing { .. });
        Some(Self {
            addr: trap.addr,
            len,
            original: trap.original,
            current,
            detour: used.then(|| site.payload.target(to)),
        })
    }
}

struct Text;

impl Text {
    fn show_bytes(out: &SeqFile, what: &str, bytes: &[u8]) {
        seq_print!(out, "{}", what);
        for byte in bytes {
            seq_print!(out, " {:02x}", byte);
        }
        seq_print!(out, "\n");
    }
}

impl File for Text {
    type Data = Named;
    const NAME: &'static CStr = c"text";
    const MODE: u16 = 0o400;

    fn show(named: &Named, out: &SeqFile) -> Result {
        let bytes = named.look(Bytes::read)?.ok_or(ENOENT)?;
        seq_print!(out, "address {:#018x}\n", bytes.addr);
        Self::show_bytes(
            out,
            "original",
            bytes.original.get(..bytes.len).unwrap_or(&[]),
        );
        match bytes.current {
            Some(now) => Self::show_bytes(out, "current", now.get(..bytes.len).unwrap_or(&[])),
            None => seq_print!(out, "current -\n"),
        }
        match bytes.detour {
            Some(detour) => seq_print!(out, "detour {:#018x}\n", detour),
            None => seq_print!(out, "detour -\n"),
        }
        Ok(())
    }
}
