// SPDX-License-Identifier: GPL-2.0

//! Modules that are loaded and unloaded: their text, and the probes that they leave behind.

use super::registration::release;
use super::state::Engine;
use crate::arch_x86::probe_list::ProbePtr;
use crate::optimizer::State;
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
                    // Else ftrace would complain about the module that is loaded there next.
                    site.payload.give_claim_back(core.shell.held());
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

    /// A module is live, and RCU does not watch its `idle` text. No new probe is put there from now on.
    pub(super) fn module_is_live(&self, idle: &Range<usize>) {
        if !idle.is_empty() && self.core.lock().examiner.learn_idle(idle).is_err() {
            pr_err!("no memory: a probe may be put on the idle code of a module\n");
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
    /// it, or with a handler there, even if a structure says that it is not registered.
    pub(super) fn owner_gone(&self, is_freed: impl Fn(usize) -> bool) {
        let mut removed = 0usize;
        loop {
            let mut orphans = KVVec::new();
            let last = self.remove_orphans(&is_freed, &mut orphans);
            let count = orphans.len().saturating_add(usize::from(last.is_some()));
            if count == 0 {
                break;
            }
            wait_for_handlers();
            for orphan in Iterator::chain(orphans.iter(), &last) {
                release(*orphan);
            }
            removed = removed.saturating_add(count);
        }
        if removed > 0 {
            pr_err!("{removed} probes were left behind by their module: removed\n");
        }
    }

    /// Removes such probes from their sites, and collects them. Without memory it stops early: the probe
    /// that did not fit is returned.
    fn remove_orphans(
        &self,
        is_freed: &impl Fn(usize) -> bool,
        orphans: &mut KVVec<ProbePtr>,
    ) -> Option<ProbePtr> {
        self.change(|core| {
            let mut ids = KVVec::new();
            let mut last = None;
            for (id, probe) in core.optimizer.probes() {
                if !probe.payload.rests_on(core.held(), is_freed) {
                    continue;
                }
                let room = orphans.push(probe.payload, GFP_KERNEL);
                if room.and_then(|()| ids.push(id, GFP_KERNEL)).is_err() {
                    orphans.truncate(ids.len());
                    last = Some((id, probe.payload));
                    break;
                }
            }
            for (id, probe) in ids.iter().zip(orphans.iter()) {
                core.remove(*id, *probe);
            }
            let (id, probe) = last?;
            core.remove(id, probe);
            Some(probe)
        })
    }
}
