//! Rows as columns, most of them compressed, the noise of time stamps kept apart.
//!
//! A frame's payload is a column directory, one zstd block, and one raw area:
//!
//! ```text
//! u16 columns | u16 0 | u32 zstd bytes | per column: u8 id, u8 encoding, u16 0, u32 block bytes, u32 raw bytes
//! zstd block (all columns' block parts, one after the other) | raw area (all columns' raw parts)
//! ```
//! Encodings:
//! * *varint* – one LEB128 number per row.
//! * *split* – a class byte per row in the block (the number's bit length, and its two bits below the
//!   leading one), the remaining low bits packed in the raw area. A compressor gains nothing on the low
//!   bits of a duration and pays for trying.
//! * *dictionary* – distinct tuples in order of first use, then one index per row.
//!
//! Rows are put in order of their end, so that end times are small non-negative steps.

mod dictionary;
mod split;

use crate::{
    FormatError, Reason, Row,
    bytes::{Reader, put_varint, unzigzag, zigzag},
    row,
};

/// Most rows one frame may hold.
pub const MAX_ROWS: usize = 1 << 16;
/// Most bytes the zstd block of one frame may unpack to.
pub const MAX_BLOCK_BYTES: usize = 16 << 20;
/// Above this share of distinct descriptors, arguments get columns of their own.
const SPLIT_ARGUMENTS_ABOVE: f64 = 0.25;

const WHAT: &str = "frame payload";

/// Column identities. Numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Column {
    /// Step from the previous row's end (the first: from the frame's first time), *split*.
    End = 1,
    /// Duration, *split*.
    Duration = 2,
    /// CPU, *varint*.
    Cpu = 3,
    /// Zigzag distance from the number expected on that CPU, *varint*.
    Seq = 4,
    /// (pid, tid), *dictionary*.
    Thread = 5,
    /// (op, flags, ret, stack), *dictionary*.
    Kind = 6,
    /// (op, flags, ret, stack, arg0, arg1), *dictionary*; replaces Kind, Arg0 and Arg1.
    Call = 7,
    /// First value, *split*.
    Arg0 = 8,
    /// Second value, one-tuple *dictionary*.
    Arg1 = 9,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Encoding {
    Varint = 1,
    Split = 2,
    Dictionary = 3,
}

struct Part {
    column: Column,
    encoding: Encoding,
    block: Vec<u8>,
    raw: Vec<u8>,
}

/// What [`encode`] made.
#[derive(Debug)]
pub struct Encoded {
    /// The payload.
    pub payload: Vec<u8>,
    /// Size of the zstd block when unpacked.
    pub raw_len: u32,
    /// First and last end time, boottime ns.
    pub span: (u64, u64),
}

/// Turns rows into a payload; sorts `rows` by (end, origin).
///
/// # Errors
/// [`Reason::Range`] for no rows or more than [`MAX_ROWS`]; [`Reason::Compression`] if zstd fails.
pub fn encode(rows: &mut [Row], compressor: &mut Compressor) -> Result<Encoded, FormatError> {
    let (Some(_), true) = (rows.first(), rows.len() <= MAX_ROWS) else {
        return Err(FormatError::new(WHAT, 0, row_count(rows.len() as u64)));
    };
    // Rows come nearly in order: a stable sort takes the runs as they are.
    rows.sort_by_key(|r| (r.end_ns, r.origin));
    let first = rows.first().map_or(0, |r| r.end_ns);
    let last = rows.last().map_or(0, |r| r.end_ns);

    let mut parts = vec![
        split(Column::End, steps(rows, first)),
        split(Column::Duration, rows.iter().map(|r| r.dur_ns)),
        varint(Column::Cpu, rows.iter().map(|r| u64::from(r.cpu()))),
        varint(Column::Seq, seq_surprises(rows)),
        dictionary(Column::Thread, rows.iter().map(|r| [u64::from(r.pid), u64::from(r.tid)])).0,
    ];
    let (call, distinct) = dictionary(
        Column::Call,
        rows.iter().map(|r| {
            let [op, flags, ret, stack] = kind(r);
            [op, flags, ret, stack, r.arg0, r.arg1]
        }),
    );
    if distinct as f64 > rows.len() as f64 * SPLIT_ARGUMENTS_ABOVE {
        parts.push(dictionary(Column::Kind, rows.iter().map(kind)).0);
        parts.push(split(Column::Arg0, rows.iter().map(|r| r.arg0)));
        parts.push(dictionary(Column::Arg1, rows.iter().map(|r| [r.arg1])).0);
    } else {
        parts.push(call);
    }
    let (payload, raw_len) = assemble(&parts, compressor)?;
    Ok(Encoded { payload, raw_len, span: (first, last) })
}

fn row_count(value: u64) -> Reason {
    Reason::Range { field: "row count", value, allowed: "1 to 65536" }
}

fn kind(r: &Row) -> [u64; 4] {
    [u64::from(r.op), u64::from(r.flags), u64::from(r.ret.cast_unsigned()), u64::from(r.stack)]
}

fn steps(rows: &[Row], first: u64) -> impl Iterator<Item = u64> {
    rows.iter().scan(first, |previous, r| {
        let step = r.end_ns - *previous;
        *previous = r.end_ns;
        Some(step)
    })
}

fn seq_surprises(rows: &[Row]) -> impl Iterator<Item = u64> {
    let mut expected = SeqForecast::default();
    rows.iter().map(move |r| zigzag(expected.surprise(r.cpu(), r.seq())))
}

/// Next sequence number expected on each CPU: one more than the last, 0 at first.
#[derive(Default)]
struct SeqForecast(Vec<u64>);

impl SeqForecast {
    fn next(&mut self, cpu: u16) -> &mut u64 {
        let cpu = usize::from(cpu);
        if self.0.len() <= cpu {
            self.0.resize(cpu + 1, 0);
        }
        #[expect(clippy::indexing_slicing, reason = "resized above")]
        &mut self.0[cpu]
    }

    fn surprise(&mut self, cpu: u16, seq: u64) -> i64 {
        let next = self.next(cpu);
        let surprise = seq.wrapping_sub(*next).cast_signed();
        *next = seq.wrapping_add(1);
        surprise
    }

    fn resolve(&mut self, cpu: u16, surprise: i64) -> u64 {
        let next = self.next(cpu);
        let seq = next.wrapping_add(surprise.cast_unsigned());
        *next = seq.wrapping_add(1);
        seq
    }
}

fn split(column: Column, values: impl Iterator<Item = u64>) -> Part {
    let (block, raw) = split::encode(values);
    Part { column, encoding: Encoding::Split, block, raw }
}

fn varint(column: Column, values: impl Iterator<Item = u64>) -> Part {
    let mut block = Vec::new();
    values.for_each(|v| put_varint(&mut block, v));
    Part { column, encoding: Encoding::Varint, block, raw: Vec::new() }
}

fn dictionary<const N: usize>(column: Column, tuples: impl Iterator<Item = [u64; N]>) -> (Part, usize) {
    let (block, distinct) = dictionary::encode(tuples);
    (Part { column, encoding: Encoding::Dictionary, block, raw: Vec::new() }, distinct)
}

/// A reused zstd context at level 1: higher levels cost three times as much for 1–5 %.
pub struct Compressor(zstd::bulk::Compressor<'static>);

impl Compressor {
    /// A new context.
    ///
    /// # Errors
    /// [`Reason::Compression`] if zstd cannot be set up.
    pub fn new() -> Result<Self, FormatError> {
        zstd::bulk::Compressor::new(1).map(Self).map_err(|e| compression(&e))
    }
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compressor")
    }
}

fn compression(e: &std::io::Error) -> FormatError {
    FormatError::new(WHAT, 0, Reason::Compression(e.to_string()))
}

fn assemble(parts: &[Part], compressor: &mut Compressor) -> Result<(Vec<u8>, u32), FormatError> {
    let block: Vec<u8> = parts.iter().map(|p| p.block.as_slice()).collect::<Vec<_>>().concat();
    let packed = compressor.0.compress(&block).map_err(|e| compression(&e))?;
    let raw: usize = parts.iter().map(|p| p.raw.len()).sum();
    let mut out = Vec::with_capacity(8 + parts.len() * 12 + packed.len() + raw);
    out.extend((parts.len() as u16).to_le_bytes());
    out.extend([0, 0]);
    out.extend((packed.len() as u32).to_le_bytes());
    for part in parts {
        out.extend([part.column as u8, part.encoding as u8, 0, 0]);
        out.extend((part.block.len() as u32).to_le_bytes());
        out.extend((part.raw.len() as u32).to_le_bytes());
    }
    out.extend(packed);
    parts.iter().for_each(|p| out.extend(&p.raw));
    Ok((out, block.len() as u32))
}

struct Found<'a> {
    column: u8,
    encoding: u8,
    block: &'a [u8],
    raw: &'a [u8],
}

/// Reads back `count` rows whose first end time is `first_ns`.
///
/// # Errors
/// Any [`Reason`]: the payload is not trusted even if its checksum was right.
pub fn decode(payload: &[u8], raw_len: u32, count: u32, first_ns: u64) -> Result<Vec<Row>, FormatError> {
    let count = count as usize;
    if count == 0 || count > MAX_ROWS {
        return Err(FormatError::new(WHAT, 0, row_count(count as u64)));
    }
    let mut r = Reader::new(WHAT, payload);
    let columns = r.u16()?;
    r.u16()?;
    let packed_len = r.u32()? as usize;
    let mut directory = Reader::new(WHAT, r.take(usize::from(columns) * 12)?);
    let block = unpack(r.take(packed_len)?, raw_len)?;
    let mut block = Reader::new(WHAT, &block);
    let mut rows = vec![Row::default(); count];
    let mut cpus = vec![0u16; count];
    let mut seqs = vec![0u64; count];
    for _ in 0..columns {
        let (column, encoding) = (directory.u8()?, directory.u8()?);
        directory.u16()?;
        let found = Found {
            column,
            encoding,
            block: block.take(directory.u32()? as usize)?,
            raw: r.take(directory.u32()? as usize)?,
        };
        place(&found, &mut rows, &mut cpus, &mut seqs, first_ns)?;
    }
    let mut expected = SeqForecast::default();
    for ((row, cpu), surprise) in rows.iter_mut().zip(cpus).zip(seqs) {
        row.origin = row::origin(cpu, expected.resolve(cpu, unzigzag(surprise)));
    }
    Ok(rows)
}

fn unpack(packed: &[u8], raw_len: u32) -> Result<Vec<u8>, FormatError> {
    let capacity = raw_len as usize;
    if capacity > MAX_BLOCK_BYTES {
        let reason =
            Reason::Range { field: "block bytes", value: capacity as u64, allowed: "at most 16 MiB" };
        return Err(FormatError::new(WHAT, 0, reason));
    }
    let block = zstd::bulk::decompress(packed, capacity).map_err(|e| compression(&e))?;
    if block.len() != capacity {
        let text = format!("{} bytes where the header says {capacity}", block.len());
        return Err(FormatError::new(WHAT, 0, Reason::Compression(text)));
    }
    Ok(block)
}

fn place(
    found: &Found<'_>,
    rows: &mut [Row],
    cpus: &mut [u16],
    seqs: &mut [u64],
    first_ns: u64,
) -> Result<(), FormatError> {
    let n = rows.len();
    match (found.column, found.encoding) {
        (1, 2) => {
            let mut at = first_ns;
            for (row, step) in rows.iter_mut().zip(split::decode(found.block, found.raw, n)?) {
                at = at.wrapping_add(step);
                row.end_ns = at;
            }
        }
        (2, 2) => {
            rows.iter_mut().zip(split::decode(found.block, found.raw, n)?).for_each(|(r, v)| r.dur_ns = v)
        }
        (3, 1) => {
            let mut block = Reader::new("cpu column", found.block);
            for cpu in cpus {
                *cpu = narrow(&block, "cpu", block.clone().varint()?)?;
                block.varint()?;
            }
        }
        (4, 1) => {
            let mut block = Reader::new("sequence column", found.block);
            for seq in seqs {
                *seq = block.varint()?;
            }
        }
        (5, 3) => dictionary::decode(found.block, rows, |row, [pid, tid]| {
            (row.pid, row.tid) = (pid as u32, tid as u32);
        })?,
        (6, 3) => dictionary::decode(found.block, rows, set_kind)?,
        (7, 3) => dictionary::decode(found.block, rows, |row, [op, flags, ret, stack, arg0, arg1]| {
            set_kind(row, [op, flags, ret, stack]);
            (row.arg0, row.arg1) = (arg0, arg1);
        })?,
        (8, 2) => {
            rows.iter_mut().zip(split::decode(found.block, found.raw, n)?).for_each(|(r, v)| r.arg0 = v)
        }
        (9, 3) => dictionary::decode(found.block, rows, |row, [arg1]| row.arg1 = arg1)?,
        (column, encoding) => {
            let reason = Reason::Incompatible(format!("column {column} in encoding {encoding}"));
            return Err(FormatError::new(WHAT, 0, reason));
        }
    }
    Ok(())
}

fn set_kind(row: &mut Row, [op, flags, ret, stack]: [u64; 4]) {
    (row.op, row.flags) = (op as u16, flags as u16);
    (row.ret, row.stack) = ((ret as u32).cast_signed(), stack as u32);
}

fn narrow(at: &Reader<'_>, field: &'static str, value: u64) -> Result<u16, FormatError> {
    u16::try_from(value).map_err(|_| at.range(field, value, "0 to 65535"))
}

#[cfg(test)]
mod tests;
