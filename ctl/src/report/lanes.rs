//! Which threads get a lane, and what is written of each.

use std::{cmp::Reverse, collections::BTreeSet};

use serde_json::{Value, json};

use super::{
    collect::Collected,
    longest::Longest,
    names::Used,
    thread::{Call, OffCpu, Thread},
};
use crate::investigate::Finding;

/// Most lanes.
const MAX_LANES: usize = 16;
/// Of them, threads that make no CUDA calls but wake those that do.
const MAX_FEEDERS: usize = 4;
/// Names of a lane's preemptors; what others took is in the kind "runnable" alone.
const MAX_PREEMPTORS: usize = 8;

/// How much may be written.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Buckets of all lanes.
    pub buckets: usize,
    /// Single calls of all lanes.
    pub calls: usize,
    /// Single intervals of all lanes.
    pub off_cpu: usize,
    /// First uses of all lanes.
    pub first_uses: usize,
}

impl Budget {
    /// What fits a page by far, in all but strange cases.
    pub const FULL: Self = Self { buckets: 65_536, calls: 32_768, off_cpu: 16_384, first_uses: 4096 };

    /// Half of it.
    #[must_use]
    pub fn half(self) -> Self {
        Self {
            buckets: self.buckets / 2,
            calls: self.calls / 2,
            off_cpu: self.off_cpu / 2,
            first_uses: self.first_uses / 2,
        }
    }
}

/// Threads with a lane, by importance, and why: `cuda`, `finding`, `wakes`.
#[must_use]
pub fn chosen(all: &Collected, findings: &[Finding]) -> Vec<(usize, &'static str)> {
    let found =
        |t: &Thread| findings.iter().position(|f| f.tid == t.tid && f.pid == t.pid && f.node == t.node);
    let mut order: Vec<(usize, &Thread)> = all.threads.iter().enumerate().collect();
    let off_ns = |t: &Thread| t.stacks.values().map(|s| s.ns).fold(0, i64::saturating_add);
    order.sort_by_key(|(_, t)| {
        let rank = found(t).unwrap_or(usize::MAX);
        (rank, Reverse(t.calls.seen()), Reverse(off_ns(t)), t.pid, t.tid)
    });
    let any_cuda = order.iter().any(|(_, t)| t.calls_cuda());
    let mut lanes: Vec<(usize, &'static str)> = order
        .iter()
        .filter(|(_, t)| t.calls_cuda() || found(t).is_some() || !any_cuda)
        .map(|(i, t)| (*i, if t.calls_cuda() { "cuda" } else { "finding" }))
        .take(MAX_LANES - MAX_FEEDERS)
        .collect();
    let own: BTreeSet<usize> = lanes.iter().map(|(i, _)| *i).collect();
    lanes.extend(
        feeders(all, &lanes).into_iter().filter(|i| !own.contains(i)).take(MAX_FEEDERS).map(|i| (i, "wakes")),
    );
    lanes
}

/// Threads that ended waits of those with a lane, by length of these.
fn feeders(all: &Collected, lanes: &[(usize, &'static str)]) -> Vec<usize> {
    let mut woken: std::collections::BTreeMap<u32, i64> = std::collections::BTreeMap::new();
    for (place, sum) in lanes.iter().filter_map(|(i, _)| all.threads.get(*i)).flat_map(|t| &t.woken) {
        let ns = woken.entry(*place).or_default();
        *ns = ns.saturating_add(sum.ns);
    }
    let mut wakers: Vec<(i64, u32)> = woken.into_iter().map(|(place, ns)| (ns, place)).collect();
    wakers.sort_by_key(|(ns, place)| (Reverse(*ns), *place));
    let is =
        |t: &Thread, (node, pid, tid): &(String, u32, u32)| (&t.node, t.pid, t.tid) == (node, *pid, *tid);
    let thread = |place: &u32| all.peers.get(place).and_then(|p| all.threads.iter().position(|t| is(t, p)));
    wakers.iter().filter_map(|(_, place)| thread(place)).collect()
}

/// Writes one thread for the page.
#[must_use]
pub fn lane(thread: &Thread, why: &str, shift: u32, each: Budget, used: &mut Used<'_>) -> Value {
    let (mut calls, mut off_cpu) = (thread.calls.clone(), thread.off_cpu.clone());
    let mut first_uses = thread.first_uses.clone();
    calls.thin(each.calls);
    off_cpu.thin(each.off_cpu);
    first_uses.thin(each.first_uses);
    let columns = |cells: &[super::grid::Cells]| cells.iter().map(|c| c.columns(shift)).collect::<Vec<_>>();
    let mut by_length: Vec<_> = thread.preempted.iter().collect();
    by_length.sort_by_key(|(place, (sum, _))| (Reverse(sum.ns), **place));
    let preempted: Vec<Value> = by_length
        .into_iter()
        .take(MAX_PREEMPTORS)
        .map(|(place, (sum, cells))| json!({"by": used.place(*place), "ns": sum.ns, "cells": cells.columns(shift)}))
        .collect();
    json!({
        "node": thread.node, "pid": thread.pid, "tid": thread.tid, "comm": thread.comm, "why": why,
        "calls_in": columns(&thread.in_calls), "launches": thread.launches.columns(shift),
        "waits": columns(&thread.waits), "preempted": preempted,
        "calls": written_calls(&calls, used), "first_uses": written_calls(&first_uses, used),
        "off_cpu": written_off_cpu(&off_cpu, used),
    })
}

/// Calls in columns; begins are given as distances from the one before, kernels as place + 1.
fn written_calls(calls: &Longest<Call>, used: &mut Used<'_>) -> Value {
    let kept = calls.kept();
    let column = |value: &mut dyn FnMut(&Call) -> i64| kept.iter().map(value).collect::<Vec<i64>>();
    let mut before = 0;
    json!({
        "seen": calls.seen(), "stretch_ns": calls.stretch_ns(),
        "ts": column(&mut |c| { let gap = c.ts_ns.saturating_sub(before); before = c.ts_ns; gap }),
        "dur": column(&mut |c| c.dur_ns), "kind": column(&mut |c| c.kind as i64),
        "op": column(&mut |c| used.place(c.op)),
        "kernel": column(&mut |c| c.kernel.map_or(0, |kernel| used.place(kernel) + 1)),
        "first": column(&mut |c| i64::from(c.first_use)), "off": column(&mut |c| c.off_cpu_ns),
    })
}

/// Intervals likewise; of other threads the place + 1.
fn written_off_cpu(off_cpu: &Longest<OffCpu>, used: &mut Used<'_>) -> Value {
    let kept = off_cpu.kept();
    let column = |value: &mut dyn FnMut(&OffCpu) -> i64| kept.iter().map(value).collect::<Vec<i64>>();
    let mut before = 0;
    json!({
        "seen": off_cpu.seen(), "stretch_ns": off_cpu.stretch_ns(),
        "ts": column(&mut |o| { let gap = o.ts_ns.saturating_sub(before); before = o.ts_ns; gap }),
        "dur": column(&mut |o| o.dur_ns), "runqueue": column(&mut |o| o.runqueue_ns),
        "wait": column(&mut |o| o.wait as i64),
        "waker": column(&mut |o| o.waker.map_or(0, |w| used.place(w) + 1)),
        "preemptor": column(&mut |o| o.preemptor.map_or(0, |p| used.place(p) + 1)),
        "stack": column(&mut |o| o.stack.unwrap_or(0)),
    })
}
