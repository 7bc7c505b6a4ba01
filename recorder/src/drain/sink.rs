//! One record at a time: row into the head, names and losses beside it.

use std::{
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{Sender, SyncSender},
    },
    time::{Duration, Instant},
};

use aya::maps::{MapData, StackTraceMap};
use ingero_ebpf_abi::{COMM_LEN, RecordKind};
use ingero_format::{
    Row,
    bytes::Reader,
    ops::{self, LossCause, Source},
    row::{META_CPU, ROW_BYTES, flags::STACK_LOST, origin},
};

use super::{
    GapTracker,
    names::{HostFunction, Names},
    stacks::{Meaning, Stacks},
};
use crate::{
    continued::Continued,
    kernel::Reserve,
    metrics::Tap,
    news::{BudgetChange, Gap, News, Unnamed},
    progress::Progress,
    ring::{HeadWriter, SealJob},
    trigger::predicate::Predicates,
};

/// Where records go.
pub struct Sink {
    head: HeadWriter,
    seal: SyncSender<SealJob>,
    stacks: Stacks,
    names: Names,
    /// Launches whose host function nobody has named yet.
    unnamed: Option<Sender<Unnamed>>,
    /// Numbers that are missing so far.
    pub gaps: GapTracker,
    progress: Arc<Progress>,
    meta_seq: u64,
    reserve: Option<Reserve>,
    stored: u64,
    newest_ns: u64,
    /// Losses that no slot was left to write into, runs of one lane joined.
    untold: Vec<Gap>,
    /// What freezes by itself.
    predicates: Option<Predicates>,
    /// What is counted for monitoring systems.
    tap: Tap,
    /// When a new head was last made in place of a broken one.
    mended: Option<Instant>,
}

const TASK_BYTES: usize = 8 + COMM_LEN;
/// Least time between two attempts to leave a broken head.
const MEND_INTERVAL: Duration = Duration::from_secs(1);

impl Sink {
    /// Writes into `head`, hands full slots to `seal`, reads stacks from `stacks`.
    #[must_use]
    pub fn new(
        head: HeadWriter,
        seal: SyncSender<SealJob>,
        stacks: Option<StackTraceMap<MapData>>,
        unnamed: Option<Sender<Unnamed>>,
        progress: Arc<Progress>,
    ) -> Self {
        let (names, gaps) = (Names::default(), GapTracker::default());
        Self {
            head,
            seal,
            stacks: Stacks::new(stacks),
            names,
            unnamed,
            gaps,
            progress,
            meta_seq: 0,
            reserve: None,
            stored: 0,
            newest_ns: 0,
            untold: Vec::new(),
            predicates: None,
            tap: Tap::default(),
            mended: None,
        }
    }

    /// Gives ids that no recorder of this epoch has given, and goes on where an earlier one stopped.
    pub fn resume(&mut self, mut reserve: Reserve, from: Option<&Continued>) {
        let [texts, stacks, meta_rows] = reserve.begin();
        self.names.after(texts as u32);
        self.stacks.after(stacks as u32);
        self.meta_seq = meta_rows;
        reserve.keep_ahead([texts, stacks, meta_rows]);
        self.reserve = Some(reserve);
        if let Some(from) = from {
            self.gaps.resume(from, crate::clock::boot_ns());
            self.newest_ns = from.newest_ns;
        }
    }

    /// The same with conditions on rows.
    #[must_use]
    pub fn with_predicates(mut self, predicates: Predicates) -> Self {
        self.predicates = Some(predicates);
        self
    }

    /// The same with counts for monitoring systems.
    #[must_use]
    pub fn with_tap(mut self, tap: Tap) -> Self {
        self.tap = tap;
        self
    }

    /// Takes one record from the BPF ring buffer. Anything that is no record is ignored: only our own
    /// programs write there.
    pub fn record(&mut self, record: &[u8]) {
        let Some((event, rest)) = record.split_first_chunk::<ROW_BYTES>() else { return };
        let kind = event.last_chunk::<4>().map_or(0, |tail| u32::from_le_bytes(*tail));
        let row = Row::from_bytes(event);
        match kind {
            k if k == RecordKind::Plain as u32 => self.with_stack(event, row, row.pid, row.end_ns),
            k if k == RecordKind::OffCpu as u32 => {
                for task in rest.as_chunks::<TASK_BYTES>().0 {
                    self.task(task, row.start_ns());
                }
                self.with_stack(event, row, 0, row.start_ns());
            }
            k if k == RecordKind::Peer as u32 => {
                for task in rest.as_chunks::<TASK_BYTES>().0 {
                    self.task(task, row.end_ns);
                }
                self.event(event, &row);
            }
            k if k == RecordKind::Name as u32 => {
                if let Some(comm) = rest.first_chunk::<COMM_LEN>() {
                    self.name(row.pid, row.tid, *comm, row.end_ns);
                }
            }
            k if k == RecordKind::Text as u32 => self.handle(row.pid, row.arg0, row.end_ns, text(rest)),
            k if k == RecordKind::HostFunction as u32 => {
                self.names.host_function(row.pid, row.arg0, text(rest), row.arg1);
            }
            k if k == RecordKind::Launched as u32 => self.launched(&row),
            _ => {}
        }
    }

    fn event(&mut self, bytes: &[u8; ROW_BYTES], row: &Row) {
        let source = ops::source(row.op);
        match row.op {
            ops::EXIT => self.names.forget(row.pid),
            ops::FORK => self.names.forked(row.pid, row.arg0 as u32),
            _ => {}
        }
        if !self.gaps.arrived(row, source) {
            return;
        }
        if let Some(predicates) = &mut self.predicates {
            predicates.see(row);
        }
        self.tap.see(row, |pid| self.names.comm(pid));
        if self.push(source, bytes) {
            self.stored += 1;
        } else {
            // The number arrived, so the gap tracker will not miss it: told here.
            self.lost(&Gap {
                cpu: row.cpu(),
                source,
                first_seq: row.seq(),
                count: 1,
                from_ns: row.start_ns(),
                to_ns: row.end_ns,
                cause: LossCause::HeadOverrun,
            });
        }
        self.newest_ns = self.newest_ns.max(row.end_ns);
    }

    /// Lets the other threads see what this turn stored: once a turn, not once an event.
    pub fn publish(&mut self) {
        self.tell_losses();
        self.progress.stored.store(self.stored, Relaxed);
        self.progress.newest_ns.store(self.newest_ns, Relaxed);
        let used = [self.names.highest().into(), self.stacks.highest().into(), self.meta_seq];
        if let Some(reserve) = &mut self.reserve {
            reserve.keep_ahead(used);
        }
        if let Some(predicates) = &mut self.predicates {
            predicates.turn(crate::clock::boot_ns());
        }
        self.tap.turn(crate::clock::boot_ns());
    }

    // A rate of launches that falls now falls because less is recorded.
    fn disturb(&mut self) {
        if let Some(predicates) = &mut self.predicates {
            predicates.disturb();
        }
    }

    // Hands the slot on when it is full. Meta rows go first: what they name must be in the segment before.
    fn push(&mut self, source: Source, bytes: &[u8; ROW_BYTES]) -> bool {
        // What was lost before is told before anything later is stored: a kill between the two would leave a
        // hole that nobody explains. While nothing can be stored, losses add up to few rows.
        if !self.untold.is_empty() && self.head.has_room(source) {
            self.tell_losses();
        }
        if !self.untold.is_empty() {
            return false;
        }
        if self.head.is_full(source) {
            self.seal(source);
        }
        self.head.push(source, bytes)
    }

    /// Seals a source's slot, and the meta rows before it.
    pub fn seal(&mut self, source: Source) {
        let before = (source != Source::Meta && self.head.may_seal_meta()).then_some(Source::Meta);
        for source in before.into_iter().chain([source]) {
            if let Some(job) = self.head.take(source)
                && self.seal.send(job).is_err()
            {
                crate::journal::error("the sealer is gone; rows stay in the head until the next start");
            }
        }
    }

    /// Seals every slot whose first row ended before `before_ns`, boottime.
    pub fn seal_older_than(&mut self, before_ns: u64) {
        for source in Source::ALL {
            if self.head.oldest_ns(source).is_some_and(|first| first < before_ns) {
                self.seal(source);
            }
        }
    }

    /// Leaves a head with a page that cannot be had: what is in it is sealed as far as it can be read, and
    /// recording goes on in a new one.
    pub fn mend_head(&mut self) {
        if !self.head.is_broken() || self.mended.is_some_and(|at| at.elapsed() < MEND_INTERVAL) {
            return;
        }
        self.mended = Some(Instant::now());
        crate::journal::error("a page of the mapped head cannot be had; check the disk; a new head is made");
        for source in Source::ALL {
            self.seal(source);
        }
        if let Err(e) = self.head.renew() {
            crate::journal::error(&e.to_string());
        }
    }

    fn task(&mut self, task: &[u8; TASK_BYTES], since_ns: u64) {
        let mut r = Reader::new("task", task);
        if let (Ok(pid), Ok(tid), Ok(comm)) = (r.u32(), r.u32(), r.array::<COMM_LEN>())
            && tid != 0
        {
            self.name(pid, tid, comm, since_ns);
        }
    }

    fn name(&mut self, pid: u32, tid: u32, comm: [u8; COMM_LEN], since_ns: u64) {
        if let Some(end_ns) = self.names.new_task(pid, tid, comm, since_ns) {
            if pid == tid {
                self.tap.named(pid, text(&comm));
            }
            let (arg0, arg1) = halves(&comm);
            self.meta(Row { end_ns, pid, tid, arg0, arg1, op: ops::TASK_NAME, ..Row::default() });
        }
    }

    // The row as the ring has it: with an id of ours for its stack.
    fn with_stack(&mut self, bytes: &[u8; ROW_BYTES], mut row: Row, pid: u32, taken_ns: u64) {
        if row.stack == 0 {
            self.event(bytes, &row);
            return;
        }
        let (id, parts) = match self.stacks.resolve(row.stack, pid, taken_ns) {
            Meaning::Known(id) => (id, Vec::new()),
            Meaning::New(id, frames) => (id, frames),
            Meaning::Lost => (0, Vec::new()),
        };
        if !parts.is_empty() {
            let at = |part: &[u64], i| part.get(i).copied().unwrap_or(0);
            let pairs: Vec<[u64; 2]> = parts.chunks(2).map(|part| [at(part, 0), at(part, 1)]).collect();
            self.parts(ops::STACK_PART, pid, id, row.end_ns, &pairs);
        }
        row.stack = id;
        if id == 0 && pid == 0 {
            row.flags |= STACK_LOST;
        }
        self.event(&row.to_bytes(0), &row);
    }

    fn launched(&mut self, row: &Row) {
        match self.names.host_function_name(row.pid, row.arg1) {
            Some(HostFunction::Named(name)) => self.handle(row.pid, row.arg0, row.end_ns, &name),
            found => {
                let name_at = if let Some(HostFunction::NamedAt(address)) = found { address } else { 0 };
                let (pid, handle, host_function) = (row.pid, row.arg0, row.arg1);
                let unnamed = Unnamed { pid, handle, host_function, name_at };
                let _ = self.unnamed.as_ref().map(|to| to.send(unnamed));
            }
        }
    }

    fn handle(&mut self, pid: u32, handle: u64, end_ns: u64, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let (id, _) = self.names.text(text);
        if self.names.new_handle(pid, handle, id) {
            // Also if it was told before: segments keep the names of handles, not the texts that nothing bears.
            self.tell_text(id, text, end_ns);
            let op = ops::HANDLE_NAME;
            self.meta(Row { end_ns, pid, arg0: handle, op, stack: id, ..Row::default() });
        }
    }

    // The id of a text, which is told when it is new.
    fn text(&mut self, text: &[u8], end_ns: u64) -> u32 {
        let (id, new) = self.names.text(text);
        if new {
            self.tell_text(id, text, end_ns);
        }
        id
    }

    fn tell_text(&mut self, id: u32, text: &[u8], end_ns: u64) {
        let parts: Vec<[u64; 2]> = text
            .chunks(16)
            .map(|chunk| {
                let mut padded = [0; 16];
                padded.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
                halves(&padded).into()
            })
            .collect();
        self.parts(ops::TEXT_PART, 0, id, end_ns, &parts);
    }

    fn parts(&mut self, op: u16, pid: u32, id: u32, end_ns: u64, parts: &[[u64; 2]]) {
        for (i, [arg0, arg1]) in parts.iter().enumerate() {
            let (flags, ret) = (parts.len() as u16, i as i32);
            let (arg0, arg1, stack) = (*arg0, *arg1, id);
            self.meta(Row { end_ns, pid, arg0, arg1, op, flags, ret, stack, ..Row::default() });
        }
    }

    /// Writes what another thread found out.
    pub fn news(&mut self, news: News) {
        match news {
            // The kernel may have told a newer name meanwhile: only a thread without one is named from here.
            News::Name { pid, tid, .. } if self.names.knows(pid, tid) => {}
            News::Name { pid, tid, comm } => {
                let mut padded = [0; COMM_LEN];
                padded.iter_mut().zip(comm.bytes().take(COMM_LEN - 1)).for_each(|(to, from)| *to = from);
                self.name(pid, tid, padded, crate::clock::boot_ns());
            }
            News::Covered { pid, start_ns, since_ns, inode } => {
                let (arg0, arg1) = (start_ns, inode);
                self.meta(Row { end_ns: since_ns, pid, arg0, arg1, op: ops::COVERED, ..Row::default() });
            }
            News::HandleName { pid, handle, name } => {
                self.handle(pid, handle, crate::clock::boot_ns(), name.as_bytes());
            }
            News::Sample { at_ns, pid, name, value } => {
                let (stack, arg0) = (self.text(name.as_bytes(), at_ns), value.to_bits());
                self.meta(Row { end_ns: at_ns, pid, arg0, op: ops::SAMPLE, stack, ..Row::default() });
            }
            News::Budget(change) => self.budget(&change),
            News::Annotation { told_ns, begin_ns, dur_ns, pid, sender_pid, sender_uid, labels } => {
                let (arg0, arg1, tid, ret) = (begin_ns, dur_ns, sender_pid, sender_uid.cast_signed());
                let op = ops::ANNOTATION;
                let row = Row { end_ns: told_ns, pid, tid, arg0, arg1, op, ret, ..Row::default() };
                self.annotation(row, &labels);
            }
            News::Lost(gap) => self.lost(&gap),
            News::MetaLost(gaps) => {
                self.names.forget_written();
                self.stacks.forget();
                gaps.iter().for_each(|gap| self.remember(gap));
            }
        }
    }

    // Few are told twice, so that a memory of them would only fill: each has a text of its own.
    fn annotation(&mut self, row: Row, labels: &str) {
        let Some(stack) = self.names.passing_text() else {
            self.progress.lose((Source::Meta, LossCause::HeadOverrun), 1);
            return;
        };
        self.tell_text(stack, labels.as_bytes(), row.end_ns);
        self.meta(Row { stack, ..row });
    }

    fn budget(&mut self, change: &BudgetChange) {
        self.disturb();
        self.meta(Row {
            end_ns: change.at_ns,
            pid: change.pid,
            tid: change.tid,
            arg0: change.calls_per_second,
            arg1: change.cost_ppm,
            op: ops::BUDGET,
            flags: 1 << change.lane as u16,
            ret: (change.to as i32) | (change.from as i32) << 8,
            ..Row::default()
        });
    }

    /// Makes room where tables fill up; once a turn.
    pub fn tidy(&mut self) {
        self.stacks.make_room();
    }

    /// Notes both clocks, so that a step of the wall clock can be seen later.
    pub fn anchor(&mut self) {
        let now = crate::clock::anchor();
        let (arg0, arg1) = (now.real_ns, now.uncertainty_ns);
        self.meta(Row { end_ns: now.boot_ns, arg0, arg1, op: ops::ANCHOR, ..Row::default() });
    }

    fn meta(&mut self, mut row: Row) -> bool {
        row.origin = origin(META_CPU, self.meta_seq);
        if self.head.is_full(Source::Meta) {
            self.seal(Source::Meta);
        }
        let written = self.head.push(Source::Meta, &row.to_bytes(0));
        self.meta_seq += u64::from(written);
        // A loss waits for its turn; anything else is lost itself.
        if !written && row.op != ops::LOSS {
            self.progress.lose((Source::Meta, LossCause::HeadOverrun), 1);
        }
        written
    }
}

// A string that ends at its first zero byte.
fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

fn halves(bytes: &[u8; 16]) -> (u64, u64) {
    let (low, high) = bytes.split_at(8);
    let word = |half: &[u8]| half.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
    (word(low), word(high))
}

mod losses;
#[cfg(test)]
mod tests;
