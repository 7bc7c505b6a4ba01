//! Which rows belong to what is read: of the window, plausible, not taken before.

use foldhash::{HashSet, HashSetExt};
use ingero_format::{Row, ops, row::flags};

/// No plausible clock reads more: 2^61 ns are 73 years.
pub(super) const MAX_TIME_NS: u64 = 1 << 61;

/// A window, boottime ns; `None` for all there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window(pub Option<(u64, u64)>);

impl Window {
    /// True if an event is of the window.
    pub fn holds(self, row: &Row) -> bool {
        self.0.is_none_or(|(from, to)| {
            row.start_ns() < to && (row.end_ns > from || (row.end_ns == from && row.dur_ns == 0))
        })
    }

    /// True if a moment is of the window or at its edge.
    pub fn spans(self, at_ns: u64) -> bool {
        self.0.is_none_or(|(from, to)| (from..=to).contains(&at_ns))
    }
}

/// A row in the time of the earliest boot; `None` if its time cannot be true.
pub(super) fn placed(row: &Row, shift_ns: u64) -> Option<Row> {
    let dur_ns = row.dur_ns.min(row.end_ns);
    (row.end_ns <= MAX_TIME_NS).then(|| Row { end_ns: row.end_ns.saturating_add(shift_ns), dur_ns, ..*row })
}

/// What an event that had not ended and the same event with its end have in common: thread, operation, start.
pub(super) type Begin = (u32, u16, u64);

/// See [`Begin`].
pub(super) fn begin(row: &Row) -> Begin {
    (row.tid, row.op, row.start_ns())
}

/// Rows taken already, where several files may hold the same ones.
#[derive(Debug)]
pub(super) struct Seen(HashSet<(u64, u8, u64)>);

impl Default for Seen {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl Seen {
    /// True the first time.
    pub fn is_new(&mut self, epoch: u64, row: &Row) -> bool {
        self.0.insert(identity(epoch, row))
    }
}

/// What makes an event the same event in two files. An open call has no number of its own yet.
fn identity(epoch: u64, row: &Row) -> (u64, u8, u64) {
    if row.flags & flags::OPEN != 0 {
        return (epoch, u8::MAX, u64::from(row.tid) << 32 ^ row.start_ns());
    }
    (epoch, ops::source(row.op) as u8, row.origin)
}
