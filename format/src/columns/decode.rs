//! Payload to rows.

use super::{
    Column, Encoding, MAX_BLOCK_BYTES, WHAT, check_row_count,
    numbers::{Durations, Numbers},
    per_cpu::{LastEnds, SeqForecast},
    split::Split,
    varint::Varints,
};
use crate::{
    FormatError, Reason, Row,
    bytes::{Reader, unzigzag},
    dictionary::{Call, Dictionaries, Entries, Kind, Second, Thread, Tuple},
    frame, row,
};

/// Rows that pass through all columns together: 16 KiB, so that they stay in the nearest cache.
const CHUNK_ROWS: usize = 256;

/// Rows of a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// All rows, in the order of the frame.
    pub rows: Vec<Row>,
    /// Rows whose thread or call the segment's dictionaries do not name: those fields are 0.
    pub unnamed: u64,
}

/// Reads the rows of an Events frame back: `tick_ns` is the segment's, `dictionaries` are those of the whole
/// segment.
///
/// # Errors
/// Any [`Reason`]: the payload is not trusted even if its checksum was right.
pub fn decode(
    frame: &frame::Header,
    payload: &[u8],
    tick_ns: u32,
    dictionaries: &Dictionaries,
) -> Result<Decoded, FormatError> {
    check_row_count(frame.n_events.into())?;
    let count = frame.n_events as usize;
    let mut r = Reader::new(WHAT, payload);
    let columns = r.u16()?;
    r.u16()?;
    let packed_len = r.u32()? as usize;
    let directory = Reader::new(WHAT, r.take(usize::from(columns) * 12)?);
    let block = unpack(r.take(packed_len)?, frame.raw_len)?;
    let mut columns = Columns::default();
    columns.find(directory, &block, r.rest(), count, dictionaries)?;
    let mut out = Decoded { rows: vec![Row::default(); count], unnamed: 0 };
    let mut clock = Clock::new(frame.first_ns, tick_ns);
    for rows in out.rows.chunks_mut(CHUNK_ROWS) {
        columns.fill(rows, &mut clock, &mut out.unnamed)?;
    }
    Ok(out)
}

fn unpack(packed: &[u8], raw_len: u32) -> Result<Vec<u8>, FormatError> {
    let capacity = raw_len as usize;
    if capacity > MAX_BLOCK_BYTES {
        let reason =
            Reason::Range { field: "block bytes", value: capacity as u64, allowed: "at most 16 MiB" };
        return Err(FormatError::new(WHAT, 0, reason));
    }
    frame::unpack(WHAT, packed, raw_len)
}

/// What carries over from one row to the next.
struct Clock {
    at_ns: u64,
    tick_ns: u64,
    expected: SeqForecast,
    last_ends: LastEnds,
}

impl Clock {
    fn new(first_ns: u64, tick_ns: u32) -> Self {
        let mut last_ends = LastEnds::default();
        last_ends.clear(first_ns);
        Self { at_ns: first_ns, tick_ns: tick_ns.into(), expected: SeqForecast::default(), last_ends }
    }
}

/// Where each column's values come from; a column that is missing is 0 in every row.
#[derive(Default)]
struct Columns<'a> {
    end: Option<Numbers<'a>>,
    duration: Option<Durations<'a>>,
    cpu: Option<Varints<'a>>,
    seq: Option<Varints<'a>>,
    thread: Option<Tuples<'a, Thread>>,
    kind: Option<Tuples<'a, Kind>>,
    call: Option<Tuples<'a, Call>>,
    arg0: Option<Numbers<'a>>,
    arg1: Option<Tuples<'a, Second>>,
}

impl<'a> Columns<'a> {
    fn find(
        &mut self,
        mut directory: Reader<'_>,
        block: &'a [u8],
        raw: &'a [u8],
        count: usize,
        shared: &'a Dictionaries,
    ) -> Result<(), FormatError> {
        let (mut block, mut raw) = (Reader::new(WHAT, block), Reader::new(WHAT, raw));
        let mut seen = 0u16;
        while !directory.rest().is_empty() {
            let (column, encoding) = (directory.u8()?, directory.u8()?);
            directory.u16()?;
            let block = block.take(directory.u32()? as usize)?;
            let raw = raw.take(directory.u32()? as usize)?;
            let known = Column::from_number(column).ok_or_else(|| unknown(column, encoding))?;
            let bit = 1 << column;
            if seen & bit != 0 {
                return Err(directory.range("column", column.into(), "each at most once"));
            }
            seen |= bit;
            self.place(known, encoding, block, raw, count, shared)?;
        }
        if self.call.is_some() && (self.kind.is_some() || self.arg0.is_some() || self.arg1.is_some()) {
            return Err(directory.range("columns", seen.into(), "7, or 6, 8 and 9"));
        }
        Ok(())
    }

    fn place(
        &mut self,
        column: Column,
        encoding: u8,
        block: &'a [u8],
        raw: &'a [u8],
        count: usize,
        shared: &'a Dictionaries,
    ) -> Result<(), FormatError> {
        const VARINT: u8 = Encoding::Varint as u8;
        const SPLIT: u8 = Encoding::Split as u8;
        const OWN: u8 = Encoding::Dictionary as u8;
        const SEGMENT: u8 = Encoding::Segment as u8;
        const CHAINED: u8 = Encoding::Chained as u8;
        const CENTRED: u8 = Encoding::Centred as u8;
        let split = || Numbers::split(block, raw, count);
        let centred = || Numbers::centred(block, raw, count);
        match (column, encoding) {
            (Column::End, SPLIT) => self.end = Some(split()?),
            (Column::End, CENTRED) => self.end = Some(centred()?),
            (Column::Duration, SPLIT) => self.duration = Some(Durations::Numbers(split()?)),
            (Column::Duration, CENTRED) => self.duration = Some(Durations::Numbers(centred()?)),
            (Column::Duration, CHAINED) => {
                self.duration = Some(Durations::Chained(Split::new(block, raw, count)?));
            }
            (Column::Cpu, VARINT) => self.cpu = Some(Varints::new("cpu column", block)),
            (Column::Seq, VARINT) => self.seq = Some(Varints::new("sequence column", block)),
            (Column::Thread, OWN) => self.thread = Some(Tuples::own(block, count)?),
            (Column::Thread, SEGMENT) => self.thread = Some(Tuples::shared(block, &shared.threads)),
            (Column::Kind, OWN) => self.kind = Some(Tuples::own(block, count)?),
            (Column::Call, OWN) => self.call = Some(Tuples::own(block, count)?),
            (Column::Call, SEGMENT) => self.call = Some(Tuples::shared(block, &shared.calls)),
            (Column::Arg0, SPLIT) => self.arg0 = Some(split()?),
            (Column::Arg0, CENTRED) => self.arg0 = Some(centred()?),
            (Column::Arg1, OWN) => self.arg1 = Some(Tuples::own(block, count)?),
            (column, encoding) => return Err(unknown(column as u8, encoding)),
        }
        Ok(())
    }

    fn fill(&mut self, rows: &mut [Row], clock: &mut Clock, unnamed: &mut u64) -> Result<(), FormatError> {
        let tick_ns = clock.tick_ns;
        match &mut self.end {
            Some(end) => end.fill(rows, |row, step| {
                clock.at_ns = clock.at_ns.wrapping_add(step.wrapping_mul(tick_ns));
                row.end_ns = clock.at_ns;
            })?,
            None => rows.iter_mut().for_each(|row| row.end_ns = clock.at_ns),
        }
        self.fill_origin(rows, &mut clock.expected)?;
        if let Some(durations) = &mut self.duration {
            durations.fill(rows, tick_ns, &mut clock.last_ends)?;
        }
        let mut unknown = Unknown::default();
        if let Some(thread) = &mut self.thread {
            thread.fill(rows, &mut unknown)?;
        }
        if let Some(kind) = &mut self.kind {
            kind.fill(rows, &mut unknown)?;
        }
        if let Some(call) = &mut self.call {
            call.fill(rows, &mut unknown)?;
        }
        if let Some(arg0) = &mut self.arg0 {
            arg0.fill(rows, |row, value| row.arg0 = value)?;
        }
        if let Some(arg1) = &mut self.arg1 {
            arg1.fill(rows, &mut unknown)?;
        }
        *unnamed += unknown.count();
        Ok(())
    }

    fn fill_origin(&mut self, rows: &mut [Row], expected: &mut SeqForecast) -> Result<(), FormatError> {
        for row in rows {
            let cpu = match &mut self.cpu {
                Some(cpus) => {
                    let cpu = cpus.next()?;
                    u16::try_from(cpu).map_err(|_| cpus.range("cpu", cpu, "0 to 65535"))?
                }
                None => 0,
            };
            let surprise = self.seq.as_mut().map_or(Ok(0), Varints::next)?;
            row.origin = row::origin(cpu, expected.resolve(cpu, unzigzag(surprise)));
        }
        Ok(())
    }
}

fn unknown(column: u8, encoding: u8) -> FormatError {
    let reason = Reason::Incompatible(format!("column {column} in encoding {encoding}"));
    FormatError::new(WHAT, 0, reason)
}

/// Rows of a chunk that something is unknown of.
#[derive(Default)]
struct Unknown([u64; CHUNK_ROWS / 64]);

impl Unknown {
    #[cold]
    fn note(&mut self, row: usize) {
        if let Some(word) = self.0.get_mut(row / 64) {
            *word |= 1 << (row % 64);
        }
    }

    fn count(&self) -> u64 {
        self.0.iter().map(|w| u64::from(w.count_ones())).sum()
    }
}

/// Tuples of a column, one after the other.
struct Tuples<'a, T> {
    entries: Source<'a, T>,
    ids: Varints<'a>,
}

enum Source<'a, T> {
    /// All there are; another index is wrong.
    Own(Vec<T>),
    /// Some may be lost; another id is an unknown one.
    Segment(&'a Entries<T>),
}

impl<'a, T: Tuple> Tuples<'a, T> {
    fn shared(block: &'a [u8], entries: &'a Entries<T>) -> Self {
        Self { entries: Source::Segment(entries), ids: Varints::new("segment dictionary column", block) }
    }

    fn own(block: &'a [u8], rows: usize) -> Result<Self, FormatError> {
        let mut r = Reader::new("dictionary column", block);
        let count = r.varint()?;
        if count > rows as u64 {
            return Err(r.range("dictionary entries", count, "at most one per row"));
        }
        let mut tuples = Vec::with_capacity(count as usize);
        for _ in 0..count {
            tuples.push(T::read(&mut r)?);
        }
        Ok(Self { entries: Source::Own(tuples), ids: Varints::new("dictionary column", r.rest()) })
    }

    fn fill(&mut self, rows: &mut [Row], unknown: &mut Unknown) -> Result<(), FormatError> {
        match &self.entries {
            Source::Own(tuples) => {
                for row in rows {
                    let id = self.ids.next()?;
                    let tuple = usize::try_from(id).ok().and_then(|i| tuples.get(i));
                    tuple
                        .ok_or_else(|| self.ids.range("dictionary index", id, "below the entry count"))?
                        .set(row);
                }
            }
            Source::Segment(entries) => {
                for (i, row) in rows.iter_mut().enumerate() {
                    match entries.get(self.ids.next()?) {
                        Some(tuple) => tuple.set(row),
                        None => unknown.note(i),
                    }
                }
            }
        }
        Ok(())
    }
}
