// SPDX-License-Identifier: GPL-2.0

//! Modules that are loaded and unloaded: their text, and the probes that they leave behind.

use super::registration::release;
use super::state::{
    Core,
    Engine, //
};
use crate::arch_x86::probe_list::ProbePtr;
use crate::optimizer::{
    ProbeId,
    State, //
};
use crate::shell::module_text;
use crate::sys::ffi;
use crate::sys::locks::wait_for_handlers;
use core::ops::Range;
use kernel::prelude::*;

impl Engine {
    /// `texts` of a module are about to be freed, because the module is unloaded or because its init
    /// function has ended. CPUs may still execute them until then (rule 13). Takes the text locks. May
    /// sleep.
    pub(super) fn text_going(&self, module: usize, texts: &[Range<usize>]) {
        let core = &mut *self.core.lock();
        module_text::module_is_not_coming(core.shell.held(), module);
        for text in texts.iter().filter(|text| !text.is_empty()) {
            for id in core.optimizer.range(text.start, text.end) {
                if let Some(site) = core.optimizer.site(*id) {
                    site.payload.keep_name();
                }
            }
            core.examiner.forget(text.start, text.end);
            core.optimizer.text_going(&core.shell, text.start, text.end);
        }
        for (_, probe) in core.optimizer.probes() {
            let site = core.optimizer.site(probe.site);
            if site.is_some_and(|site| site.state() == State::Gone) {
                probe
                    .payload
                    .set_flag(core.shell.held(), ffi::RKPROBE_FLAG_GONE, true);
            }
        }
    }

    /// A module is being loaded. Its `texts` may be probed, because the engine will be told before
    /// they are freed (rule 13).
    pub(super) fn text_came(&self, module: usize, texts: &[Range<usize>]) {
        self.change(|core| {
            module_text::module_is_coming(core.shell.held(), module);
            for text in texts {
                core.optimizer.text_came(&core.shell, text.start, text.end);
            }
        });
    }

    /// The memory of a module is about to be freed: removes the probes that the module has left in
    /// it.
    pub(super) fn owner_gone(&self, is_freed: impl Fn(usize) -> bool) {
        while self.remove_orphan(&is_freed) {
            pr_err!("a probe was left behind by its module: removed\n");
        }
    }

    /// Removes one probe that is in such memory, or has a handler there, even if the structure says
    /// that it is not registered. Returns whether there was one.
    fn remove_orphan(&self, is_freed: &impl Fn(usize) -> bool) -> bool {
        let mut core = self.core.lock();
        let Some((id, orphan)) = core.orphan(is_freed) else {
            return false;
        };
        core.remove(id, orphan);
        core.commit();
        drop(core);
        wait_for_handlers();
        release(orphan);
        true
    }
}

impl Core {
    /// A probe that is in freed memory, or has a handler there.
    fn orphan(&self, is_freed: &impl Fn(usize) -> bool) -> Option<(ProbeId, ProbePtr)> {
        let mut probes = self.optimizer.probes();
        let (id, orphan) =
            probes.find(|(_, probe)| probe.payload.rests_on(self.held(), is_freed))?;
        Some((id, orphan.payload))
    }
}
