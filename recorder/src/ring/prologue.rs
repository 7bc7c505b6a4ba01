//! Keeping the state record up to date: what the next segment must say at its beginning.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ingero_format::{
    Row,
    ops::{self, Source},
    row::META_CPU,
    state::{Account, Handle, Owner, Stack, State, Task, Text},
};

use crate::discover::Registry;

/// Tasks named in a prologue. The drain writes every name anew after half as many, so what is dropped here,
/// the names told longest ago, comes again if it is still used.
const MAX_TASKS: usize = 1 << 15;

/// Stacks in a prologue, and pairs of addresses in them, 8 MiB of a record that may have 16. Beyond it those told
/// longest ago go: the drain tells a stack anew after 32,768 others.
const MAX_STACKS: usize = 1 << 16;
const MAX_STACK_PAIRS: usize = 1 << 19;
/// Names of sampled quantities in a prologue; a host has some hundreds. Beyond it the half that was sampled
/// longest ago goes: containers and engines that are no more.
const MAX_SAMPLED: usize = 1 << 13;
/// Newest texts in a prologue whether or not anything bears them yet.
const TOLD_LAST: usize = 32;
/// Texts remembered; beyond it those go that name nothing any more.
const MAX_TEXTS: usize = 1 << 17;

#[derive(Clone, Debug, Default)]
struct Parts(Vec<[u64; 2]>);

impl Parts {
    fn set(&mut self, row: &Row) {
        let index = usize::try_from(row.ret).unwrap_or(usize::MAX).min(1024);
        if self.0.len() <= index {
            self.0.resize(index + 1, [0, 0]);
        }
        if let Some(place) = self.0.get_mut(index) {
            *place = [row.arg0, row.arg1];
        }
    }

    fn of_text(text: &str) -> Self {
        let word = |half: &[u8]| {
            let mut bytes = [0; 8];
            bytes.iter_mut().zip(half).for_each(|(to, from)| *to = *from);
            u64::from_le_bytes(bytes)
        };
        let pair = |chunk: &[u8]| {
            let (low, high) = chunk.split_at(chunk.len().min(8));
            [word(low), word(high)]
        };
        Self(text.as_bytes().chunks(16).map(pair).collect())
    }

    fn words(&self) -> impl Iterator<Item = u64> {
        self.0.iter().flatten().copied().take_while(|w| *w != 0)
    }

    fn text(&self) -> String {
        let bytes: Vec<u8> =
            self.0.iter().flatten().flat_map(|w| w.to_le_bytes()).take_while(|b| *b != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// What rows written so far have told.
#[derive(Clone, Debug, Default)]
pub struct Prologue {
    accounts: BTreeMap<(u16, u8), Account>,
    tasks: BTreeMap<u32, Task>,
    stacks: BTreeMap<u32, Parts>,
    texts: BTreeMap<u32, Parts>,
    handles: BTreeMap<(u32, u64), u32>,
    named: BTreeMap<(u32, u64), String>,
    /// Texts that name sampled quantities, and when each was last sampled, boottime ns.
    sampled: BTreeMap<u32, u64>,
    /// Pairs of addresses in them.
    stack_pairs: usize,
    /// Processes of the stacks that are of user code.
    owners: BTreeMap<u32, u32>,
    registry: Arc<Registry>,
}

impl Prologue {
    /// Nothing known yet; processes are taken from the registry.
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Self {
        Self { registry, ..Self::default() }
    }

    /// Goes on from a state record of the same epoch.
    pub fn restore(&mut self, state: State) {
        self.accounts = state.accounts.into_iter().map(|a| ((a.cpu, a.source), a)).collect();
        self.tasks = state.tasks.into_iter().map(|t| (t.tid, t)).collect();
        for stack in state.stacks {
            let pair = |c: &[u64]| [c.first().copied().unwrap_or(0), c.get(1).copied().unwrap_or(0)];
            let parts = Parts(stack.frames.chunks(2).map(pair).collect());
            self.stack_pairs += parts.0.len();
            self.stacks.insert(stack.id, parts);
        }
        self.owners = state.owners.iter().map(|o| (o.stack, o.pid)).collect();
        self.sampled = state.texts.iter().map(|t| (t.id, 0)).collect();
        self.texts = state.texts.iter().map(|t| (t.id, Parts::of_text(&t.text))).collect();
        self.named = state.handles.into_iter().map(|h| ((h.pid, h.handle), h.name)).collect();
    }

    /// Learns from rows of one source that were written into a frame.
    pub fn learn(&mut self, source: Source, rows: &[Row]) {
        if source == Source::Meta {
            rows.iter().for_each(|row| self.learn_meta(row));
            return;
        }
        // Runs of one CPU are long: the account is looked up once for each.
        for run in rows.chunk_by(|a, b| a.cpu() == b.cpu()) {
            if let Some(first) = run.first() {
                self.account(first.cpu(), source as u8).stored += run.len() as u64;
            }
        }
        if source == Source::Process {
            rows.iter().filter(|row| row.op == ops::EXIT).for_each(|row| self.forget(row.pid));
        }
    }

    fn learn_meta(&mut self, row: &Row) {
        match row.op {
            ops::TASK_NAME => {
                let comm = Parts(vec![[row.arg0, row.arg1]]).text();
                self.tasks.insert(row.tid, Task { pid: row.pid, tid: row.tid, since_ns: row.end_ns, comm });
                if self.tasks.len() > MAX_TASKS {
                    self.forget_oldest();
                }
            }
            ops::STACK_PART => {
                let parts = self.stacks.entry(row.stack).or_default();
                let before = parts.0.len();
                parts.set(row);
                self.stack_pairs += parts.0.len() - before;
                if row.pid != 0 {
                    self.owners.insert(row.stack, row.pid);
                }
                self.forget_stacks();
            }
            ops::TEXT_PART => {
                self.texts.entry(row.stack).or_default().set(row);
                if self.texts.len() > MAX_TEXTS {
                    self.forget_texts(row.stack);
                }
            }
            ops::HANDLE_NAME => {
                self.handles.insert((row.pid, row.arg0), row.stack);
            }
            ops::SAMPLE => {
                self.sampled.insert(row.stack, row.end_ns);
                if self.sampled.len() > MAX_SAMPLED {
                    let mut times: Vec<u64> = self.sampled.values().copied().collect();
                    let median = *times.select_nth_unstable(MAX_SAMPLED / 2).1;
                    self.sampled.retain(|_, at_ns| *at_ns >= median);
                }
            }
            // Its text has been borne and is not borne again.
            ops::ANNOTATION => {
                self.texts.remove(&row.stack);
                self.sampled.remove(&row.stack);
            }
            ops::LOSS if row.tid != u32::from(META_CPU) => {
                self.account(row.tid as u16, row.flags as u8).lost += row.arg0;
            }
            _ => {}
        }
    }

    fn account(&mut self, cpu: u16, source: u8) -> &mut Account {
        self.accounts.entry((cpu, source)).or_insert(Account { cpu, source, ..Account::default() })
    }

    fn forget_oldest(&mut self) {
        let mut since: Vec<u64> = self.tasks.values().map(|t| t.since_ns).collect();
        let (_, median, _) = since.select_nth_unstable(MAX_TASKS / 2);
        let median = *median;
        self.tasks.retain(|_, task| task.since_ns >= median);
    }

    fn forget_stacks(&mut self) {
        while self.stacks.len() > MAX_STACKS || self.stack_pairs > MAX_STACK_PAIRS {
            let Some((id, parts)) = self.stacks.pop_first() else { return };
            self.stack_pairs -= parts.0.len();
            self.owners.remove(&id);
        }
    }

    // The newest may not be named by anything yet.
    fn forget_texts(&mut self, newest: u32) {
        let named: BTreeSet<u32> = self.handles.values().copied().collect();
        let sampled = &self.sampled;
        self.texts
            .retain(|id, _| named.contains(id) || sampled.contains_key(id) || newest.abs_diff(*id) < 1 << 10);
    }

    // Segments already written still name the process; new ones need not.
    fn forget(&mut self, pid: u32) {
        self.tasks.retain(|_, task| task.pid != pid);
        self.handles.retain(|(of, _), _| *of != pid);
        self.named.retain(|(of, _), _| *of != pid);
    }

    /// The accounts of the epoch.
    #[must_use]
    pub fn accounts(&self) -> Vec<Account> {
        self.accounts.values().copied().collect()
    }

    /// The same with processes from another registry.
    #[must_use]
    pub fn with_registry(self, registry: Arc<Registry>) -> Self {
        Self { registry, ..self }
    }

    /// The record for a segment that begins now.
    #[must_use]
    pub fn state(&self) -> State {
        let mut named = self.named.clone();
        for (key, text) in &self.handles {
            if let Some(text) = self.texts.get(text) {
                named.insert(*key, text.text());
            }
        }
        // What was told last may be borne by a row that is still to come.
        let borne: BTreeSet<u32> = self.handles.values().copied().collect();
        let told_last = self.texts.keys().rev().take(TOLD_LAST).filter(|id| !borne.contains(id)).copied();
        let texts: BTreeSet<u32> = self.sampled.keys().copied().chain(told_last).collect();
        State {
            accounts: self.accounts(),
            tasks: self.tasks.values().cloned().collect(),
            stacks: self
                .stacks
                .iter()
                .map(|(id, p)| Stack { id: *id, frames: p.words().collect() })
                .collect(),
            handles: named.into_iter().map(|((pid, handle), name)| Handle { pid, handle, name }).collect(),
            processes: self.registry.processes(),
            owners: self.owners.iter().map(|(stack, pid)| Owner { stack: *stack, pid: *pid }).collect(),
            texts: texts
                .into_iter()
                .filter_map(|id| Some(Text { id, text: self.texts.get(&id)?.text() }))
                .collect(),
        }
    }

    /// Events known lost on a source, all CPUs.
    #[must_use]
    pub fn lost(&self, source: Source) -> u64 {
        self.accounts.values().filter(|a| a.source == source as u8).map(|a| a.lost).sum()
    }
}

#[cfg(test)]
mod tests {
    use ingero_format::row;

    use super::*;

    #[test]
    fn names_stacks_and_accounts_reach_the_next_segment() {
        let mut prologue = Prologue::default();
        let word = |s: &[u8; 8]| u64::from_le_bytes(*s);
        let meta = Row { origin: row::origin(META_CPU, 0), ..Row::default() };
        prologue.learn(
            Source::Meta,
            &[
                Row {
                    op: ops::TASK_NAME,
                    pid: 5,
                    tid: 6,
                    arg0: word(b"engine-l"),
                    arg1: word(b"oop\0\0\0\0\0"),
                    ..meta
                },
                Row { op: ops::STACK_PART, stack: 3, ret: 1, flags: 2, arg0: 30, ..meta },
                Row { op: ops::STACK_PART, stack: 3, ret: 0, flags: 2, arg0: 10, arg1: 20, ..meta },
                Row { op: ops::STACK_PART, stack: 4, pid: 5, ret: 0, flags: 1, arg0: 40, ..meta },
                Row { op: ops::TEXT_PART, stack: 9, arg0: word(b"gemm_mlp"), flags: 1, ..meta },
                Row { op: ops::HANDLE_NAME, pid: 5, arg0: 0xabc, stack: 9, ..meta },
                Row {
                    op: ops::TEXT_PART,
                    stack: 10,
                    arg0: word(b"load1{a="),
                    arg1: word(b"\"1\"}\0\0\0\0"),
                    flags: 1,
                    ..meta
                },
                Row { op: ops::SAMPLE, stack: 10, arg0: 1.5f64.to_bits(), ..meta },
                Row { op: ops::LOSS, tid: 1, flags: Source::Cuda as u16, arg0: 4, ..meta },
            ],
        );
        let launch = Row { op: ops::CU_LAUNCH_KERNEL, origin: row::origin(1, 0), ..Row::default() };
        prologue.learn(Source::Cuda, &[launch]);
        let state = prologue.state();
        assert_eq!(state.tasks[0].comm, "engine-loop");
        assert_eq!(state.stacks[0], Stack { id: 3, frames: vec![10, 20, 30] });
        assert_eq!(state.owners, [Owner { stack: 4, pid: 5 }]);
        assert_eq!(state.handles[0].name, "gemm_mlp");
        // A kernel's name stands with its handle; only a quantity's is needed by its id.
        assert_eq!(state.texts, [Text { id: 10, text: "load1{a=\"1\"}".into() }]);
        assert_eq!(state.accounts, [Account { cpu: 1, source: 0, stored: 1, lost: 4 }]);
        let mut again = Prologue::default();
        again.restore(state.clone());
        assert_eq!(again.state(), state);
    }

    #[test]
    fn of_stacks_without_end_the_newest_stay_known_and_the_record_can_be_written() {
        let mut prologue = Prologue::default();
        let last = 60_000;
        for stack in 1..=last {
            let part = |ret| Row {
                op: ops::STACK_PART,
                pid: 7,
                stack,
                ret,
                flags: 32,
                arg0: 1,
                arg1: 2,
                ..Row::default()
            };
            let parts: Vec<Row> = (0..32).map(part).collect();
            prologue.learn(Source::Meta, &parts);
        }
        let state = prologue.state();
        assert_eq!(state.stacks.len(), MAX_STACK_PAIRS / 32);
        assert_eq!(state.stacks.last().map(|s| (s.id, s.frames.len())), Some((last, 64)));
        assert_eq!(state.owners.len(), state.stacks.len());
        assert!(state.to_bytes().is_ok());
    }

    #[test]
    fn a_name_whose_bearer_comes_in_the_next_segment_is_in_its_prologue() {
        let mut prologue = Prologue::default();
        let text = |id| Row { op: ops::TEXT_PART, stack: id, arg0: 97, flags: 1, ..Row::default() };
        (1..100).for_each(|id| prologue.learn(Source::Meta, &[text(id)]));
        let state = prologue.state();
        assert_eq!(state.texts.len(), TOLD_LAST);
        assert!(state.texts.iter().any(|t| t.id == 99 && t.text == "a"));
    }

    #[test]
    fn what_an_annotation_said_is_not_said_again_and_takes_no_room() {
        let mut prologue = Prologue::default();
        for id in 1..1_000 {
            let text = Row { op: ops::TEXT_PART, stack: id, arg0: 97, flags: 1, ..Row::default() };
            let said = Row { op: ops::ANNOTATION, stack: id, ..Row::default() };
            prologue.learn(Source::Meta, &[text]);
            assert!(prologue.state().texts.iter().any(|t| t.id == id), "it may be borne in the next segment");
            let mut again = Prologue::default();
            again.restore(prologue.state());
            for prologue in [&mut prologue, &mut again] {
                prologue.learn(Source::Meta, &[said]);
                assert!(prologue.state().texts.is_empty() && prologue.texts.is_empty());
            }
        }
    }

    #[test]
    fn of_quantities_without_end_those_still_sampled_stay_known() {
        let mut prologue = Prologue::default();
        let text = |id: u32, at: u64| Row {
            op: ops::TEXT_PART,
            stack: id,
            arg0: 97,
            flags: 1,
            end_ns: at,
            ..Row::default()
        };
        let sample = |id: u32, at: u64| Row { op: ops::SAMPLE, stack: id, end_ns: at, ..Row::default() };
        prologue.learn(Source::Meta, &[text(1, 0)]);
        for turn in 0..(2 * MAX_TEXTS as u32) {
            let at = u64::from(turn) + 1;
            let id = turn + 2;
            prologue.learn(Source::Meta, &[text(id, at), sample(id, at), sample(1, at)]);
        }
        let state = prologue.state();
        assert!(state.texts.iter().any(|t| t.id == 1) && state.texts.len() <= MAX_SAMPLED + TOLD_LAST);
        assert!(state.texts.iter().any(|t| t.id == 2 * MAX_TEXTS as u32 + 1));
        assert!(prologue.texts.len() <= MAX_TEXTS);
    }
}
