// SPDX-License-Identifier: GPL-2.0

//! How many hits a second a probe may have, and when that is too many.
//!
//! The count that each probe has anyway is looked at now and then; the way of a hit is as it is
//! without a limit.

/// Milliseconds between two looks.
pub const PERIOD: u64 = 100;

/// Milliseconds of a window.
const SECOND: u64 = 1000;

/// The hits of a probe since some time ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateWindow {
    /// When it began, in milliseconds.
    pub begin: u64,
    /// The probe's hits at that time.
    pub hits: u64,
}

impl RateWindow {
    /// Whether the probe, which has `hits` at the time `now`, had more than `limit` of them a
    /// second. A window that is over gives way to the next one.
    pub fn exceeded(&mut self, limit: u32, now: u64, hits: u64) -> bool {
        let age = now.saturating_sub(self.begin);
        let more = hits.wrapping_sub(self.hits);
        // A burst in a window that is not over counts as if it were all; one that was looked at late
        // may have had more.
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
