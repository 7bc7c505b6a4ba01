//! Where calls and off-CPU intervals are, and how many each thread has: found by a first reading, so that a second
//! can put each where it belongs.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::Arc,
};

use foldhash::{HashMap, HashMapExt};
use ingero_format::{
    FormatError, Row, columns, frame,
    ops::Source,
    segment::{self, Dictionaries},
};
use memmap2::{Mmap, UncheckedAdvice};

use super::window::Window;

/// A file that is read twice.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// Does not change.
    Mapped(Arc<Mmap>),
    /// May grow.
    Read(PathBuf),
}

/// Where a segment lies: number of the file among those read, offset and length in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub file: usize,
    pub from: u64,
    pub len: u64,
}

/// A frame of calls or intervals that counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameAt {
    /// Offset in its segment.
    pub at: u64,
    pub header: frame::Header,
    pub tick_ns: u32,
    pub epoch: u64,
    /// Added to its times.
    pub shift_ns: u64,
    /// What of it is wanted.
    pub window: Window,
}

/// Events of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub calls: usize,
    pub off_cpu: usize,
}

/// All frames to be read again, in the order in which they were read first.
#[derive(Debug)]
pub(super) struct Frames {
    files: Vec<Input>,
    segments: Vec<(Place, Vec<FrameAt>)>,
    /// By pid and tid, at most so many.
    pub counts: HashMap<(u32, u32), Count>,
}

impl Default for Frames {
    fn default() -> Self {
        Self { files: Vec::new(), segments: Vec::new(), counts: HashMap::new() }
    }
}

impl Frames {
    /// Takes a file and gives its number.
    pub fn file(&mut self, input: Input) -> usize {
        self.files.push(input);
        self.files.len() - 1
    }

    /// The frames that follow are of this segment.
    pub fn begin_segment(&mut self, place: Place) {
        self.segments.push((place, Vec::new()));
    }

    /// Takes a frame of the last segment.
    pub fn add(&mut self, frame: FrameAt) {
        self.segments.last_mut().into_iter().for_each(|(_, frames)| frames.push(frame));
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.segments.iter().map(|(_, frames)| frames.len()).sum()
    }

    /// Counts an event.
    pub fn count(&mut self, row: &Row, source: Source) {
        let count = self.counts.entry((row.pid, row.tid)).or_default();
        match source {
            Source::Cuda => count.calls += 1,
            _ => count.off_cpu += 1,
        }
    }

    /// Reads all frames again. `rows` gets each frame with its rows, or with why it is no longer what it was.
    pub fn again(&self, mut rows: impl FnMut(&FrameAt, Result<Vec<Row>, String>)) {
        for (place, frames) in self.segments.iter().filter(|(_, frames)| !frames.is_empty()) {
            let bytes = self.bytes(*place).map_err(|e| e.to_string());
            let segment = bytes.as_ref().map_err(Clone::clone).and_then(|bytes| Segment::of(bytes));
            for frame in frames {
                let decoded = segment.as_ref().map_err(Clone::clone).and_then(|s| s.rows(frame));
                rows(frame, decoded);
            }
            self.release(*place);
        }
    }

    fn bytes(&self, place: Place) -> io::Result<Cow<'_, [u8]>> {
        let end = place.from.saturating_add(place.len);
        match self.files.get(place.file) {
            Some(Input::Mapped(map)) => {
                Ok(Cow::Borrowed(map.get(place.from as usize..end as usize).unwrap_or_default()))
            }
            Some(Input::Read(path)) => {
                let mut bytes = Vec::new();
                File::open(path)?.take(end).read_to_end(&mut bytes)?;
                bytes.drain(..(place.from as usize).min(bytes.len()));
                Ok(Cow::Owned(bytes))
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Memory that only holds what a segment's file has is given back.
    pub fn release(&self, place: Place) {
        let Some(Input::Mapped(map)) = self.files.get(place.file) else { return };
        let (from, len) = (place.from as usize, place.len as usize);
        if from + len <= map.len() {
            // SAFETY: a mapping for reading of a file that does not change: pages that are dropped come back as
            // they were. A refusal changes nothing.
            let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, from, len) };
        }
    }
}

struct Segment<'a> {
    bytes: &'a [u8],
    dictionaries: Dictionaries,
}

impl<'a> Segment<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, String> {
        let header = segment::Header::read(bytes).map_err(|e| e.to_string())?;
        Ok(Self { bytes, dictionaries: Dictionaries::collect(bytes, &header) })
    }

    fn rows(&self, frame: &FrameAt) -> Result<Vec<Row>, String> {
        let from = frame.at as usize + usize::from(frame.header.header_len);
        let payload = self.bytes.get(from..from + frame.header.payload_len as usize);
        let payload = payload.ok_or_else(|| "its file became shorter while it was read".to_owned())?;
        let decoded = columns::decode(&frame.header, payload, frame.tick_ns, &self.dictionaries);
        Ok(decoded.map_err(|e: FormatError| e.to_string())?.rows)
    }
}
