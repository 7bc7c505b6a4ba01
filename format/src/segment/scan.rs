//! Finding the frames of a segment.

use super::Header;
use crate::{FormatError, Reason, frame};

/// Bytes that may be read for nothing, beside [`WORK_FACTOR`] times the file: small files need a floor.
const WORK_FLOOR: u64 = 1 << 20;
/// How often the bytes of a file may be read for nothing. Damage by chance stays far below 1; only forged
/// headers come near.
const WORK_FACTOR: u64 = 16;

/// One step of a [`Scan`].
#[derive(Debug)]
pub enum Step<'a> {
    /// A whole, checked frame: its offset in the file, bytes; its header; its payload.
    Frame(u64, frame::Header, &'a [u8]),
    /// Bytes that are no frame: offset of the first, of the one behind the last, and why.
    Damage(u64, u64, FormatError),
}

/// Walks the frames of a segment, past damage, to the unwritten tail.
///
/// Every step moves forward by at least eight bytes, so a scan of any bytes ends. Headers that claim long
/// payloads all over the place cannot keep it busy: the bytes it computes checksums over and then does not
/// accept are counted, and when they pass 16 times the file's length plus 1 MiB the rest is one damage.
#[derive(Debug)]
pub struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    salt: u64,
    last_seq: Option<u64>,
    /// The frame that the last damage ended at.
    found: Option<(frame::Header, &'a [u8])>,
    wasted: u64,
    checked: u64,
}

impl<'a> Scan<'a> {
    /// Scans the frames of `bytes`, a whole segment file whose header was read.
    #[must_use]
    pub fn new(bytes: &'a [u8], header: &Header) -> Self {
        Self {
            bytes,
            at: usize::from(header.header_len),
            salt: header.salt,
            last_seq: None,
            found: None,
            wasted: 0,
            checked: 0,
        }
    }

    /// Offset in the file of the next byte to look at; after the last step, where the written part ends.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.at as u64
    }

    /// Bytes that checksums were computed over so far, those of accepted frames included.
    #[must_use]
    pub fn checked_bytes(&self) -> u64 {
        self.checked
    }

    fn try_frame(&mut self, at: usize) -> Result<(frame::Header, &'a [u8]), FormatError> {
        let mut work = 0;
        let bytes = self.bytes.get(at..).unwrap_or_default();
        let tried = frame::accept(bytes, self.salt, self.last_seq, &mut work);
        self.checked += work;
        if tried.is_err() {
            self.wasted += work;
        }
        tried.map_err(|e| e.shifted(at as u64))
    }

    fn exhausted(&self) -> bool {
        self.wasted > (self.bytes.len() as u64).saturating_mul(WORK_FACTOR).saturating_add(WORK_FLOOR)
    }

    fn take(&mut self, (header, payload): (frame::Header, &'a [u8])) -> Step<'a> {
        let from = self.at as u64;
        self.at += header.frame_bytes() as usize;
        self.last_seq = Some(header.frame_seq);
        Step::Frame(from, header, payload)
    }

    // Goes on to the next place where everything about a frame is right.
    fn resynchronise(&mut self, error: FormatError) -> Step<'a> {
        let from = self.at;
        let mut at = from;
        while !self.exhausted() {
            at += 8;
            if at >= self.bytes.len() {
                self.at = self.bytes.len();
                return Step::Damage(from as u64, self.at as u64, error);
            }
            let magic = self.bytes.get(at..at + 8) == Some(frame::MAGIC.as_slice());
            if magic && let Ok(found) = self.try_frame(at) {
                self.at = at;
                self.found = Some(found);
                return Step::Damage(from as u64, at as u64, error);
            }
        }
        self.at = self.bytes.len();
        let reason = Reason::Content("too much damage: the rest is not looked at".into());
        Step::Damage(from as u64, self.at as u64, FormatError::new("segment", from as u64, reason))
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        if let Some(found) = self.found.take() {
            return Some(self.take(found));
        }
        let rest = self.bytes.get(self.at..)?;
        if rest.iter().all(|b| *b == 0) {
            return None;
        }
        Some(match self.try_frame(self.at) {
            Ok(frame) => self.take(frame),
            Err(error) => self.resynchronise(error),
        })
    }
}
