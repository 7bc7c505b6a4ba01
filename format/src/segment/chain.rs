//! The digest chain: every frame of a ring, in order, each with all bytes.

use super::{Footer, Header, Scan, Step};
use crate::frame::{self, Kind};

/// The value after one frame: XXH3 of 128 bits, seed 0, of the value before it and the whole frame, header to trailer.
#[must_use]
pub fn chain(previous: u128, frame: &[u8]) -> u128 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(&previous.to_le_bytes());
    hasher.update(frame);
    hasher.digest128()
}

/// What the chain of one segment says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// Value after the last good frame: what the next segment's header must begin with.
    pub after: u128,
    /// Whether the footer's value is the one computed; `None` without a readable footer.
    pub footer_agrees: Option<bool>,
    /// Bytes that are no frame are in between: nothing can be concluded.
    pub damaged: bool,
}

impl Links {
    /// True if the file was changed after it was written: all frames are whole and their digest is another one.
    #[must_use]
    pub fn tampered(&self) -> bool {
        !self.damaged && self.footer_agrees == Some(false)
    }
}

/// Follows the chain over a whole segment file whose header was read.
#[must_use]
pub fn follow(bytes: &[u8], header: &Header) -> Links {
    let mut links = Links { after: header.chain_before, ..Links::default() };
    let mut closed = false;
    for step in Scan::new(bytes, header) {
        let (offset, frame, payload) = match step {
            Step::Frame(offset, frame, payload) => (offset, frame, payload),
            Step::Damage(..) => {
                links.damaged = true;
                continue;
            }
        };
        // Only the first Footer counts.
        if !closed && frame.content() == Ok(Some(Kind::Footer)) {
            closed = true;
            links.footer_agrees = footer_chain(&frame, payload).map(|stored| stored == links.after);
        }
        let end = offset + frame.frame_bytes();
        links.after = chain(links.after, bytes.get(offset as usize..end as usize).unwrap_or_default());
    }
    links
}

fn footer_chain(header: &frame::Header, payload: &[u8]) -> Option<u128> {
    let raw = frame::unpack_record(header, payload).ok()?;
    Footer::read(&raw).ok().map(|footer| footer.chain)
}
