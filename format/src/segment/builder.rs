//! The bytes of a segment, as its writer puts them into a file.

use super::{Footer, FooterEntry, HEADER_BYTES, Header, chain, footer};
use crate::{
    FormatError, Reason, Row,
    columns::{self, Compressor},
    dictionary::Ledger,
    frame::{self, Kind},
    ops::Source,
    state::State,
};

/// Makes a segment, without touching a file.
///
/// Every function gives bytes that belong at [`Builder::bytes`] as it was before the call, in one write. With
/// these bytes given out, the builder goes on from the point where they are in the file. So if a write fails, the
/// builder is thrown away with its file, which is never written again; so too if a function fails. Rows that were
/// to be written go into the next segment:
///
/// ```text
/// let (builder, header) = Builder::begin(&header, segment_bytes);   write header at 0
/// let at = builder.bytes(); let bytes = builder.state(&state)?;     write bytes at `at`
/// for each slot of rows:
///     let at = builder.bytes();
///     match builder.events(rows, source, generation, lost_before, &mut compressor)? {
///         Some(bytes) => write bytes at `at`
///         None => nothing has changed: close this segment, begin another, try again there once
///     }
/// let at = builder.bytes(); let bytes = builder.footer()?;          write bytes at `at`
/// the next segment's chain_before is builder.chain()
/// ```
/// After a failed write the next segment's `chain_before` is found as after a restart, with
/// [`super::follow`]: nobody knows how much of the write has reached the file.
#[derive(Clone, Debug)]
pub struct Builder {
    header: Header,
    segment_bytes: u64,
    at: u64,
    footer: Footer,
    ledger: Ledger,
}

impl Builder {
    /// A segment of at most `segment_bytes`, and its header's bytes, which belong at 0.
    #[must_use]
    pub fn begin(header: Header, segment_bytes: u64) -> (Self, Vec<u8>) {
        let header = Header { header_len: HEADER_BYTES as u16, ..header };
        let bytes = header.to_bytes();
        let footer = Footer { frames: Vec::new(), chain: header.chain_before };
        let at = bytes.len() as u64;
        (Self { header, segment_bytes, at, footer, ledger: Ledger::default() }, bytes)
    }

    /// The header as written.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Bytes given out so far: where the next ones belong.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.at
    }

    /// Value of the digest chain after the frames given out so far.
    #[must_use]
    pub fn chain(&self) -> u128 {
        self.footer.chain
    }

    /// How many frames were given out so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.footer.frames.len() as u64
    }

    /// Bytes that a footer would need at most, if it came now.
    #[must_use]
    pub fn reserve(&self) -> u64 {
        self.reserve_with(0, 0)
    }

    /// True if `bytes` more of one frame fit, and a footer behind them.
    #[must_use]
    pub fn has_room(&self, bytes: u64) -> bool {
        self.fits(bytes, 1, 0)
    }

    // With so many frames more, and so many bytes of dictionary entries.
    fn reserve_with(&self, frames: usize, additions: usize) -> u64 {
        let entries = (self.footer.frames.len() + frames) * footer::ENTRY_BYTES;
        let raw = footer::FIXED_BYTES + entries + self.ledger.bytes_with(additions);
        let payload = zstd::zstd_safe::compress_bound(raw).next_multiple_of(8);
        (frame::HEADER_BYTES + payload + 8) as u64
    }

    fn fits(&self, bytes: u64, frames: usize, additions: usize) -> bool {
        self.at.saturating_add(bytes).saturating_add(self.reserve_with(frames, additions))
            <= self.segment_bytes
    }

    /// The State frame, which comes first.
    ///
    /// # Errors
    /// If it does not come first, or the state is too large for a record.
    pub fn state(&mut self, state: &State) -> Result<Vec<u8>, FormatError> {
        if !self.footer.frames.is_empty() {
            let reason = Reason::Content("the state record comes before all other frames".into());
            return Err(FormatError::new("segment", self.at, reason));
        }
        self.record(Kind::State, &state.to_bytes()?)
    }

    /// Rows of one source as an Events frame, with a Dictionary frame before it if they need one. The rows are
    /// rounded to ticks and sorted by (end, origin). `None` if that and a footer do not fit into the segment any
    /// more: then the builder is as it was.
    ///
    /// # Errors
    /// [`Reason::Range`] for no rows or too many, [`Reason::Compression`] if zstd fails.
    pub fn events(
        &mut self,
        rows: &mut [Row],
        source: Source,
        head_generation: u64,
        lost_before: u64,
        compressor: &mut Compressor,
    ) -> Result<Option<Vec<u8>>, FormatError> {
        // What META rows say, the CPU of a LOSS above all, must not be lost with another frame.
        let ledger = (source != Source::Meta).then_some(&self.ledger);
        let encoded = columns::encode(rows, self.header.tick_ns, ledger, compressor)?;
        let raw = encoded.additions.raw();
        let frames = 2 * (frame::HEADER_BYTES + 16);
        let mut out = Vec::with_capacity(frames + encoded.dictionary.len() + encoded.payload.len());
        if !raw.is_empty() {
            let header = frame::Header { raw_len: raw.len() as u32, ..frame::Header::of(Kind::Dictionary) };
            frame::append(&mut out, &self.numbered(header, 0), encoded.dictionary);
        }
        let first = out.len();
        let mut header = frame::Header {
            sources: 1 << source as u8,
            first_ns: encoded.span.0,
            last_ns: encoded.span.1,
            n_events: rows.len() as u32,
            raw_len: encoded.raw_len,
            lost_before,
            head_generation,
            ..frame::Header::of(Kind::Events)
        };
        if encoded.shared {
            (header.dict_threads, header.dict_calls, header.dict_digest) =
                self.ledger.after(encoded.additions);
        }
        let header = self.numbered(header, u64::from(first > 0));
        frame::append(&mut out, &header, encoded.payload);
        if !self.fits(out.len() as u64, 2, raw.len()) {
            return Ok(None);
        }
        let (dictionary, events) = out.split_at_checked(first).unwrap_or((&[], &out));
        if !dictionary.is_empty() {
            self.ledger.commit(encoded.additions);
            self.take(&frame::Header::default(), dictionary);
        }
        self.take(&header, events);
        Ok(Some(out))
    }

    /// The Footer frame; nothing may follow it.
    ///
    /// # Errors
    /// [`Reason::Compression`] if zstd fails.
    pub fn footer(&mut self) -> Result<Vec<u8>, FormatError> {
        let mut raw = self.footer.to_bytes();
        self.ledger.write_all(&mut raw);
        self.record(Kind::Footer, &raw)
    }

    fn record(&mut self, kind: Kind, raw: &[u8]) -> Result<Vec<u8>, FormatError> {
        let header = self.numbered(frame::Header { raw_len: raw.len() as u32, ..frame::Header::of(kind) }, 0);
        let bytes = frame::write(&header, &frame::pack_record(raw)?);
        self.take(&header, &bytes);
        Ok(bytes)
    }

    fn numbered(&self, header: frame::Header, further: u64) -> frame::Header {
        frame::Header { salt: self.header.salt, frame_seq: self.frames() + further, ..header }
    }

    // One frame is given out.
    fn take(&mut self, header: &frame::Header, bytes: &[u8]) {
        self.footer.frames.push(FooterEntry {
            offset: self.at,
            first_ns: header.first_ns,
            last_ns: header.last_ns,
            n_events: header.n_events,
            sources: header.sources,
        });
        self.footer.chain = chain(self.footer.chain, bytes);
        self.at += bytes.len() as u64;
    }
}
