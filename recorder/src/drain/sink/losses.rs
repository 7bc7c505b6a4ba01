//! Losses: counted at once, written before any later row of their time.

use ingero_format::{
    Row,
    ops::{self, Source},
};

use super::Sink;
use crate::news::Gap;

impl Sink {
    /// Counts a loss, to be written by [`Sink::tell_losses`] at the end of the turn, or before the next row.
    pub fn lost(&mut self, gap: &Gap) {
        self.progress.lose((gap.source, gap.cause), gap.count);
        if gap.source == Source::Cuda {
            self.disturb();
        }
        self.remember(gap);
    }

    pub(super) fn remember(&mut self, gap: &Gap) {
        let goes_on = |known: &&mut Gap| {
            (known.cpu, known.source, known.cause) == (gap.cpu, gap.source, gap.cause)
                && known.first_seq + known.count == gap.first_seq
        };
        match self.untold.iter_mut().find(goes_on) {
            Some(known) => {
                known.count += gap.count;
                known.to_ns = known.to_ns.max(gap.to_ns);
            }
            None => self.untold.push(*gap),
        }
    }

    /// How many events there are whose loss is not written yet.
    #[must_use]
    pub fn untold(&self) -> u64 {
        self.untold.iter().map(|gap| gap.count).sum()
    }

    /// Writes losses that could not be written before.
    pub fn tell_losses(&mut self) {
        while let Some(gap) = self.untold.first().copied() {
            let told = self.meta(Row {
                end_ns: gap.to_ns,
                dur_ns: gap.to_ns.saturating_sub(gap.from_ns),
                tid: u32::from(gap.cpu),
                arg0: gap.count,
                arg1: gap.first_seq,
                op: ops::LOSS,
                flags: gap.source as u16,
                ret: gap.cause as i32,
                ..Row::default()
            });
            if !told {
                return;
            }
            self.untold.remove(0);
        }
    }
}
