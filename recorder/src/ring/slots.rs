//! Who may use which head slot.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use crate::lock::lock;

#[derive(Debug, Default)]
struct Queues {
    free: VecDeque<usize>,
    /// Being written, or waiting to be sealed.
    in_use: Vec<usize>,
    /// In a frame, the frame perhaps not yet on stable storage; oldest first.
    sealed: VecDeque<(u64, usize)>,
    /// Rises with every sealed slot.
    ticket: u64,
    /// Slots reused although their frame was not known to be durable.
    reused_early: u64,
}

/// Slots on their way: free, in use, being sealed, sealed. A slot is reused when its frame is durable; if
/// none is, the one sealed longest ago is taken, since the drain must not wait for the disk.
#[derive(Clone, Debug)]
pub struct SlotPool(Arc<Mutex<Queues>>);

impl SlotPool {
    /// All slots free.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self(Arc::new(Mutex::new(Queues { free: (0..slots).collect(), ..Queues::default() })))
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        lock(&self.0)
    }

    /// A slot to write into, if `leave` others remain to be had.
    #[must_use]
    pub fn acquire(&self, leave: usize) -> Option<usize> {
        let mut queues = self.queues();
        if queues.free.len() + queues.sealed.len() <= leave {
            return None;
        }
        let slot = queues.free.pop_front().or_else(|| {
            let (_, slot) = queues.sealed.pop_front()?;
            queues.reused_early += 1;
            Some(slot)
        });
        queues.in_use.extend(slot);
        slot
    }

    /// True if a slot is to be had and `leave` others remain.
    #[must_use]
    pub fn available(&self, leave: usize) -> bool {
        let queues = self.queues();
        queues.free.len() + queues.sealed.len() > leave
    }

    /// How often a slot was reused before its frame was known to be durable: each time, one frame more than
    /// the sync interval could be lost with the power.
    #[must_use]
    pub fn reused_early(&self) -> u64 {
        self.queues().reused_early
    }

    /// That it happened, in a sentence; `None` if it never did.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let times = self.reused_early();
        (times > 0).then(|| {
            format!(
                "the head had to reuse a slot {times} times before its rows were known to be on the disk; a power loss at such a \
                 moment loses more than [ring] sync_interval, one frame for each"
            )
        })
    }

    /// Numbers of the slots whose rows are in no frame yet.
    #[must_use]
    pub fn in_use(&self) -> Vec<usize> {
        self.queues().in_use.clone()
    }

    /// The slot's rows are in a frame.
    pub fn sealed(&self, slot: usize) {
        let mut queues = self.queues();
        queues.in_use.retain(|used| *used != slot);
        queues.ticket += 1;
        let ticket = queues.ticket;
        queues.sealed.push_back((ticket, slot));
    }

    /// Stands for all slots sealed so far: to be given to [`SlotPool::durable`] after a sync.
    #[must_use]
    pub fn ticket(&self) -> u64 {
        self.queues().ticket
    }

    /// Slots sealed up to `ticket` are on stable storage.
    pub fn durable(&self, ticket: u64) {
        let mut queues = self.queues();
        while let Some((of, slot)) = queues.sealed.front().copied()
            && of <= ticket
        {
            queues.sealed.pop_front();
            queues.free.push_back(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_sealed_longest_ago_is_reused_when_nothing_is_durable() {
        let pool = SlotPool::new(2);
        assert_eq!(pool.warning(), None);
        let (a, b) = (pool.acquire(0).unwrap(), pool.acquire(0).unwrap());
        assert_eq!(pool.acquire(0), None);
        pool.sealed(b);
        pool.sealed(a);
        assert_eq!(pool.acquire(2), None, "two are to be left for others");
        assert_eq!(pool.acquire(1), Some(b));
        assert_eq!(pool.reused_early(), 1);
        assert!(pool.warning().is_some_and(|told| told.contains("reuse a slot 1 times")));
        assert_eq!(pool.in_use(), [b]);
        pool.durable(pool.ticket());
        assert_eq!(pool.acquire(0), Some(a));
    }
}
