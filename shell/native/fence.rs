// SPDX-License-Identifier: GPL-2.0

//! What native kprobes are refused because of one site while it is armed: what is behind it, and where
//! they would make a jump that a branch goes into which they do not see (hidden.rs).
//!
//! All is in their blacklist from before the int3 until after it, for they may ask at any time between. What
//! is behind the site has its end moved when there may be a jump. A native kprobe that is in the
//! stretch already makes them decode other bytes there than those that it was told from: then it is
//! the whole function, until the site is disarmed.

use crate::arch_x86::trap::Trap;
use crate::eligibility::hidden::{Hidden, Stretch};
use crate::eligibility::refusal::Refusal;
use crate::optimizer::Foreign;
use crate::shell::native::blacklist::Refused;
use crate::shell::text_lane::kprobe_in;
use crate::sys::ffi;
use crate::sys::locks::KprobeMutex;
use crate::sys::symbols;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use kernel::prelude::*;

/// Ranges in front of where hidden branches go. Freed with their trap, so not before an RCU grace
/// period after they were unlinked.
#[derive(Default)]
pub(crate) struct InFront(Option<KBox<(Refused, InFront)>>);

impl InFront {
    /// From what a site hides. `NoMemory` without memory.
    pub(crate) fn new(hidden: Option<&Hidden>) -> Result<Self, Refusal> {
        let mut all = Self(None);
        for range in hidden.map_or(&[][..], |hidden| hidden.ranges()) {
            let refused = Refused::new(range.start as usize..range.end as usize);
            let added = KBox::new((refused, all), GFP_KERNEL);
            all = Self(Some(added.map_err(|_| Refusal::NoMemory)?));
        }
        Ok(all)
    }

    fn each(&self, each: impl Fn(&Refused)) {
        let mut next = &self.0;
        while let Some(found) = next {
            each(&found.0);
            next = &found.1 .0;
        }
    }
}

/// What is behind a site. Changed under the engine's lock.
#[derive(Default)]
pub(crate) struct Behind {
    /// `None` where it cannot be told: the whole function is refused.
    pub(crate) stretch: Option<Stretch>,
    /// The whole function is refused since the site was armed.
    whole: AtomicBool,
}

impl Behind {
    /// From what a site hides.
    pub(crate) fn new(hidden: Option<&Hidden>) -> Self {
        Self {
            stretch: hidden.map(|hidden| hidden.stretch),
            whole: AtomicBool::new(false),
        }
    }

    /// The stretch, unless the whole function is refused.
    fn refused(&self) -> Option<Stretch> {
        self.stretch.filter(|_| !self.whole.load(Relaxed))
    }
}

impl Trap {
    /// Refuses native kprobes all of it before the int3 is there, and says whether that is more than they were
    /// refused before. `text_mutex` is held as well.
    ///
    /// # Errors
    ///
    /// `Bytes` when the function is not found any more.
    pub(crate) fn refuse_natives(&self, held: &KprobeMutex) -> Result<bool, Foreign> {
        let stretch = self.behind.stretch;
        let end = stretch.map(|stretch| self.at(stretch.int3));
        let end = end.filter(|end| !kprobe_in(self.insn_end(), *end));
        let whole = end.is_none();
        let widened = !self.behind.whole.swap(whole, Relaxed) && whole;
        let more = widened || !self.refused.is_linked();
        self.refused.set(match end {
            Some(end) => self.at(1)..end,
            None => function_of(self.addr)?,
        });
        // SAFETY: a trap stays for a grace period after its bytes left the text.
        unsafe { self.refused.link(held) };
        // SAFETY: as above; so does what it has.
        self.in_front.each(|refused| unsafe { refused.link(held) });
        Ok(more)
    }

    /// Moves the end of what is behind the site to where it must be when there may be a `jump`, or when
    /// there is none.
    pub(crate) fn expect_jump(&self, jump: bool) {
        if let Some(stretch) = self.behind.refused() {
            let bytes = if jump { stretch.jump } else { stretch.int3 };
            self.refused.set_end(self.at(bytes));
        }
        if jump {
            // Writing the jump says what was wrong.
            let _ = self.refuse_natives_for_jump();
        }
    }

    /// Refuses native kprobes the whole function if one is in the jump's stretch already, and says whether that
    /// is more than before.
    ///
    /// # Errors
    ///
    /// `Bytes` when the function is not found any more.
    pub(crate) fn refuse_natives_for_jump(&self) -> Result<bool, Foreign> {
        let Some(stretch) = self.behind.refused() else {
            return Ok(false);
        };
        let end = self.addr.wrapping_add(self.original().len());
        let whole = kprobe_in(end, self.at(stretch.jump));
        if whole {
            self.refused.set(function_of(self.addr)?);
            self.behind.whole.store(true, Relaxed);
        }
        Ok(whole)
    }

    /// Lets native kprobes in again.
    pub(crate) fn let_natives_in(&self, held: &KprobeMutex) {
        self.refused.unlink(held);
        self.in_front.each(|refused| refused.unlink(held));
    }
}

/// All of a function but its entry, if that is ftrace's: kprobes there never become jumps.
fn function_of(addr: usize) -> Result<Range<usize>, Foreign> {
    let Range { start, end } = symbols::bounds(addr).ok_or(Foreign::Bytes)?;
    // SAFETY: looks an address range up.
    let traced = unsafe { ffi::rk_ftrace_location_range(start, end.wrapping_sub(1)) };
    Ok(match traced {
        entry if entry != 0 && entry < addr => entry.wrapping_add(1)..end,
        _ => start..end,
    })
}
