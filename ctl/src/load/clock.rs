//! One clock's times as another's.

use ingero_format::segment::Anchor;

/// Shifts boottime, as rows have it, to Unix time.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    offset_ns: i64,
}

impl Clock {
    /// The clock of whoever took this pair of times.
    pub fn at(anchor: &Anchor) -> Self {
        Self { offset_ns: anchor.real_ns.cast_signed().wrapping_sub(anchor.boot_ns.cast_signed()) }
    }

    /// Unix ns less boottime ns.
    pub fn offset_ns(self) -> i64 {
        self.offset_ns
    }

    /// A boottime in ns as Unix ns; later than any can be for one that is no time.
    pub fn unix(self, boot_ns: u64) -> i64 {
        self.offset_ns.saturating_add(i64::try_from(boot_ns).unwrap_or(i64::MAX))
    }
}
