//! `get_off_cpu`: why threads did not run (shapes S6, S7, S8).

use std::collections::BTreeMap;

use foldhash::HashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::frames;
use crate::{
    mcp::{
        answer::Told,
        desk::{self, ALWAYS, Desk, MOST_ROWS, Names},
        refusal::Refusal,
        sums::Sums,
    },
    sqlite::{IntervalRow, Span, Take},
};

pub(super) const ABOUT: &str = "Off-CPU time of threads, grouped: `stack` (kernel stack where the CPU was left), `waker` \
(who woke it), `preemptor` (who had its CPU while it wanted to run) or `state`. Groups and remainder sum to the total. \
Sleeping threads are off-CPU all the time: this alone explains nothing, compare with get_causal_chains.";

/// Groups that are told.
const GROUPS: usize = 40;
/// Threads that are told.
const THREADS: usize = 20;

/// Parameters.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Params {
    /// Only this process.
    #[serde(default)]
    pid: Option<u32>,
    /// Only this thread.
    #[serde(default)]
    tid: Option<u32>,
    /// Only the last so long before the window's END, e.g. 30s.
    #[serde(default)]
    since: Option<String>,
    /// stack (default), waker, preemptor or state.
    #[serde(default)]
    group: Option<String>,
}

/// A group of intervals.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Group {
    /// The state, or the task as comm/pid, or the innermost frames; `not recorded` where that is so.
    key: String,
    /// The task's process.
    pid: Option<u32>,
    /// The task's thread.
    tid: Option<u32>,
    /// The stack.
    stack_id: Option<i64>,
    /// Its frames, innermost first.
    frames: Vec<String>,
    count: i64,
    total_ns: i64,
    mean_ns: i64,
    max_ns: i64,
    /// Time the thread could have run in, ns.
    runqueue_ns: i64,
    /// Of the total.
    share_per_mille: i64,
}

/// Sums over intervals.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Total {
    count: i64,
    total_ns: i64,
    max_ns: i64,
    runqueue_ns: i64,
    /// Intervals that began while the thread wanted to run.
    preempted_count: i64,
}

/// A thread.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ThreadTotal {
    node: String,
    pid: u32,
    tid: u32,
    comm: String,
    count: i64,
    total_ns: i64,
    max_ns: i64,
    runqueue_ns: i64,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Body {
    /// What was grouped by.
    group: String,
    /// Over all intervals.
    total: Total,
    /// By time.
    groups: Vec<Group>,
    /// What is in no group above.
    remainder: Total,
    /// By time.
    threads: Vec<ThreadTotal>,
    /// Threads before the list was cut.
    threads_total: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Stack,
    Waker,
    Preemptor,
    State,
}

fn by(text: Option<&str>) -> Result<(By, &'static str), Refusal> {
    match text.unwrap_or("stack") {
        "" | "stack" => Ok((By::Stack, "stack")),
        "waker" => Ok((By::Waker, "waker")),
        "preemptor" => Ok((By::Preemptor, "preemptor")),
        "state" => Ok((By::State, "state")),
        other => {
            Err(Refusal::new(format!("group `{other}` is not known; write stack, waker, preemptor or state")))
        }
    }
}

/// The name of a state.
pub(super) fn state(preempted: bool, bits: i32, states: &BTreeMap<i32, String>) -> String {
    if preempted {
        return "runnable".to_owned();
    }
    let known = states.get(&bits).filter(|s| *s != "unknown");
    known.cloned().unwrap_or_else(|| "not recorded".to_owned())
}

/// What a group is of: a number of a dictionary, or a state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    NotRecorded,
    Task(i64),
    Stack(i64),
    State(bool, i32),
}

fn key(by: By, i: &IntervalRow) -> Key {
    let task = |id: Option<i64>| id.map_or(Key::NotRecorded, Key::Task);
    match by {
        By::Stack => i.stack.map_or(Key::NotRecorded, Key::Stack),
        By::Waker => task(i.waker),
        By::Preemptor => task(i.preemptor),
        By::State => Key::State(i.preempted, i.state),
    }
}

fn total(sums: &mut Sums) -> Total {
    Total {
        count: sums.count,
        total_ns: sums.total_ns,
        max_ns: sums.max_ns(),
        runqueue_ns: sums.runqueue_ns,
        preempted_count: sums.preempted_count,
    }
}

pub(super) fn run(desk: &Desk, params: Params) -> Result<Told<Body>, Refusal> {
    let (by, name) = by(params.group.as_deref())?;
    let span = desk.since(params.since.as_deref())?;
    let asked = span.unwrap_or(ALWAYS);
    let names = desk.names()?;
    let intervals = desk.scan.intervals(asked, Take::Latest(MOST_ROWS))?;
    let (pid, tid) = (desk::process(params.pid), desk::process(params.tid));
    let wanted = |i: &&IntervalRow| {
        let task = names.task(i.task);
        pid.is_none_or(|p| task.pid == p) && tid.is_none_or(|t| task.tid == t)
    };
    let (mut groups, mut threads) = (HashMap::<Key, Sums>::default(), HashMap::<i64, Sums>::default());
    let mut all = Sums::default();
    for i in intervals.rows.iter().filter(wanted) {
        // Of a thread that was not preempted nobody had its CPU.
        if by != By::Preemptor || i.preempted {
            groups.entry(key(by, i)).or_default().interval(i);
        }
        threads.entry(i.task).or_default().interval(i);
        all.interval(i);
    }
    let total = total(&mut all);
    let (groups, remainder) = ranked(desk, &names, groups, &total)?;
    let (threads, threads_total) = by_thread(&names, threads);
    let body = Body { group: name.to_owned(), total, groups, remainder, threads, threads_total };
    let narrowed = intervals.span.from_ns > asked.from_ns;
    let looked_at = desk.inside(Span { from_ns: intervals.span.from_ns, to_ns: i64::MAX });
    let told =
        Told { span: (span.is_some() || narrowed).then_some(looked_at), narrowed, ..Told::whole(body) };
    Ok(match by {
        By::Preemptor => told.note("only intervals that began while the thread wanted to run are in groups; a preemptor is who got the CPU first, others may have followed"),
        _ => told,
    })
}

fn ranked(
    desk: &Desk,
    names: &Names,
    groups: HashMap<Key, Sums>,
    total: &Total,
) -> Result<(Vec<Group>, Total), Refusal> {
    let states = desk.scan.states()?;
    let mut groups: Vec<(Key, Sums)> = groups.into_iter().collect();
    groups.sort_by(|a, b| b.1.total_ns.cmp(&a.1.total_ns).then_with(|| a.0.cmp(&b.0)));
    groups.truncate(GROUPS);
    let mut remainder = Total { max_ns: 0, ..*total };
    let mut told = Vec::new();
    for (key, mut sums) in groups {
        remainder.count -= sums.count;
        remainder.total_ns -= sums.total_ns;
        remainder.runqueue_ns -= sums.runqueue_ns;
        remainder.preempted_count -= sums.preempted_count;
        told.push(group(desk, names, &states, key, &mut sums, total)?);
    }
    Ok((told, remainder))
}

fn group(
    desk: &Desk,
    names: &Names,
    states: &BTreeMap<i32, String>,
    key: Key,
    sums: &mut Sums,
    total: &Total,
) -> Result<Group, Refusal> {
    let mut group = Group {
        key: "not recorded".to_owned(),
        pid: None,
        tid: None,
        stack_id: None,
        frames: Vec::new(),
        count: sums.count,
        total_ns: sums.total_ns,
        mean_ns: sums.mean_ns(),
        max_ns: sums.max_ns(),
        runqueue_ns: sums.runqueue_ns,
        share_per_mille: (i128::from(sums.total_ns) * 1_000 / i128::from(total.total_ns.max(1))) as i64,
    };
    match key {
        Key::NotRecorded => {}
        Key::State(preempted, bits) => group.key = state(preempted, bits, states),
        Key::Task(id) => {
            let task = names.task(id);
            group.key = format!("{}/{}", if task.comm.is_empty() { "?" } else { &task.comm }, task.pid);
            (group.pid, group.tid) = (Some(task.pid), Some(task.tid));
        }
        Key::Stack(id) => {
            group.frames = frames::lines(desk, id)?.1;
            group.key = group.frames.iter().take(3).cloned().collect::<Vec<_>>().join(" <- ");
            group.stack_id = Some(id);
        }
    }
    Ok(group)
}

fn by_thread(names: &Names, threads: HashMap<i64, Sums>) -> (Vec<ThreadTotal>, usize) {
    let mut merged: BTreeMap<(&str, u32, u32), (i64, Sums)> = BTreeMap::new();
    for (id, sums) in threads {
        let task = names.task(id);
        let entry = merged.entry((&task.node, task.pid, task.tid)).or_default();
        entry.0 = entry.0.max(id);
        entry.1.merge(sums);
    }
    let mut threads: Vec<ThreadTotal> = merged
        .into_iter()
        .map(|((node, pid, tid), (id, mut sums))| ThreadTotal {
            node: node.to_owned(),
            pid,
            tid,
            comm: names.task(id).comm.clone(),
            count: sums.count,
            total_ns: sums.total_ns,
            max_ns: sums.max_ns(),
            runqueue_ns: sums.runqueue_ns,
        })
        .collect();
    threads.sort_by_key(|t| (std::cmp::Reverse(t.total_ns), t.pid, t.tid));
    let all = threads.len();
    threads.truncate(THREADS);
    (threads, all)
}
