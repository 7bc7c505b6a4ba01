//! Stacks and texts that come in parts: META rows have room for 16 bytes each.

use std::collections::{BTreeMap, HashMap};

use ingero_format::Row;

/// As many parts as the longest text has, of an annotation; one with more is damage.
const MAX_PARTS: u16 = 1024;

/// Parts by epoch and id. Of an id nothing is known unless all its parts are there and agree: that there are as many,
/// and what each says. They may be written again.
#[derive(Debug, Default)]
pub(super) struct Parts(HashMap<(u64, u32), Id>);

#[derive(Debug)]
struct Id {
    count: u16,
    parts: BTreeMap<u16, [u64; 2]>,
    disputed: bool,
}

impl Parts {
    /// Takes a part.
    pub fn add(&mut self, epoch: u64, row: &Row) {
        let new = || Id { count: row.flags, parts: BTreeMap::new(), disputed: false };
        let id = self.0.entry((epoch, row.stack)).or_insert_with(new);
        let place = u16::try_from(row.ret).ok().filter(|place| *place < row.flags && row.flags == id.count);
        let Some(place) = place else {
            id.disputed = true;
            return;
        };
        let values = [row.arg0, row.arg1];
        if place < MAX_PARTS && *id.parts.entry(place).or_insert(values) != values {
            id.disputed = true;
        }
    }

    /// The values of all parts in order.
    pub fn whole(&self, epoch: u64, id: u32) -> Option<Vec<u64>> {
        let id =
            self.0.get(&(epoch, id)).filter(|id| !id.disputed && id.parts.len() == usize::from(id.count))?;
        Some(id.parts.values().flatten().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(ret: i32, flags: u16, arg0: u64) -> Row {
        Row { stack: 7, ret, flags, arg0, arg1: arg0 + 1, ..Row::default() }
    }

    fn whole(rows: &[Row]) -> Option<Vec<u64>> {
        let mut parts = Parts::default();
        rows.iter().for_each(|row| parts.add(1, row));
        parts.whole(1, 7)
    }

    // Parts that contradicted each other were once put together all the same: the last one counted.
    #[test]
    fn parts_that_disagree_or_are_not_all_there_tell_nothing() {
        assert_eq!(whole(&[part(1, 2, 30), part(0, 2, 10), part(1, 2, 30)]), Some(vec![10, 11, 30, 31]));
        let [first, second] = [part(0, 2, 10), part(1, 2, 30)];
        for wrong in [part(1, 2, 99), part(2, 2, 50), part(0, 3, 10), part(-1, 2, 0), part(0, 0, 0)] {
            assert_eq!(whole(&[first, second, wrong]), None, "{wrong:?}");
            assert_eq!(whole(&[wrong, first, second]), None, "{wrong:?}");
        }
        assert_eq!((whole(&[first]), whole(&[])), (None, None));
        let long: Vec<Row> = (0..1025).map(|i| part(i, 1025, 1)).collect();
        assert_eq!(whole(&long), None, "longer than anything real");
        let longest: Vec<Row> = (0..1024).map(|i| part(i, 1024, 1)).collect();
        assert_eq!(whole(&longest).map(|words| words.len()), Some(2048));
    }
}
