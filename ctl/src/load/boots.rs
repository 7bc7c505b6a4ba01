//! Boots that a ring spans. Boottime begins anew with each, so times of two boots cannot be compared as they are:
//! those of later boots are shifted to count on from the begin of the earliest. Within a boot all is placed by one
//! offset, so that a step of the wall clock reorders nothing.

use std::collections::{BTreeMap, HashMap};

use ingero_format::segment::{Anchor, Header};

use super::clock::Clock;

type BootId = [u8; 16];

/// Boots by what their segments' headers say.
#[derive(Debug, Default)]
pub(super) struct Boots {
    /// The newest anchor of each.
    anchors: BTreeMap<BootId, Anchor>,
    of_epoch: HashMap<u64, BootId>,
    newest: BootId,
}

impl Boots {
    /// Takes the clocks of a segment, which are plausible; segments come by rising number.
    pub fn learn(&mut self, header: &Header) {
        self.anchors.insert(header.boot_id, header.created);
        self.of_epoch.insert(header.epoch, header.boot_id);
        self.newest = header.boot_id;
    }

    /// What turns times of an epoch into such since the begin of the earliest boot. An epoch without a segment is
    /// taken for one of the newest boot.
    pub fn shift_ns(&self, epoch: u64) -> u64 {
        let boot = self.of_epoch.get(&epoch).unwrap_or(&self.newest);
        let begun = self.anchors.get(boot).map_or(0, begun_ns);
        u64::try_from(begun.saturating_sub(begun_ns(&self.earliest()))).unwrap_or(0)
    }

    /// Both clocks in the boot that began first.
    pub fn earliest(&self) -> Anchor {
        self.anchors.values().min_by_key(|anchor| begun_ns(anchor)).copied().unwrap_or_default()
    }
}

// Unix time at which boottime was 0; before 1970 on a host whose clock is not set.
fn begun_ns(anchor: &Anchor) -> i64 {
    Clock::at(anchor).offset_ns()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(boot: u8, epoch: u64, boot_ns: u64, real_ns: u64) -> Header {
        let created = Anchor { boot_ns, real_ns, uncertainty_ns: 0 };
        Header { boot_id: [boot; 16], epoch, created, ..Header::default() }
    }

    #[test]
    fn times_of_a_later_boot_are_shifted_by_how_much_later_it_began() {
        let mut boots = Boots::default();
        boots.learn(&header(1, 10, 500, 1_000_500));
        boots.learn(&header(2, 20, 30, 2_000_030));
        assert_eq!((boots.shift_ns(10), boots.shift_ns(20), boots.shift_ns(99)), (0, 1_000_000, 1_000_000));
        assert_eq!(boots.earliest().real_ns, 1_000_500);
    }

    #[test]
    fn a_wall_clock_that_was_set_back_between_boots_gives_no_times_before_zero() {
        let mut boots = Boots::default();
        boots.learn(&header(1, 10, 500, 9_000_500));
        boots.learn(&header(2, 20, 30, 2_000_030));
        assert_eq!((boots.shift_ns(10), boots.shift_ns(20)), (7_000_000, 0));
        assert_eq!(Boots::default().shift_ns(1), 0);
    }
}
