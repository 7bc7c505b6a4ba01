//! Accounting for every number.

use std::collections::{BTreeMap, BTreeSet};

use ingero_format::{
    Row,
    control::LossCount,
    numbers::Numbers,
    ops::{self, LossCause, Source},
    row::META_CPU,
    state::State,
};

use super::{Conservation, Lane as LaneReport};

/// (epoch, CPU, source number).
type Lane = (u64, u16, u8);

/// What one lane holds.
#[derive(Default)]
struct Tally {
    stored: Numbers,
    duplicates: u64,
    lost: BTreeSet<(u64, u64)>,
    before: Option<u64>,
}

/// All lanes.
#[derive(Default)]
pub(super) struct Accounts {
    lanes: BTreeMap<Lane, Tally>,
    causes: BTreeMap<(u8, i32), u64>,
    /// Declared lost of a source without a CPU: what could not be read any more.
    anywhere: BTreeMap<(u64, u8), u64>,
    seen_epochs: BTreeSet<u64>,
}

impl Accounts {
    /// The state at the beginning of a segment. The oldest segment of an epoch tells what was evicted; its
    /// lanes that are not in the record had nothing before.
    pub(super) fn state(&mut self, epoch: u64, state: &State) {
        if !self.seen_epochs.insert(epoch) {
            return;
        }
        for account in &state.accounts {
            let tally = self.lanes.entry((epoch, account.cpu, account.source)).or_default();
            tally.before = Some(account.stored.saturating_add(account.lost));
        }
    }

    /// Rows of a frame or a head slot of one source. What a row is may be unknown; whose it is, is not.
    pub(super) fn rows(&mut self, epoch: u64, source: u8, rows: &[Row]) {
        for row in rows {
            if row.op == ops::LOSS {
                self.loss(epoch, row);
            } else if row.cpu() != META_CPU {
                let lane = (epoch, row.cpu(), source);
                let tally = self.lanes.entry(lane).or_default();
                if !tally.stored.insert(row.seq()) {
                    tally.duplicates += 1;
                }
            }
        }
    }

    fn loss(&mut self, epoch: u64, row: &Row) {
        let (cpu, source) = (row.tid as u16, row.flags as u8);
        let fresh = cpu == META_CPU
            || self.lanes.entry((epoch, cpu, source)).or_default().lost.insert((row.arg1, row.arg0));
        if cpu == META_CPU {
            add(self.anywhere.entry((epoch, source)).or_default(), row.arg0);
        }
        if fresh {
            add(self.causes.entry((source, row.ret)).or_default(), row.arg0);
        }
    }

    /// Events stored.
    pub(super) fn events(&self) -> u64 {
        self.lanes.values().map(|t| t.stored.len()).sum()
    }

    /// Declared losses by source and cause.
    pub(super) fn losses(&self) -> Vec<LossCount> {
        let name = |cause| LossCause::from_number(cause).map_or("unknown", LossCause::name);
        self.causes
            .iter()
            .map(|((source, cause), count)| LossCount {
                source: Source::from_number(*source).map_or("unknown", Source::name).into(),
                cause: name(*cause).into(),
                count: *count,
            })
            .collect()
    }

    /// The account, and in words each lane where it does not hold.
    pub(super) fn conservation(&self) -> (Conservation, Vec<String>) {
        let mut total = Conservation { holds: true, ..Conservation::default() };
        let mut wrong = Vec::new();
        let mut anywhere = self.anywhere.clone();
        for ((epoch, cpu, source), tally) in &self.lanes {
            let pool = anywhere.entry((*epoch, *source)).or_default();
            let lane = tally.lane((*epoch, *cpu, *source), pool);
            add(&mut total.produced, lane.produced);
            add(&mut total.stored, lane.stored);
            add(&mut total.lost, lane.lost);
            add(&mut total.evicted, lane.evicted);
            if !lane.holds {
                total.holds = false;
                let LaneReport { source, produced, stored, lost, evicted, twice, .. } = lane;
                wrong.push(format!(
                    "epoch {epoch} cpu {cpu} {source}: {produced} numbered, {stored} stored, {lost} lost, {evicted} evicted, {twice} twice"
                ));
            }
            total.lanes.push(lane);
        }
        (total, wrong)
    }
}

/// Counts in a file may be any: sums of them stop at the highest there is.
fn add(to: &mut u64, count: u64) {
    *to = to.saturating_add(count);
}

impl Tally {
    // `anywhere` are losses of the source that may be this CPU's; what is used of them is taken.
    fn lane(&self, (epoch, cpu, source): Lane, anywhere: &mut u64) -> LaneReport {
        let (stored, evicted) = (self.stored.len(), self.before.unwrap_or(0));
        let told = self.lost.iter().fold(0, |sum: u64, (_, count)| sum.saturating_add(*count));
        let ends = self.lost.iter().map(|(first, count)| first.saturating_add(*count));
        let produced = ends.chain(self.stored.end()).max().unwrap_or(0).max(evicted);
        let missing = produced.saturating_sub(stored.saturating_add(told).saturating_add(evicted));
        let unplaced = missing.min(*anywhere);
        *anywhere -= unplaced;
        let lost = told.saturating_add(unplaced);
        let sum = stored.checked_add(lost).and_then(|sum| sum.checked_add(evicted));
        LaneReport {
            epoch,
            cpu,
            source: Source::from_number(source).map_or("unknown", Source::name),
            produced,
            stored,
            lost,
            evicted,
            twice: self.duplicates,
            holds: sum == Some(produced) && self.duplicates == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use ingero_format::{row::origin, state::Account};

    use super::*;

    fn rows(seqs: impl IntoIterator<Item = u64>) -> Vec<Row> {
        let row = |seq| Row { op: ops::CU_LAUNCH_KERNEL, origin: origin(0, seq), ..Row::default() };
        seqs.into_iter().map(row).collect()
    }

    fn loss(first: u64, count: u64) -> Row {
        Row { op: ops::LOSS, arg0: count, arg1: first, ret: 1, origin: origin(META_CPU, 0), ..Row::default() }
    }

    #[test]
    fn stored_lost_and_evicted_make_up_what_was_produced() {
        let mut accounts = Accounts::default();
        let account = Account { cpu: 0, source: 0, stored: 90, lost: 10 };
        accounts.state(7, &State { accounts: vec![account], ..State::default() });
        accounts.rows(7, 0, &rows((100..150).chain(155..160)));
        accounts.rows(7, 0, &[loss(150, 5)]);
        let (total, wrong) = accounts.conservation();
        assert!(total.holds, "{wrong:?}");
        assert_eq!((total.produced, total.stored, total.lost, total.evicted), (160, 55, 5, 100));
        assert_eq!(accounts.losses()[0].cause, "ringbuf_full");
    }

    #[test]
    fn counts_that_overflow_when_added_do_not_hold_and_do_not_panic() {
        let mut accounts = Accounts::default();
        let account = Account { cpu: 0, source: 0, stored: u64::MAX, lost: u64::MAX };
        accounts.state(7, &State { accounts: vec![account], ..State::default() });
        let anywhere = Row { tid: META_CPU.into(), ..loss(0, u64::MAX) };
        accounts.rows(7, 0, &[loss(0, u64::MAX), loss(1, u64::MAX), anywhere, anywhere]);
        let (total, _) = accounts.conservation();
        assert_eq!((total.holds, total.lost, total.evicted), (false, u64::MAX, u64::MAX));
        assert_eq!(accounts.losses()[0].count, u64::MAX);
    }

    #[test]
    fn a_missing_or_doubled_event_is_noticed() {
        for seqs in [vec![0, 1, 3], vec![0, 1, 1, 2]] {
            let mut accounts = Accounts::default();
            accounts.rows(7, 0, &rows(seqs));
            assert!(!accounts.conservation().0.holds);
        }
    }
}
