//! Rows to payload.

use super::{
    Column, Encoding, check_row_count,
    choose::{self, Numbers},
    pack::Packer,
    per_cpu::{LastEnds, SeqForecast},
    split,
};
use crate::{
    FormatError, Row,
    bytes::{put_varint, zigzag},
    dictionary::{Additions, Call, Interner, Kind, Ledger, Second, Thread, Tuple},
};

/// With more different calls than one for so many rows, arguments get columns of their own.
const ROWS_PER_CALL: usize = 4;
/// Places that rows may be moved by, on average, before sorting is cheaper.
const MOVES_PER_ROW: usize = 2;

/// A zstd context, and everything else that one frame after the other is made with.
pub struct Compressor {
    packer: Packer,
    scratch: Scratch,
}

/// Buffers that keep their room from frame to frame.
#[derive(Default)]
struct Scratch {
    threads: Interner<Thread>,
    calls: Interner<Call>,
    kinds: Interner<Kind>,
    seconds: Interner<Second>,
    /// For each row, the frame's own index of its tuple.
    indexes: Vec<u32>,
    /// For each of the frame's own indexes, the id in the segment.
    ids: Vec<u32>,
    expected: SeqForecast,
    last_ends: LastEnds,
    parts: Parts,
    packed: Vec<u8>,
    payload: Vec<u8>,
    additions: Additions,
    packed_additions: Vec<u8>,
}

/// Column directory, block parts and raw parts so far.
#[derive(Default)]
struct Parts {
    columns: u16,
    directory: Vec<u8>,
    block: Vec<u8>,
    raw: Vec<u8>,
    /// Where each column ends in `block`.
    ends: Vec<usize>,
    /// Where the column being written began in `block` and `raw`.
    from: (usize, usize),
}

/// What [`encode`] made. It lies in the [`Compressor`] until the next frame.
#[derive(Debug)]
pub struct Encoded<'c> {
    /// The payload.
    pub payload: &'c [u8],
    /// Size of the zstd block when unpacked, bytes.
    pub raw_len: u32,
    /// First and last end time, boottime ns.
    pub span: (u64, u64),
    /// True if a column names entries of the segment's dictionaries.
    pub shared: bool,
    /// Entries that the segment's dictionaries must have before the frame.
    pub additions: &'c Additions,
    /// Payload of the Dictionary frame that brings them; empty if there are none.
    pub dictionary: &'c [u8],
}

impl Compressor {
    /// A new context.
    ///
    /// # Errors
    /// [`crate::Reason::Compression`] if zstd cannot be set up.
    pub fn new() -> Result<Self, FormatError> {
        Ok(Self { packer: Packer::new()?, scratch: Scratch::default() })
    }
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compressor")
    }
}

/// Turns rows into a payload; rounds the times of `rows` to ticks and sorts them by (end, origin). With a
/// `ledger`, threads and calls are named by the segment's dictionaries as far as those have room; it is not
/// changed.
///
/// # Errors
/// [`crate::Reason::Range`] for no rows or more than [`super::MAX_ROWS`]; [`crate::Reason::Compression`] if zstd
/// fails.
pub fn encode<'c>(
    rows: &mut [Row],
    tick_ns: u32,
    ledger: Option<&Ledger>,
    compressor: &'c mut Compressor,
) -> Result<Encoded<'c>, FormatError> {
    check_row_count(rows.len() as u64)?;
    let tick = u64::from(tick_ns.max(1));
    round(rows, tick);
    sort(rows);
    let span = (rows.first().map_or(0, |r| r.end_ns), rows.last().map_or(0, |r| r.end_ns));

    let Scratch { parts, expected, last_ends, additions, .. } = &mut compressor.scratch;
    parts.clear();
    additions.clear();
    let sample = choose::sample(rows);
    let (way, _) = choose::numbers(steps(sample, sample.first().map_or(0, |r| r.end_ns), tick));
    parts.numbers(Column::End, steps(rows, span.0, tick), way);
    parts.durations(rows, sample, tick, last_ends);
    parts.small_varints(rows.iter().map(|r| u64::from(r.cpu())));
    parts.end(Column::Cpu, Encoding::Varint);
    expected.clear();
    parts.varints(Column::Seq, rows.iter().map(|r| zigzag(expected.surprise(r.cpu(), r.seq()))));
    let shared = compressor.scratch.threads(rows, ledger) | compressor.scratch.calls(rows, ledger);

    let raw_len = compressor.scratch.parts.block.len() as u32;
    let Compressor { packer, scratch, .. } = compressor;
    let Scratch { parts, packed, payload, additions, packed_additions, .. } = scratch;
    packer.pack(&parts.block, &parts.ends, packed)?;
    parts.assemble(packed, payload);
    packed_additions.clear();
    if !additions.raw().is_empty() {
        packer.pack(additions.raw(), &[], packed_additions)?;
    }
    Ok(Encoded { payload, raw_len, span, shared, additions, dictionary: packed_additions })
}

fn round(rows: &mut [Row], tick: u64) {
    if tick > 1 {
        for row in rows {
            row.end_ns -= row.end_ns % tick;
            row.dur_ns -= row.dur_ns % tick;
        }
    }
}

// Rows come nearly in order: those that are late go back a few places. Only where that would move too many
// is it worth sorting, which moves all.
fn sort(rows: &mut [Row]) {
    let key = |r: &Row| (r.end_ns, r.origin);
    let mut moves = rows.len() * MOVES_PER_ROW;
    for i in 1..rows.len() {
        let Some((late, before)) = rows.get(..=i).and_then(|r| r.split_last()) else { return };
        let late = key(late);
        let back = before.iter().rev().take(moves + 1).take_while(|r| key(r) > late).count();
        if back == 0 {
            continue;
        }
        if back > moves {
            return rows.sort_by_key(key);
        }
        moves -= back;
        if let Some(span) = rows.get_mut(i - back..=i) {
            span.rotate_right(1);
        }
    }
}

fn steps(rows: &[Row], first: u64, tick: u64) -> impl Iterator<Item = u64> {
    let mut previous = first;
    rows.iter().map(move |r| {
        let step = r.end_ns - previous;
        previous = r.end_ns;
        if tick == 1 { step } else { step / tick }
    })
}

// For each row, how far from the end of the row before on its CPU it starts, in ticks.
pub(super) fn distances(
    rows: &[Row],
    tick: u64,
    last_ends: &mut LastEnds,
) -> impl ExactSizeIterator<Item = u64> {
    last_ends.clear(rows.first().map_or(0, |r| r.end_ns / tick));
    rows.iter().map(move |r| {
        let end = r.end_ns / tick;
        let start = end.wrapping_sub(r.dur_ns / tick);
        zigzag(start.wrapping_sub(last_ends.replace(r.cpu(), end)).cast_signed())
    })
}

impl Scratch {
    // True if the column names the segment's entries.
    fn threads(&mut self, rows: &[Row], ledger: Option<&Ledger>) -> bool {
        let Self { threads, indexes, ids, parts, additions, .. } = self;
        index(threads, indexes, rows, rows.len());
        let shared = ledger.is_some_and(|l| additions.threads(l, threads.tuples(), ids));
        parts.tuples(Column::Thread, threads, indexes, shared.then_some(ids));
        shared
    }

    fn calls(&mut self, rows: &[Row], ledger: Option<&Ledger>) -> bool {
        let sample = choose::sample(rows);
        let first = choose::numbers(sample.iter().map(|r| r.arg0));
        if !index(&mut self.calls, &mut self.indexes, rows, rows.len() / ROWS_PER_CALL)
            || self.apart(sample, first.1)
        {
            self.split_calls(rows, first.0);
            return false;
        }
        let Self { calls, indexes, ids, parts, additions, .. } = self;
        let shared = ledger.is_some_and(|l| additions.calls(l, calls.tuples(), ids));
        parts.tuples(Column::Call, calls, indexes, shared.then_some(ids));
        shared
    }

    // True if first arguments are noise that takes fewer bits in a column of its own, where nothing repeats.
    fn apart(&mut self, sample: &[Row], first: u64) -> bool {
        let Self { calls, kinds, seconds, indexes, ids, .. } = self;
        choose::apart(choose::sample(indexes), calls.len(), first, || {
            index(kinds, ids, sample, sample.len());
            let kind = choose::id_bits(ids, kinds.len());
            index(seconds, ids, sample, sample.len());
            kind + choose::id_bits(ids, seconds.len())
        })
    }

    fn split_calls(&mut self, rows: &[Row], first: Numbers) {
        let Self { kinds, seconds, indexes, parts, .. } = self;
        index(kinds, indexes, rows, rows.len());
        parts.tuples(Column::Kind, kinds, indexes, None);
        parts.numbers(Column::Arg0, rows.iter().map(|r| r.arg0), first);
        index(seconds, indexes, rows, rows.len());
        parts.tuples(Column::Arg1, seconds, indexes, None);
    }
}

// Numbers the tuples of all rows in order of first use; false as soon as there are more than `most`.
fn index<T: Tuple>(interner: &mut Interner<T>, indexes: &mut Vec<u32>, rows: &[Row], most: usize) -> bool {
    interner.clear();
    indexes.clear();
    indexes.reserve(rows.len());
    let most = most as u32;
    for row in rows {
        let id = interner.id(T::of(row));
        if id >= most {
            return false;
        }
        indexes.push(id);
    }
    true
}

impl Parts {
    fn clear(&mut self) {
        self.columns = 0;
        self.directory.clear();
        self.block.clear();
        self.raw.clear();
        self.ends.clear();
        self.from = (0, 0);
    }

    fn numbers(&mut self, column: Column, values: impl Iterator<Item = u64>, way: Numbers) {
        match way {
            Numbers::Plain => {
                split::encode(values, &mut self.block, &mut self.raw);
                self.end(column, Encoding::Split);
            }
            Numbers::Around(centre) => {
                put_varint(&mut self.block, centre);
                let distance = |v: u64| zigzag(v.wrapping_sub(centre).cast_signed());
                split::encode(values.map(distance), &mut self.block, &mut self.raw);
                self.end(column, Encoding::Centred);
            }
        }
    }

    fn durations(&mut self, rows: &[Row], sample: &[Row], tick: u64, last_ends: &mut LastEnds) {
        let ticks = |r: &Row| r.dur_ns / tick;
        let (way, bits) = choose::numbers(sample.iter().map(ticks));
        if choose::chained(distances(sample, tick, last_ends), bits) {
            split::encode(distances(rows, tick, last_ends), &mut self.block, &mut self.raw);
            return self.end(Column::Duration, Encoding::Chained);
        }
        self.numbers(Column::Duration, rows.iter().map(ticks), way);
    }

    fn varints(&mut self, column: Column, values: impl Iterator<Item = u64>) {
        self.block.reserve(values.size_hint().0 * 2);
        values.for_each(|v| put_varint(&mut self.block, v));
        self.end(column, Encoding::Varint);
    }

    // For values that are nearly always below 128: all as one byte each, and only if one was not, once more.
    fn small_varints(&mut self, values: impl Iterator<Item = u64> + Clone) {
        let from = self.block.len();
        let mut all = 0;
        self.block.extend(values.clone().map(|v| {
            all |= v;
            v as u8
        }));
        if all >= 0x80 {
            self.block.truncate(from);
            self.block.reserve(values.size_hint().0 * 2);
            values.for_each(|v| put_varint(&mut self.block, v));
        }
    }

    // The frame's own dictionary and indexes into it, or the segment's ids.
    fn tuples<T: Tuple>(
        &mut self,
        column: Column,
        own: &Interner<T>,
        indexes: &[u32],
        ids: Option<&mut Vec<u32>>,
    ) {
        if let Some(ids) = ids {
            let id = |i: &u32| ids.get(*i as usize).copied().unwrap_or_default().into();
            self.small_varints(indexes.iter().map(id));
            self.end(column, Encoding::Segment);
        } else {
            put_varint(&mut self.block, own.len() as u64);
            own.tuples().iter().for_each(|t| t.write(&mut self.block));
            self.small_varints(indexes.iter().map(|i| u64::from(*i)));
            self.end(column, Encoding::Dictionary);
        }
    }

    // Everything since the last column's end belongs to this one.
    fn end(&mut self, column: Column, encoding: Encoding) {
        let (block, raw) = (self.block.len(), self.raw.len());
        self.columns += 1;
        self.directory.extend([column as u8, encoding as u8, 0, 0]);
        self.directory.extend(((block - self.from.0) as u32).to_le_bytes());
        self.directory.extend(((raw - self.from.1) as u32).to_le_bytes());
        self.ends.push(block);
        self.from = (block, raw);
    }

    fn assemble(&self, packed: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.extend(self.columns.to_le_bytes());
        out.extend([0, 0]);
        out.extend((packed.len() as u32).to_le_bytes());
        for part in [&self.directory, packed, &self.raw] {
            out.extend_from_slice(part);
        }
    }
}
