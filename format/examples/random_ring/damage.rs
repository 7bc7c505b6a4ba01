//! What disks, crashes and strangers do to files.

use ingero_format::{bytes::crc32c, frame};

use crate::random::Random;

/// Some damage behind the header, seldom in it.
pub fn segment(bytes: &mut Vec<u8>, random: &mut Random) {
    let spare = if random.once_in(30) { 0 } else { 256 };
    for _ in 0..=random.below(3) {
        if bytes.len() > spare {
            once(bytes, spare, random);
        }
    }
}

/// Some damage anywhere.
pub fn anywhere(bytes: &mut Vec<u8>, random: &mut Random) {
    if !bytes.is_empty() {
        once(bytes, 0, random);
    }
}

fn once(bytes: &mut Vec<u8>, spare: usize, random: &mut Random) {
    let len = (bytes.len() - spare) as u64;
    let at = spare + random.below(len) as usize;
    match random.below(6) {
        0 => bytes.truncate(at),
        1 => {
            let to = at + random.below((bytes.len() - at) as u64 + 1) as usize;
            bytes[at..to].fill(0);
        }
        2 => {
            // Bytes of this file come again, as after a write that went astray; at a frame's place or not.
            let from = (spare + random.below(len) as usize) / 8 * 8;
            let to = from + random.below((bytes.len() - from) as u64 + 1) as usize;
            let piece = bytes[from..to].to_vec();
            let at = at / 8 * 8;
            bytes.splice(at..at, piece);
        }
        3 => {
            let stale = frame::Header {
                salt: random.next(),
                frame_seq: random.below(20),
                ..frame::Header::of(frame::Kind::State)
            };
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes.extend(frame::write(&stale, &[7; 50]));
        }
        _ => {
            for _ in 0..=random.below(4) {
                let at = spare + random.below(len) as usize;
                bytes[at] ^= 1 << random.below(8);
            }
        }
    }
}

/// The same frame with a header that is `more` bytes longer, and whole.
pub fn longer_header(mut bytes: Vec<u8>, more: usize) -> Vec<u8> {
    let header_len = frame::HEADER_BYTES + more;
    bytes[8..10].copy_from_slice(&(header_len as u16).to_le_bytes());
    bytes.splice(124..124, std::iter::repeat_n(0x5a, more));
    let crc = crc32c(&[&bytes[..header_len - 4]]);
    bytes[header_len - 4..header_len].copy_from_slice(&crc.to_le_bytes());
    bytes
}
