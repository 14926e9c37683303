// SPDX-License-Identifier: GPL-2.0

//! The limit of hits a second of a probe, and when the probe exceeds it.
//!
//! The count that each probe has is read once a period. A limit adds nothing to the path of a hit.
//!
//! A probe may use a whole window's hits at the end of one window and again at the beginning of the
//! next one. So before it is disabled, it has in any second at most twice its limit, and the hits until
//! the count is read next.

/// Milliseconds between two reads of the count. With the resolution of the kernel's timers and the time
/// that a work needs to start, a probe over its limit is found within 20 ms.
pub const PERIOD: u64 = 8;

/// The most of a CPU's time that reading the counts takes: one part of so many.
const SHARE: u64 = 20;

/// The milliseconds until the counts are read next, when reading them took `took` microseconds.
pub fn pause(took: u64) -> u64 {
    PERIOD.max(took.saturating_mul(SHARE) / 1000)
}

/// Milliseconds of a window.
const SECOND: u64 = 1000;

/// The hits of a probe since the beginning of a window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateWindow {
    /// The time of the beginning, in milliseconds.
    pub begin: u64,
    /// The probe's hits at that time.
    pub hits: u64,
}

impl RateWindow {
    /// Whether the probe, which has `hits` at the time `now`, had more than `limit` hits a second
    /// in this window. A window that is over is replaced by the next one.
    pub fn exceeded(&mut self, limit: u32, now: u64, hits: u64) -> bool {
        let age = now.saturating_sub(self.begin);
        let more = hits.wrapping_sub(self.hits);
        // A window that is not over is allowed a whole second's hits. A window that was read late
        // is allowed more, by its age.
        let allowed = u128::from(limit).saturating_mul(u128::from(age.max(SECOND)));
        if u128::from(more).saturating_mul(u128::from(SECOND)) > allowed {
            return true;
        }
        if age >= SECOND {
            *self = RateWindow { begin: now, hits };
        }
        false
    }
}
