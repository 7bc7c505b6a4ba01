//! Sequence numbers as distances from what was expected.

/// Next sequence number expected on each CPU: one more than the last, 0 at first.
#[derive(Clone, Debug, Default)]
pub(super) struct SeqForecast(Vec<u64>);

impl SeqForecast {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    #[inline]
    fn next(&mut self, cpu: u16) -> &mut u64 {
        // The recorder's own rows have the highest number there is: they come first, or each of their frames
        // would need a place for all.
        let place = usize::from(cpu.wrapping_add(1));
        if self.0.len() <= place {
            self.0.resize(place + 1, 0);
        }
        #[expect(clippy::indexing_slicing, reason = "resized above")]
        &mut self.0[place]
    }

    /// How far `seq` is from what was expected.
    #[inline]
    pub(super) fn surprise(&mut self, cpu: u16, seq: u64) -> i64 {
        let next = self.next(cpu);
        let surprise = seq.wrapping_sub(*next).cast_signed();
        *next = seq.wrapping_add(1);
        surprise
    }

    /// The number that lies as far from what was expected.
    #[inline]
    pub(super) fn resolve(&mut self, cpu: u16, surprise: i64) -> u64 {
        let next = self.next(cpu);
        let seq = next.wrapping_add(surprise.cast_unsigned());
        *next = seq.wrapping_add(1);
        seq
    }
}
