//! Units: a thread's outermost calls, and the gaps between them. They are disjoint.

use crate::model::Call;

/// Key of a gap; other keys are operation numbers.
pub(super) const GAP: u16 = 0;

/// A call with those inside it, or the gap before a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit<'a> {
    /// Begin.
    pub from_ns: i64,
    /// End.
    pub to_ns: i64,
    /// Operation, or [`GAP`].
    pub key: u16,
    /// The call; for a gap the call that came late.
    pub call: &'a Call,
    /// Place of that call in the thread's list.
    pub place: usize,
    /// Calls inside the call: places `place + 1 .. inside_to`.
    pub inside_to: usize,
}

impl Unit<'_> {
    pub fn is_gap(&self) -> bool {
        self.key == GAP
    }

    pub fn dur_ns(&self) -> i64 {
        self.to_ns - self.from_ns
    }
}

/// All units of a thread's calls, by time.
pub(super) fn of(calls: &[Call]) -> impl Iterator<Item = Unit<'_>> {
    let mut place = 0;
    let mut previous_end: Option<i64> = None;
    let next = move || {
        let call = calls.get(place)?;
        if let Some(from_ns) = previous_end.take().filter(|from| *from < call.ts_ns) {
            return Some(Unit { from_ns, to_ns: call.ts_ns, key: GAP, call, place, inside_to: place + 1 });
        }
        let end = call.end_ns();
        let inside = calls.get(place + 1..).unwrap_or_default().iter().take_while(|c| c.ts_ns < end);
        let inside_to = place + 1 + inside.count();
        let unit = Unit { from_ns: call.ts_ns, to_ns: end, key: call.op, call, place, inside_to };
        previous_end = Some(end);
        place = inside_to;
        Some(unit)
    };
    std::iter::from_fn(next)
}
