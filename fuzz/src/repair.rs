//! Makes checksums right again, so that a mutated input reaches the code behind them.

use ingero_format::{bundle, bytes::crc32c, frame, head, segment};

fn u16_at(data: &[u8], at: usize) -> usize {
    data.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| usize::from(u16::from_le_bytes(*b)))
}

fn u32_at(data: &[u8], at: usize) -> usize {
    data.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b) as usize)
}

fn u64_at(data: &[u8], at: usize) -> u64 {
    data.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}

fn put(data: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(to) = data.get_mut(at..at + bytes.len()) {
        to.copy_from_slice(bytes);
    }
}

/// Writes the CRC32C of `from..crc_at` to `crc_at`.
fn seal(data: &mut [u8], from: usize, crc_at: usize) {
    let Some(body) = data.get(from..crc_at) else { return };
    let crc = crc32c(&[body]);
    put(data, crc_at, &crc.to_le_bytes());
}

/// A frame at `at`, made one of a file with `salt`: payload checksum, header checksum, trailer.
pub fn frame(data: &mut [u8], at: usize, salt: u64) {
    put(data, at, &frame::MAGIC);
    put(data, at + 24, &salt.to_le_bytes());
    let header_len = u16_at(data, at + 8).max(frame::HEADER_BYTES) & !7;
    put(data, at + 8, &(header_len as u16).to_le_bytes());
    let payload = u32_at(data, at + 64);
    let from = at + header_len;
    if let Some(bytes) = data.get(from..from + payload) {
        let crc = crc32c(&[bytes]);
        put(data, at + 120, &crc.to_le_bytes());
    }
    seal(data, at, from - 4);
    let trailer = u64_at(data, at + 32) ^ salt;
    put(data, from + payload.next_multiple_of(8), &trailer.to_le_bytes());
}

/// A segment header, and every place that looks like a frame.
pub fn segment(data: &mut [u8]) {
    put(data, 0, &segment::MAGIC);
    let header_len = u16_at(data, 8);
    if header_len < segment::HEADER_BYTES {
        return;
    }
    seal(data, 0, header_len - 4);
    let salt = u64_at(data, 24);
    for at in (header_len..data.len()).step_by(8) {
        if data.get(at..at + 8) == Some(frame::MAGIC.as_slice()) {
            frame(data, at, salt);
        }
    }
}

/// The first page of a head file and the header of each of its slots.
pub fn head(data: &mut [u8]) {
    put(data, 0, &head::MAGIC);
    seal(data, 0, head::PAGE_BYTES - 4);
    let slot_bytes = u32_at(data, 16);
    if slot_bytes < head::PAGE_BYTES {
        return;
    }
    for at in (head::PAGE_BYTES..data.len()).step_by(slot_bytes) {
        seal(data, at, at + 28);
    }
}

/// A bundle's header and the member headers that follow each other.
pub fn bundle(data: &mut [u8]) {
    put(data, 0, &bundle::MAGIC);
    seal(data, 0, bundle::HEADER_BYTES - 4);
    let mut at = bundle::HEADER_BYTES;
    while at + bundle::HEADER_BYTES <= data.len() {
        put(data, at, b"INGM");
        let len = u64_at(data, at + 16);
        let from = at + bundle::HEADER_BYTES;
        let payload = usize::try_from(len).ok().and_then(|len| data.get(from..from.checked_add(len)?));
        if let Some(payload) = payload {
            let crc = crc32c(&[payload]);
            put(data, at + 24, &crc.to_le_bytes());
        }
        seal(data, at, at + 28);
        if len > data.len() as u64 {
            return;
        }
        at += bundle::HEADER_BYTES + len.next_multiple_of(8) as usize;
    }
}
