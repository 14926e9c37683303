// SPDX-License-Identifier: GPL-2.0

//! The fence of a site: where native kprobes are refused while the site is armed.
//!
//! Native kprobes are refused on the bytes that follow the site. They are also refused where they could
//! become a jump over the target of a branch that the site's bytes hide from the kernel
//! (eligibility/hidden.rs).
//!
//! Both are in the blacklist of native kprobes from before the int3 is written until after it is gone,
//! because a native kprobe may be registered at any time between. The range that follows the site has its
//! end moved when there may be a jump. A native kprobe that is already in that range makes the kernel
//! decode other bytes than those that the range was computed from. Then the fence is the whole function,
//! until the site is disarmed.

use crate::arch_x86::trap::Trap;
use crate::eligibility::hidden::{
    Hidden,
    Stretch, //
};
use crate::eligibility::refusal::Refusal;
use crate::optimizer::Foreign;
use crate::shell::native::blacklist::Refused;
use crate::shell::native::lookup::kprobe_in;
use crate::sys::ffi;
use crate::sys::locks::KprobeMutex;
use crate::sys::symbols;
use core::ops::Range;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;
use kernel::prelude::*;

/// Ranges before the targets of hidden branches. They are freed with their site, so not before an RCU
/// grace period after they were unlinked.
#[derive(Default)]
struct InFront(Option<KBox<(Refused, InFront)>>);

impl InFront {
    fn new(hidden: Option<&Hidden>) -> Result<Self, Refusal> {
        let mut all = Self(None);
        for range in hidden.map_or(&[][..], |hidden| hidden.ranges()) {
            let refused = Refused::new(range.start as usize..range.end as usize);
            let added = KBox::new((refused, all), GFP_KERNEL_ACCOUNT);
            all = Self(Some(added.map_err(|_| Refusal::NoMemory)?));
        }
        Ok(all)
    }

    fn each(&self, mut each: impl FnMut(&Refused)) {
        let mut next = &self.0;
        while let Some(found) = next {
            each(&found.0);
            next = &found.1 .0;
        }
    }
}

/// Where native kprobes are refused because of one site. It changes under the engine's lock.
pub(crate) struct Fence {
    /// The range that follows the site, or its function.
    refused: Refused,
    /// Where else native kprobes are refused.
    in_front: InFront,
    /// How far the range reaches; `None` where that is unknown, so that it is the whole function.
    stretch: Option<Stretch>,
    /// The range is the whole function since the site was armed.
    whole: AtomicBool,
}

impl Fence {
    /// The fence of a site that hides this; `None` if what it hides is unknown. It is not linked.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(crate) fn new(hidden: Option<&Hidden>) -> Result<Self, Refusal> {
        Ok(Self {
            refused: Refused::new(0..0),
            in_front: InFront::new(hidden)?,
            stretch: hidden.map(|hidden| hidden.stretch),
            whole: AtomicBool::new(false),
        })
    }

    /// How far the range reaches; `None` where that is unknown.
    pub(crate) fn stretch(&self) -> Option<Stretch> {
        self.stretch
    }

    /// How far the range reaches, unless it is the whole function.
    fn part(&self) -> Option<Stretch> {
        self.stretch.filter(|_| !self.whole.load(Relaxed))
    }

    /// Links all of it before the int3 of `trap` is written. Returns whether native kprobes are refused
    /// more than before. The caller holds `text_mutex` as well.
    ///
    /// # Safety
    ///
    /// `trap` and the fence belong to one site, in one allocation. It stays where it is until an RCU grace
    /// period after the fence was unlinked.
    ///
    /// # Errors
    ///
    /// `Bytes` when the function does not exist any more.
    pub(crate) unsafe fn link(&self, trap: &Trap, held: &KprobeMutex) -> Result<bool, Foreign> {
        let end = self.stretch.map(|stretch| trap.at(stretch.int3));
        let end = end.filter(|end| !kprobe_in(trap.insn_end(), *end));
        let whole = end.is_none();
        let widened = !self.whole.swap(whole, Relaxed) && whole;
        let more = widened || !self.refused.is_linked(held);
        self.refused.set(match end {
            Some(end) => trap.at(1)..end,
            None => function_of(trap.addr)?,
        });
        // SAFETY: By the contract the range stays where it is.
        unsafe { self.refused.link(held) };
        // SAFETY: The ranges are freed with the fence, so the contract holds for them too.
        self.in_front.each(|refused| unsafe { refused.link(held) });
        Ok(more)
    }

    /// Moves the end of the range to where it must be while there may be a `jump`, or while there is
    /// none.
    pub(crate) fn expect_jump(&self, trap: &Trap, jump: bool) {
        if let Some(stretch) = self.part() {
            let bytes = if jump { stretch.jump } else { stretch.int3 };
            self.refused.set_end(trap.at(bytes));
        }
        if jump {
            // A failure here is found again, and reported, when the jump is written.
            let _ = self.widen_for_jump(trap);
        }
    }

    /// Widens the range to the whole function if a native kprobe is already where the jump's range
    /// would be. Returns whether native kprobes are refused more than before.
    ///
    /// # Errors
    ///
    /// `Bytes` when the function does not exist any more.
    pub(crate) fn widen_for_jump(&self, trap: &Trap) -> Result<bool, Foreign> {
        let Some(stretch) = self.part() else {
            return Ok(false);
        };
        let end = trap.addr.wrapping_add(trap.original().len());
        let whole = kprobe_in(end, trap.at(stretch.jump));
        if whole {
            self.refused.set(function_of(trap.addr)?);
            self.whole.store(true, Relaxed);
        }
        Ok(whole)
    }

    /// Lets the kernel keep native kprobes out for ever, because the site's jump stays in the text.
    /// Returns whether there was memory for that. Without memory it changes nothing.
    pub(crate) fn hand_over(&self, held: &KprobeMutex) -> bool {
        let mut entries = KVec::new();
        let mut made = self.refused.replacement(held, &mut entries);
        self.in_front.each(|refused| {
            made = made.and_then(|()| refused.replacement(held, &mut entries));
        });
        if made.is_err() {
            return false;
        }
        for entry in entries {
            entry.link(held);
        }
        self.unlink(held);
        true
    }

    /// Lets native kprobes in again.
    pub(crate) fn unlink(&self, held: &KprobeMutex) {
        self.refused.unlink(held);
        self.in_front.each(|refused| refused.unlink(held));
    }
}

/// All of a function except its ftrace entry, because native kprobes there never become jumps.
fn function_of(addr: usize) -> Result<Range<usize>, Foreign> {
    let Range { start, end } = symbols::bounds(addr).ok_or(Foreign::Bytes)?;
    // SAFETY: The function only looks up an address range.
    let traced = unsafe { ffi::rk_ftrace_location_range(start, end.wrapping_sub(1)) };
    Ok(match traced {
        entry if entry != 0 && entry < addr => entry.wrapping_add(1)..end,
        _ => start..end,
    })
}
