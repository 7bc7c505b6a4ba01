//! What a segment's frames bring to its dictionaries.

use super::{Footer, Header, Scan, Step};
use crate::{FormatError, Reason, bytes::Reader, dictionary::Dictionaries, frame};

impl Dictionaries {
    /// Goes through a whole segment file, whose header was read, for its entries. Unreadable frames bring
    /// nothing; whoever reads the segment meets them again and can say so.
    #[must_use]
    pub fn collect(bytes: &[u8], header: &Header) -> Self {
        let mut all = Self::default();
        for step in Scan::new(bytes, header) {
            if let Step::Frame(_, frame, payload) = step {
                let _ = all.frame(&frame, payload);
            }
        }
        all
    }

    /// Takes what a segment's next frame brings; frames of other kinds bring nothing.
    ///
    /// # Errors
    /// If it is an unreadable Dictionary frame or Footer; then nothing is taken from it.
    pub fn frame(&mut self, header: &frame::Header, payload: &[u8]) -> Result<(), FormatError> {
        match header.content()? {
            Some(frame::Kind::Dictionary) => {
                self.admit(header.raw_len)?;
                let raw = frame::unpack_record(header, payload)?;
                if raw.is_empty() {
                    return Err(Reader::new("dictionary table", &raw).range("tables", 0, "at least 1"));
                }
                self.tables(&raw)
            }
            Some(frame::Kind::Footer) => {
                if std::mem::replace(&mut self.footer, true) {
                    let reason = Reason::Content("another Footer stands before it".into());
                    return Err(FormatError::new("footer", 0, reason));
                }
                let raw = frame::unpack_record(header, payload)?;
                self.tables(Footer::split(&raw)?.1)
            }
            _ => Ok(()),
        }
    }
}
