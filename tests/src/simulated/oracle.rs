//! What must be found: a list of events and what was promised of each. Knows nothing of files.

use std::collections::{BTreeMap, BTreeSet};

use ingero_format::Row;

use super::{contents::Contents, events::Key};

/// The promises.
#[derive(Debug, Default)]
pub struct Oracle {
    /// Events handed to the recorder: when, and what.
    given: BTreeMap<Key, (u64, Row)>,
    count: u64,
    /// Events before this one were made durable.
    durable: u64,
    /// Events that there was no room for.
    refused: BTreeSet<Key>,
}

/// What happened before the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The recorder was killed or stopped: nothing may be missing but what is declared lost. This many losses
    /// it had no room to declare.
    Kill(u64),
    /// The power went: what was not made durable may be missing, and this many rows of slots that had to be
    /// used again before their frame was durable.
    PowerLoss(u64),
}

impl After {
    fn is_power_loss(self) -> bool {
        matches!(self, Self::PowerLoss(_))
    }
}

fn unnamed(row: &Row, given: &Row) -> bool {
    if row == given {
        return false;
    }
    let times = (row.end_ns, row.dur_ns, row.origin) == (given.end_ns, given.dur_ns, given.origin);
    times && ((row.pid, row.tid) == (0, 0) || row.op == 0)
}

impl Oracle {
    /// An event was handed over.
    pub fn give(&mut self, key: Key, row: Row) {
        self.given.insert(key, (self.count, row));
        self.count += 1;
    }

    /// The event handed over last found no room.
    pub fn refuse(&mut self, key: Key) {
        self.refused.insert(key);
    }

    /// Everything handed over so far was reported durable.
    pub fn durable(&mut self) {
        self.durable = self.count;
    }

    /// How many events there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Compares; events found missing by right are forgotten, since they must never come back.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub fn check(&mut self, found: &Contents, after: After) -> Result<(), String> {
        if let Some(double) = found.doubles.first() {
            return Err(format!("{double:?} is there twice"));
        }
        let mut broken = Vec::new();
        for (key, row) in &found.rows {
            match self.given.get_mut(key) {
                None => return Err(format!("{key:?} was never given, or came back")),
                // Its dictionary frame went with the power: counted, and known to be unnamed.
                Some((index, given)) if after.is_power_loss() && unnamed(row, given) => {
                    *given = *row;
                    broken.extend((*index < self.durable).then_some((*key, *index)));
                }
                Some((_, given)) if *given != *row => return Err(format!("{key:?}: {row:?} for {given:?}")),
                Some(_) => {}
            }
        }
        let evicted = |key: &Key| {
            let before = found.before.get(&(key.0, key.1, key.2)).copied().unwrap_or(0);
            key.3 < before
                || found.epochs.first().is_none_or(|oldest| key.0 < *oldest)
                || found.ends_evicted.contains(&key.0)
        };
        let missing: Vec<Key> = self.given.keys().filter(|k| !found.rows.contains_key(*k)).copied().collect();
        let mut unplaced = BTreeMap::<(u64, u8), u64>::new();
        for key in missing {
            // An evicted segment may come back with a power loss; what was lost must not.
            if evicted(&key) || found.is_told_lost(key) {
                continue;
            }
            let (index, _) = self.given.remove(&key).unwrap_or_default();
            let promised = match after {
                After::Kill(_) => true,
                After::PowerLoss(_) => index < self.durable && !self.refused.contains(&key),
            };
            if promised {
                *unplaced.entry((key.0, key.2)).or_default() += 1;
                broken.push((key, index));
            }
        }
        let excused: u64 = unplaced
            .iter()
            .map(|((epoch, source), n)| found.lost_without_number(*epoch, *source).min(*n))
            .sum();
        let (After::Kill(more) | After::PowerLoss(more)) = after;
        let allowed = excused + more;
        if broken.len() as u64 > allowed {
            return Err(format!(
                "{} events are missing where {allowed} may be, first {:?}; durable before {}, given {}; damage {:?}",
                broken.len(),
                broken.first(),
                self.durable,
                self.count,
                found.damage
            ));
        }
        Ok(())
    }
}
