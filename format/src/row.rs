//! One event as a fixed row of 64 bytes.
//!
//! ```text
//!  0  end_ns u64      16 pid u32  20 tid u32   40 origin u64 (cpu << 48 | seq)
//!  8  dur_ns u64      24 arg0 u64  32 arg1 u64 48 op u16  50 flags u16  52 ret i32
//!                                              56 stack u32  60 check u32
//! ```
//! The first 60 bytes are those of the BPF record, so that the drain copies and never translates.
//! `check` is a CRC32C over the head slot's generation followed by them: a row left over from an earlier use
//! of the slot does not verify.
//!
//! Times are CLOCK_BOOTTIME nanoseconds. An event covers `[end_ns - dur_ns, end_ns)`.

use crate::bytes::crc32c;

/// Bytes of a row.
pub const ROW_BYTES: usize = 64;
const CHECKED_BYTES: usize = 60;
const SEQ_BITS: u32 = 48;

/// One decoded event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Row {
    /// End of the event, boottime ns.
    pub end_ns: u64,
    /// Duration, ns.
    pub dur_ns: u64,
    /// Process (thread group) id in the PID namespace of the recorder's `/proc`, as a rule the kernel's first.
    pub pid: u32,
    /// Thread id there.
    pub tid: u32,
    /// First value; [`crate::ops`] says for each operation of what, in which unit.
    pub arg0: u64,
    /// Second value, likewise.
    pub arg1: u64,
    /// CPU and sequence number: see [`Row::cpu`], [`Row::seq`].
    pub origin: u64,
    /// Operation number (see [`crate::ops::Op`]).
    pub op: u16,
    /// Bits of [`flags`].
    pub flags: u16,
    /// Return value of a call, or task state of an off-CPU interval ([`crate::ops::TaskState`]).
    pub ret: i32,
    /// Stack id, valid within the epoch; 0 for none.
    pub stack: u32,
}

/// Bits of [`Row::flags`]; the same numbers as in the BPF record.
pub mod flags {
    /// Had not ended when it was recorded; its duration is "so far".
    pub const OPEN: u16 = 1;
    /// Off-CPU: the thread was preempted.
    pub const PREEMPTED: u16 = 2;
    /// Off-CPU: no kernel stack was taken, the thread's last one being too recent.
    pub const STACK_SKIPPED: u16 = 4;
    /// Off-CPU: a kernel stack could not be stored.
    pub const STACK_LOST: u16 = 8;
    /// Off-CPU: a waker was seen.
    pub const WOKEN: u16 = 16;
    /// The call ran inside another recorded call of the same thread.
    pub const NESTED: u16 = 32;
    /// Off-CPU: the thread came back on another CPU than it had left.
    pub const MIGRATED: u16 = 64;
    /// Only the call's entry was recorded, to save time: `dur_ns` and `ret` are not known.
    pub const ENTRY_ONLY: u16 = 128;
}

impl Row {
    /// Start of the event, boottime ns.
    #[must_use]
    pub fn start_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.dur_ns)
    }

    /// CPU that numbered the event; [`META_CPU`] if user space made it.
    #[must_use]
    pub fn cpu(&self) -> u16 {
        (self.origin >> SEQ_BITS) as u16
    }

    /// Number of the event on its CPU, for its source.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.origin & ((1 << SEQ_BITS) - 1)
    }

    /// The row's bytes with a check for a head slot of `generation`.
    #[must_use]
    pub fn to_bytes(&self, generation: u64) -> [u8; ROW_BYTES] {
        let mut out = [0; ROW_BYTES];
        let fields: [&[u8]; 11] = [
            &self.end_ns.to_le_bytes(),
            &self.dur_ns.to_le_bytes(),
            &self.pid.to_le_bytes(),
            &self.tid.to_le_bytes(),
            &self.arg0.to_le_bytes(),
            &self.arg1.to_le_bytes(),
            &self.origin.to_le_bytes(),
            &self.op.to_le_bytes(),
            &self.flags.to_le_bytes(),
            &self.ret.to_le_bytes(),
            &self.stack.to_le_bytes(),
        ];
        for (to, from) in out.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        seal(&mut out, check_seed(generation));
        out
    }

    /// Reads a row without looking at its check: for bytes that a frame or record protects.
    #[must_use]
    #[inline]
    pub fn from_bytes(bytes: &[u8; ROW_BYTES]) -> Self {
        let mut words = [0; ROW_BYTES / 8];
        words.iter_mut().zip(bytes.as_chunks().0).for_each(|(to, from)| *to = u64::from_le_bytes(*from));
        let [end_ns, dur_ns, task, arg0, arg1, origin, kind, stack] = words;
        Self {
            end_ns,
            dur_ns,
            pid: task as u32,
            tid: (task >> 32) as u32,
            arg0,
            arg1,
            origin,
            op: kind as u16,
            flags: (kind >> 16) as u16,
            ret: ((kind >> 32) as u32).cast_signed(),
            stack: stack as u32,
        }
    }

    /// Reads a row of a head slot; `None` if it was not written in this `generation` or is torn.
    #[must_use]
    pub fn from_head(bytes: &[u8; ROW_BYTES], generation: u64) -> Option<Self> {
        let (body, tail) = bytes.split_last_chunk::<4>()?;
        (check(body, check_seed(generation)) == u32::from_le_bytes(*tail)).then(|| Self::from_bytes(bytes))
    }
}

/// CPU number of events that user space made.
pub const META_CPU: u16 = u16::MAX;

/// Composes [`Row::origin`]; of `seq` the lower 48 bits count.
#[must_use]
pub fn origin(cpu: u16, seq: u64) -> u64 {
    u64::from(cpu) << SEQ_BITS | (seq & ((1 << SEQ_BITS) - 1))
}

/// What the check of every row of one generation begins with.
#[must_use]
pub fn check_seed(generation: u64) -> u32 {
    crc32c(&[&generation.to_le_bytes()])
}

/// Writes the check of a row in place; `seed` is the generation's [`check_seed`].
#[inline]
pub fn seal(row: &mut [u8; ROW_BYTES], seed: u32) {
    if let Some((body, tail)) = row.split_last_chunk_mut::<4>() {
        *tail = check(body, seed).to_le_bytes();
    }
}

#[inline]
fn check(body: &[u8], seed: u32) -> u32 {
    debug_assert_eq!(body.len(), CHECKED_BYTES);
    crc32c::crc32c_append(seed, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn sample() -> Row {
        Row {
            end_ns: 0x0102_0304_0506_0708,
            dur_ns: 9,
            pid: 10,
            tid: 11,
            arg0: 12,
            arg1: 13,
            origin: origin(3, 77),
            op: 0x101,
            flags: flags::NESTED,
            ret: -5,
            stack: 14,
        }
    }

    #[test]
    fn a_row_reads_back_and_knows_its_cpu_and_number() {
        let row = sample();
        let bytes = row.to_bytes(42);
        assert_eq!(Row::from_head(&bytes, 42), Some(row));
        assert_eq!((row.cpu(), row.seq()), (3, 77));
        assert_eq!(bytes[..8], [8, 7, 6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn a_row_of_an_earlier_use_of_the_slot_or_with_any_flipped_bit_is_not_accepted() {
        let bytes = sample().to_bytes(42);
        assert_eq!(Row::from_head(&bytes, 43), None);
        for bit in 0..ROW_BYTES * 8 {
            let mut torn = bytes;
            torn[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Row::from_head(&torn, 42), None, "bit {bit}");
        }
        assert_eq!(Row::from_head(&[0; ROW_BYTES], 0), None);
    }
}
