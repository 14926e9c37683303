// SPDX-License-Identifier: GPL-2.0

//! A section of the optimizer in which the sites of one lane are poked.

use crate::optimizer;
use crate::optimizer::{
    Foreign,
    JumpTo,
    Poke, //
};
use crate::shell::ftrace_lane::FtraceLane;
use crate::shell::memory::MEMORY;
use crate::shell::site::SiteMemory;
use crate::shell::text_lane::TextPokeBatch;
use crate::sys::stats;

/// A section in which the sites of one lane are poked.
pub(crate) enum TextSection {
    Text(TextPokeBatch),
    Ftrace(FtraceLane),
}

impl optimizer::LockedText for TextSection {
    type Site = SiteMemory;

    fn announce(&mut self, site: &SiteMemory) -> bool {
        match self {
            TextSection::Text(batch) => batch.announce(site),
            TextSection::Ftrace(_) => false,
        }
    }

    fn withdraw(&mut self, site: &SiteMemory) {
        MEMORY
            .lock()
            .table
            .remove(site.trap().addr, site.trap_ptr());
        if let TextSection::Text(batch) = self {
            batch.withdraw(site);
        }
    }

    fn add(&mut self, poke: Poke, site: &SiteMemory, to: JumpTo) -> Result<(), Foreign> {
        if poke == Poke::Arm {
            // The table has the address before the int3 is in the text, or ftrace calls the handlers:
            // an int3 that nothing claims kills the kernel.
            MEMORY
                .lock()
                .table
                .insert(site.trap().addr, site.trap_ptr());
        }
        let added = match self {
            TextSection::Text(batch) => batch.add(poke, site, to),
            TextSection::Ftrace(lane) => lane.add(poke, site),
        };
        if added.is_err_and(|foreign| foreign != Foreign::NoMemory) {
            stats::add(&stats::FOREIGN_TEXT, 1);
        }
        added
    }

    fn finish(&mut self, poke: Poke) -> Result<(), Foreign> {
        match self {
            TextSection::Text(batch) => batch.finish(poke),
            TextSection::Ftrace(lane) => return lane.finish(poke),
        }
        Ok(())
    }

    fn done(&mut self, poke: Poke, site: &SiteMemory) {
        match poke {
            Poke::Arm => {
                if let TextSection::Text(batch) = self {
                    batch.armed(site);
                }
            }
            Poke::Optimize | Poke::Unoptimize => {}
            // The sync is over: no CPU can hit the int3 any more.
            Poke::Disarm => MEMORY
                .lock()
                .table
                .remove(site.trap().addr, site.trap_ptr()),
        }
    }
}
