// SPDX-License-Identifier: GPL-2.0

//! Modules that come and go: their text, and the probes that they forget.

use super::{release, Core, Engine};
use crate::arch_x86::probe_list::ProbePtr;
use crate::optimizer::{ProbeId, State};
use crate::shell::module_text;
use crate::sys::ffi;
use core::ops::Range;
use kernel::prelude::*;

impl Engine {
    /// A module is live or goes: `texts` are about to be freed, and may still be executed until then
    /// (rule 13). Takes the text locks. May sleep.
    pub(crate) fn text_gone(&self, module: usize, texts: &[Range<usize>]) {
        let core = &mut *self.core.lock();
        module_text::module_is_not_coming(core.shell.held(), module);
        for text in texts.iter().filter(|text| !text.is_empty()) {
            core.examiner.forget(text.start, text.end);
            core.optimizer.text_gone(&core.shell, text.start, text.end);
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

    /// A module is being loaded, and `texts` may be probed: its end will be told (rule 13).
    pub(crate) fn text_came(&self, module: usize, texts: &[Range<usize>]) {
        self.change(|core| {
            module_text::module_is_coming(core.shell.held(), module);
            for text in texts {
                core.optimizer.text_came(&core.shell, text.start, text.end);
            }
        });
    }

    /// The memory of a module is about to be freed: removes the probes that it has forgotten there.
    pub(crate) fn owner_gone(&self, is_freed: impl Fn(usize) -> bool) {
        while self.remove_orphan(&is_freed) {
            pr_err!("a probe was left behind by its module: removed\n");
        }
    }

    /// Removes a probe that is itself in such memory, or has a handler there, whatever it says of
    /// itself; says whether there was one.
    fn remove_orphan(&self, is_freed: &impl Fn(usize) -> bool) -> bool {
        let mut core = self.core.lock();
        let Some((id, orphan)) = core.orphan(is_freed) else {
            return false;
        };
        core.remove(id, orphan);
        core.commit();
        drop(core);
        kernel::sync::rcu::synchronize_rcu();
        release(orphan);
        true
    }
}

impl Core {
    /// A probe that rests on memory that is freed.
    fn orphan(&self, is_freed: &impl Fn(usize) -> bool) -> Option<(ProbeId, ProbePtr)> {
        let mut probes = self.optimizer.probes();
        let (id, orphan) =
            probes.find(|(_, probe)| probe.payload.rests_on(self.shell.held(), is_freed))?;
        Some((id, orphan.payload))
    }
}
