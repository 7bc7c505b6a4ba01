//! Where an earlier run stopped whose counters still count: whoever takes over its probes goes on from there.

use std::collections::BTreeMap;

use ingero_format::{
    Row,
    numbers::Numbers,
    ops::{self, Source},
    row::META_CPU,
    state::{Account, Process},
};

use crate::continued::{Continued, Covered, LaneEnd};

/// Collects the numbers of the rows that are read at recovery: the newest of the epoch.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lanes: BTreeMap<(u16, u8), Run>,
    /// Of the last state record.
    pub(super) processes: Vec<Process>,
    covered: Vec<Covered>,
    newest_ns: u64,
}

/// Numbers seen; those that rise one by one are not yet among them.
#[derive(Debug, Default)]
struct Run {
    seen: Numbers,
    first: u64,
    next: u64,
}

impl Run {
    fn add(&mut self, number: u64) {
        if number != self.next {
            self.settle();
            self.first = number;
        }
        self.next = number.saturating_add(1);
    }

    fn settle(&mut self) {
        self.seen.insert_run(self.first, self.next - self.first);
        self.first = self.next;
    }
}

impl Tail {
    pub(super) fn rows(&mut self, source: Source, rows: &[Row]) {
        for row in rows {
            if source != Source::Meta {
                self.lanes.entry((row.cpu(), source as u8)).or_default().add(row.seq());
                self.newest_ns = self.newest_ns.max(row.end_ns);
            } else if row.op == ops::LOSS && row.tid != u32::from(META_CPU) {
                let lane = self.lanes.entry((row.tid as u16, row.flags as u8)).or_default();
                lane.seen.insert_run(row.arg1, row.arg0);
            } else if row.op == ops::COVERED {
                let Row { pid, arg0: start_ns, arg1: inode, end_ns: since_ns, .. } = *row;
                self.covered.push(Covered { pid, start_ns, inode, since_ns });
            }
        }
    }

    /// What the epoch's accounts count, `accounts`, with what was seen of it.
    pub(super) fn finish(mut self, accounts: &[Account]) -> Continued {
        let mut lanes = Vec::new();
        for account in accounts {
            let Some(source) = Source::from_number(account.source) else { continue };
            let mut run = self.lanes.remove(&(account.cpu, account.source)).unwrap_or_default();
            run.settle();
            let counted = account.stored.saturating_add(account.lost);
            let next = run.seen.end().unwrap_or(0).max(counted);
            let holes = holes(&run.seen, next, next - counted);
            lanes.push(LaneEnd { cpu: account.cpu, source, next, holes });
        }
        let Self { processes, covered, newest_ns, .. } = self;
        Continued { lanes, processes, covered, newest_ns }
    }
}

// Of the gaps between runs the highest `missing` numbers: lower ones may be in segments that were not read.
fn holes(seen: &Numbers, next: u64, mut missing: u64) -> Vec<(u64, u64)> {
    let runs: Vec<(u64, u64)> = seen.runs().chain([(next, next)]).collect();
    let mut holes = Vec::new();
    for pair in runs.windows(2).rev() {
        let [(_, from), (to, _)] = pair else { continue };
        let count = (to - from).min(missing);
        if count > 0 {
            holes.push((to - count, count));
            missing -= count;
        }
    }
    holes.reverse();
    holes
}

#[cfg(test)]
mod tests {
    use ingero_format::row::origin;

    use super::*;

    fn row(seq: u64) -> Row {
        Row { op: ops::CU_LAUNCH_KERNEL, origin: origin(1, seq), end_ns: 100 + seq, ..Row::default() }
    }

    fn finish(seqs: &[u64], losses: &[(u64, u64)], stored: u64, lost: u64) -> Continued {
        let mut tail = Tail::default();
        let rows: Vec<Row> = seqs.iter().copied().map(row).collect();
        tail.rows(Source::Cuda, &rows);
        let flags = Source::Cuda as u16;
        for (arg1, arg0) in losses.iter().copied() {
            tail.rows(Source::Meta, &[Row { op: ops::LOSS, tid: 1, arg1, arg0, flags, ..Row::default() }]);
        }
        tail.finish(&[Account { cpu: 1, source: Source::Cuda as u8, stored, lost }])
    }

    #[test]
    fn numbers_go_on_behind_the_highest_and_what_is_missing_below_is_known() {
        // 0 to 99 lie in segments that are not read; of those read one row came early and one is missing.
        let continued = finish(&[100, 102, 103, 101, 104, 106], &[(107, 3)], 106, 3);
        let lane = LaneEnd { cpu: 1, source: Source::Cuda, next: 110, holes: vec![(105, 1)] };
        assert_eq!((continued.accounted(), continued.newest_ns), (109, 206));
        assert_eq!(continued.lanes, [lane]);
    }

    #[test]
    fn a_row_that_came_early_in_a_segment_that_is_not_read_leaves_no_hole() {
        // 101 lies in the segment before.
        let continued = finish(&[100, 102, 103], &[], 104, 0);
        assert_eq!((continued.lanes[0].next, continued.lanes[0].holes.len()), (104, 0));
    }

    #[test]
    fn a_lane_of_which_nothing_was_read_goes_on_behind_its_account() {
        let continued = finish(&[], &[], 40, 2);
        assert_eq!((continued.lanes[0].next, continued.lanes[0].holes.len()), (42, 0));
    }
}
