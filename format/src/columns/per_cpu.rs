//! What a column's values are told from: the row before on the same CPU.

/// A number for each CPU.
#[derive(Clone, Debug, Default)]
struct PerCpu {
    values: Vec<u64>,
    initial: u64,
}

impl PerCpu {
    fn clear(&mut self, initial: u64) {
        self.values.clear();
        self.initial = initial;
    }

    #[inline]
    fn of(&mut self, cpu: u16) -> &mut u64 {
        // The recorder's own rows have the highest number there is: they come first, or each of their frames
        // would need a place for all.
        let place = usize::from(cpu.wrapping_add(1));
        if self.values.len() <= place {
            self.values.resize(place + 1, self.initial);
        }
        #[expect(clippy::indexing_slicing, reason = "resized above")]
        &mut self.values[place]
    }
}

/// Next sequence number expected on each CPU: one more than the last, 0 at first.
#[derive(Clone, Debug, Default)]
pub(super) struct SeqForecast(PerCpu);

impl SeqForecast {
    pub(super) fn clear(&mut self) {
        self.0.clear(0);
    }

    /// How far `seq` is from what was expected.
    #[inline]
    pub(super) fn surprise(&mut self, cpu: u16, seq: u64) -> i64 {
        let next = self.0.of(cpu);
        let surprise = seq.wrapping_sub(*next).cast_signed();
        *next = seq.wrapping_add(1);
        surprise
    }

    /// The number that lies as far from what was expected.
    #[inline]
    pub(super) fn resolve(&mut self, cpu: u16, surprise: i64) -> u64 {
        let next = self.0.of(cpu);
        let seq = next.wrapping_add(surprise.cast_unsigned());
        *next = seq.wrapping_add(1);
        seq
    }
}

/// End of the last row on each CPU; at first a given time for all.
#[derive(Clone, Debug, Default)]
pub(super) struct LastEnds(PerCpu);

impl LastEnds {
    pub(super) fn clear(&mut self, first: u64) {
        self.0.clear(first);
    }

    /// The last end on this CPU; `end` is the next.
    #[inline]
    pub(super) fn replace(&mut self, cpu: u16, end: u64) -> u64 {
        std::mem::replace(self.0.of(cpu), end)
    }
}
