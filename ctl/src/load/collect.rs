//! Takes rows out of segments and head, keeps those of the window, and learns names on the way.

use std::collections::{BTreeSet, HashSet};

use ingero_format::{
    FormatError, Reason, Row,
    bundle::{Symbols, UserSymbols},
    columns,
    copies::Copies,
    frame::{self, Kind},
    head,
    manifest::Manifest,
    ops::{self, LossCause},
    row::flags,
    segment::{self, Dictionaries, Scan, Step},
    state::State,
};

use super::{
    boots::Boots,
    dictionary::Dictionary,
    frames::{FrameAt, Frames, Place},
    window::{Begin, MAX_TIME_NS, Seen, Window, begin, placed},
};
use crate::model::{ANY_SOURCE, BUDGET_NOTE, Call};

/// An event and the epoch that its stack and text ids belong to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub epoch: u64,
    pub row: Row,
}

/// Events known to be missing, boottime ns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    pub from_ns: u64,
    pub to_ns: u64,
    pub count: u64,
    pub cause: i32,
    pub cpu: u16,
    pub source: u8,
}

/// Everything read so far; boottime throughout, of the earliest boot ([`Boots`]).
#[derive(Debug, Default)]
pub(super) struct Collector {
    pub manifests: Vec<Manifest>,
    pub digests: Vec<String>,
    pub damage: Vec<String>,
    /// Events that are no calls and no off-CPU intervals.
    pub host: Vec<Event>,
    /// Calls and off-CPU intervals that are in no frame, or had not ended.
    pub loose: Vec<Event>,
    /// Where all other calls and off-CPU intervals are, to be read again.
    pub frames: Frames,
    /// Begins of events that had not ended.
    pub begun: HashSet<Begin>,
    /// Earliest and latest end of the events taken.
    pub ends: Option<(u64, u64)>,
    pub missing: Vec<Missing>,
    /// What the overhead budget left out in the window, in words.
    pub left_out: BTreeSet<String>,
    /// Rows with numbers that were read at intervals.
    pub samples: Vec<Event>,
    /// Rows with what programs said, in the order read.
    pub annotations: Vec<Event>,
    pub names: Dictionary,
    pub symbols: Symbols,
    pub boots: Boots,
    pub user_symbols: Vec<UserSymbols>,
    pub boot_id: [u8; 16],
    /// Functions launched before the window, as far as the segments reach.
    pub launched_before: HashSet<(u32, u64)>,
    /// Functions whose look-up is recorded: nobody launched them earlier.
    pub looked_up: HashSet<(u32, u64)>,
    /// Latest end of any row read.
    newest_ns: u64,
    /// Which copy of a head slot's rows counts.
    copies: Copies,
    last_epoch: u64,
    /// Added to the times of what is being read.
    shift_ns: u64,
    implausible: u64,
    seen: Option<Seen>,
}

impl Collector {
    /// Several files hold parts of one recording: rows already taken are left out.
    pub fn expect_duplicates(&mut self) {
        self.seen = Some(Seen::default());
    }

    /// True if rows may be in several of the files.
    pub fn has_duplicates(&self) -> bool {
        self.seen.is_some()
    }

    pub fn digest(&mut self, digest: String) {
        self.digests.push(digest);
    }

    pub fn damage(&mut self, what: String) {
        self.damage.push(what);
    }

    pub fn symbols(&mut self, symbols: Symbols) {
        self.symbols.kernel.extend(symbols.kernel);
    }

    /// Takes the description of a window; the rows that follow are its rows.
    pub fn manifest(&mut self, manifest: Manifest) -> Result<(), FormatError> {
        let times = [manifest.from_ns, manifest.to_ns, manifest.anchor.boot_ns, manifest.anchor.real_ns];
        if let Some(value) = times.into_iter().find(|t| *t > MAX_TIME_NS) {
            let reason = Reason::Range { field: "time", value, allowed: "below 73 years" };
            return Err(FormatError::new("manifest", 0, reason));
        }
        if manifest.from_ns > manifest.to_ns {
            let reason =
                Reason::Range { field: "window", value: manifest.from_ns, allowed: "begin before end" };
            return Err(FormatError::new("manifest", 0, reason));
        }
        manifest.processes.iter().for_each(|p| self.names.process(p));
        self.manifests.push(manifest);
        Ok(())
    }

    fn window(&self) -> Window {
        Window(self.manifests.last().map(|m| (m.from_ns, m.to_ns)))
    }

    /// Looks over a segment before any is read.
    pub fn survey(&mut self, bytes: &[u8]) {
        if let Ok(header) = segment::Header::read(bytes) {
            if plausible(&header) {
                self.boots.learn(&header);
            }
            self.copies.survey(bytes, &header, &Dictionaries::collect(bytes, &header));
        }
    }

    /// Looks over the head before any segment is read.
    pub fn survey_head(&mut self, bytes: &[u8]) {
        for slot in head::read(bytes).map(|(slots, _)| slots).unwrap_or_default() {
            if !slot.rows.is_empty() {
                self.copies.slot(slot.epoch, slot.generation);
            }
        }
    }

    /// Reads a segment as far as it goes; `place` is where it lies.
    pub fn segment(&mut self, bytes: &[u8], place: Place) -> Result<(), FormatError> {
        let header = segment::Header::read(bytes)?;
        self.anchored(&header);
        self.last_epoch = header.epoch;
        let mut previous_ns = self.begun_ns(&header);
        if self.boot_id != header.boot_id {
            self.new_boot(header.boot_id, previous_ns);
        }
        let mut hole = false;
        let dictionaries = Dictionaries::collect(bytes, &header);
        self.frames.begin_segment(place);
        let mut unnamed = 0;
        for step in Scan::new(bytes, &header) {
            match step {
                Step::Frame(at, frame, payload) => {
                    if std::mem::take(&mut hole) {
                        self.lost_between(previous_ns, self.shifted(frame.first_ns).max(previous_ns));
                    }
                    match self.frame(&header, at, &frame, payload, &dictionaries) {
                        Ok(without) => {
                            unnamed += without;
                            previous_ns = previous_ns.max(self.shifted(frame.last_ns));
                        }
                        Err(e) => {
                            self.damage.push(format!("segment {}: {}", header.seq, e.shifted(at)));
                            self.lost_between(self.shifted(frame.first_ns), self.shifted(frame.last_ns));
                        }
                    }
                }
                Step::Damage(from, to, e) => {
                    hole = true;
                    self.damage.push(format!("segment {}: bytes {from} to {to}: {e}", header.seq));
                }
            }
        }
        if unnamed > 0 {
            self.damage.push(format!(
                "segment {}: {unnamed} events are without thread or call: their dictionary frame is damaged",
                header.seq
            ));
        }
        if hole {
            let end = self.window().0.map_or(previous_ns, |(_, to)| to);
            self.lost_between(previous_ns, end.max(previous_ns));
        }
        Ok(())
    }

    // Without a manifest, the segments' own clocks place their rows.
    fn anchored(&mut self, header: &segment::Header) {
        if plausible(header) {
            self.boots.learn(header);
        } else if self.manifests.is_empty() {
            let what = "its clocks read more than 73 years and are not used";
            self.damage.push(format!("segment {}: {what}", header.seq));
        }
        self.place(header.epoch);
    }

    // From here on, rows of this epoch are read. What a manifest describes is of one boot.
    fn place(&mut self, epoch: u64) {
        self.shift_ns = if self.manifests.is_empty() { self.boots.shift_ns(epoch) } else { 0 };
    }

    fn shifted(&self, boot_ns: u64) -> u64 {
        boot_ns.saturating_add(self.shift_ns)
    }

    pub fn begun_ns(&self, header: &segment::Header) -> u64 {
        if plausible(header) { self.shifted(header.created.boot_ns) } else { self.newest_ns }
    }

    // While the machine was down and until the recorder ran again nothing was recorded.
    fn new_boot(&mut self, boot_id: [u8; 16], begun_ns: u64) {
        let before = std::mem::replace(&mut self.boot_id, boot_id);
        if before != [0; 16] && self.newest_ns < begun_ns && self.manifests.is_empty() {
            let (from_ns, cause) = (self.newest_ns, LossCause::RestartGap as i32);
            let (cpu, source) = (u16::MAX, ANY_SOURCE);
            self.missing.push(Missing { from_ns, to_ns: begun_ns, count: 0, cause, cpu, source });
        }
    }

    /// Nobody knows how many events of a time are missing.
    pub fn lost_between(&mut self, from_ns: u64, to_ns: u64) {
        let (cause, cpu) = (LossCause::Corrupt as i32, u16::MAX);
        self.missing.push(Missing { from_ns, to_ns, count: 0, cause, cpu, source: ANY_SOURCE });
    }

    /// The same from a time to the end of what is there.
    pub fn lost_from(&mut self, from_ns: u64) {
        if let Some((_, to)) = self.window().0.or(self.ends) {
            self.lost_between(from_ns.min(to), to);
        }
    }

    // Gives the number of rows whose thread or call is not known.
    fn frame(
        &mut self,
        segment: &segment::Header,
        at: u64,
        header: &frame::Header,
        payload: &[u8],
        dictionaries: &Dictionaries,
    ) -> Result<u64, FormatError> {
        let epoch = segment.epoch;
        match header.content()? {
            Some(Kind::State) => {
                let raw = frame::unpack_record(header, payload)?;
                let mut state = State::read(&raw)?;
                state.tasks.iter_mut().for_each(|t| t.since_ns = self.shifted(t.since_ns));
                for process in &mut state.processes {
                    process.start_ns = self.shifted(process.start_ns);
                    process.covered_ns = self.shifted(process.covered_ns);
                }
                self.names.state(epoch, self.shift_ns, &state);
                Ok(0)
            }
            Some(Kind::Events) => {
                let decoded = columns::decode(header, payload, segment.tick_ns, dictionaries)?;
                if !self.copies.take_frame(epoch, header, dictionaries) {
                    return Ok(0);
                }
                let events = decoded.rows.iter().filter(|row| self.row(epoch, row, true)).count();
                if events > 0 {
                    let (header, tick_ns, window) = (*header, segment.tick_ns, self.window());
                    self.frames.add(FrameAt { at, header, tick_ns, epoch, shift_ns: self.shift_ns, window });
                }
                Ok(decoded.unnamed)
            }
            _ => Ok(0),
        }
    }

    /// Reads the head: rows of slots that no frame holds yet.
    pub fn head(&mut self, bytes: &[u8]) {
        match head::read(bytes) {
            Ok((slots, damaged)) => {
                if damaged > 0 {
                    self.damage.push(format!("head: {damaged} damaged slots"));
                }
                for slot in slots {
                    if slot.rows.is_empty() || !self.copies.take_slot(slot.epoch, slot.generation) {
                        continue;
                    }
                    if slot.torn > 0 {
                        self.damage.push(format!("head: {} torn rows", slot.torn));
                    }
                    self.place(slot.epoch);
                    slot.rows.iter().for_each(|row| _ = self.row(slot.epoch, row, false));
                }
            }
            Err(e) => self.damage.push(e.to_string()),
        }
    }

    /// Takes calls and intervals that had not ended.
    pub fn open_rows(&mut self, rows: impl Iterator<Item = Row>) {
        let epoch = self.last_epoch;
        for mut row in rows {
            row.flags |= flags::OPEN;
            self.row(epoch, &row, false);
        }
    }

    /// The file ends too early: its newest part is missing.
    pub fn cut(&mut self) {
        self.damage.push("the file is cut: its newest part is missing".to_owned());
        if let Some((from, to)) = self.window().0 {
            self.lost_between(self.newest_ns.clamp(from, to), to);
        }
    }

    /// Rows left out because their times cannot be true.
    pub fn implausible(&self) -> u64 {
        self.implausible
    }

    /// Takes a row. Of a call or an off-CPU interval in a frame that is read again it only notes how many there are:
    /// then it gives true.
    fn row(&mut self, epoch: u64, row: &Row, again: bool) -> bool {
        let Some(mut row) = placed(row, self.shift_ns) else {
            self.implausible += 1;
            return false;
        };
        match row.op {
            ops::LOSS => return self.loss(&row),
            ops::SAMPLE => return self.sample(epoch, &row),
            ops::ANNOTATION => return self.annotation(epoch, row),
            ops::BUDGET => return self.budget(&row),
            ops::COVERED => row.arg0 = self.shifted(row.arg0),
            _ => {}
        }
        // Kinds that a later version adds say nothing here.
        if ops::source(row.op) == ops::Source::Meta {
            self.names.meta(epoch, &row);
            return false;
        }
        self.newest_ns = self.newest_ns.max(row.end_ns);
        self.note_functions(&row);
        let window = self.window();
        if !window.holds(&row) {
            if window.0.is_some_and(|(from, _)| row.end_ns <= from)
                && let Some(function) = launched(&row)
            {
                self.launched_before.insert((row.pid, function));
            }
            return false;
        }
        self.take(epoch, row, again)
    }

    fn take(&mut self, epoch: u64, row: Row, again: bool) -> bool {
        let (first, last) = self.ends.unwrap_or((row.end_ns, row.end_ns));
        self.ends = Some((first.min(row.end_ns), last.max(row.end_ns)));
        if row.flags & flags::OPEN != 0 {
            self.begun.insert(begin(&row));
        }
        let event = Event { epoch, row };
        match ops::source(row.op) {
            source @ (ops::Source::Cuda | ops::Source::Sched) => {
                self.frames.count(&row, source);
                if !again {
                    self.loose.push(event);
                }
                return again;
            }
            _ if self.seen.as_mut().is_none_or(|seen| seen.is_new(epoch, &row)) => self.host.push(event),
            _ => {}
        }
        false
    }

    fn budget(&mut self, row: &Row) -> bool {
        const LANES: [&str; 4] = ["launches", "copies", "allocations", "waits and other calls"];
        if !self.window().spans(row.end_ns) {
            return false;
        }
        let how = match row.ret & 0xff {
            1 => "without their ends",
            2 => "at times, without their ends",
            3 => "not at all",
            _ => return false,
        };
        let lanes = LANES.iter().enumerate().filter(|(i, _)| row.flags >> i & 1 == 1);
        self.left_out.extend(
            lanes.map(|(_, lane)| format!("{BUDGET_NOTE}{lane} were recorded {how}, if not all the time")),
        );
        false
    }

    fn sample(&mut self, epoch: u64, row: &Row) -> bool {
        let inside = self.window().spans(row.end_ns);
        if inside && self.seen.as_mut().is_none_or(|seen| seen.is_new(epoch, row)) {
            self.samples.push(Event { epoch, row: *row });
        }
        false
    }

    // Told when it had ended: what counts is the time it is about, which may have begun before the window.
    fn annotation(&mut self, epoch: u64, mut row: Row) -> bool {
        let end_ns = row.arg0.saturating_add(row.arg1);
        if end_ns > MAX_TIME_NS {
            self.implausible += 1;
            return false;
        }
        row.arg0 = self.shifted(row.arg0);
        let touches = self.window().0.is_none_or(|(from, to)| row.arg0 <= to && self.shifted(end_ns) >= from);
        if touches && self.seen.as_mut().is_none_or(|seen| seen.is_new(epoch, &row)) {
            self.annotations.push(Event { epoch, row });
        }
        false
    }

    fn note_functions(&mut self, row: &Row) {
        match row.op {
            ops::CU_MODULE_GET_FUNCTION | ops::CU_LIBRARY_GET_KERNEL if row.ret == 0 => {
                self.looked_up.insert((row.pid, row.arg1));
            }
            ops::CU_KERNEL_GET_FUNCTION if row.ret == 0 => {
                self.names.alias(row.pid, row.arg0, row.arg1);
                if self.looked_up.contains(&(row.pid, row.arg0)) {
                    self.looked_up.insert((row.pid, row.arg1));
                }
            }
            ops::CU_GRAPH_INSTANTIATE
            | ops::CU_GRAPH_INSTANTIATE_WITH_FLAGS
            | ops::CU_GRAPH_INSTANTIATE_WITH_PARAMS
                if row.ret == 0 =>
            {
                self.looked_up.insert((row.pid, row.arg1));
            }
            _ => {}
        }
    }

    fn loss(&mut self, row: &Row) -> bool {
        self.missing.push(Missing {
            from_ns: row.start_ns(),
            to_ns: row.end_ns,
            count: row.arg0,
            cause: row.ret,
            cpu: u16::try_from(row.tid).unwrap_or(u16::MAX),
            source: u8::try_from(row.flags).unwrap_or(ANY_SOURCE),
        });
        false
    }
}

fn plausible(header: &segment::Header) -> bool {
    header.created.boot_ns.max(header.created.real_ns) <= MAX_TIME_NS
}

/// The function that a row launches, if it is a launch.
fn launched(row: &Row) -> Option<u64> {
    Call { op: row.op, arg0: row.arg0, arg1: row.arg1, ..Call::default() }.function()
}
