//! Makes questions of what the drain and the GPU samples noticed: names the process, decides whether it is watched.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::Receiver,
    },
    time::{Duration, Instant},
};

use ingero_format::{
    ops,
    units::{show_count, show_ns},
};

use super::{
    Ask, Refusal, Triggers,
    predicate::{Match, Shared, What},
};
use crate::{
    config::{Config, OomKill},
    discover::Registry,
    lock::lock,
};

/// How often it asks whether it is to stop, and which processes there are: one that ends may be forgotten elsewhere
/// before its end is looked at here.
const POLL: Duration = Duration::from_millis(500);
/// Signals by which people and service managers end a process in order.
const ORDERLY: [u64; 3] = [1, 2, 15];

/// The observing thread's own.
pub struct Observer {
    /// Where questions go.
    pub triggers: Triggers,
    /// Which processes are recorded.
    pub registry: Arc<Registry>,
    /// For matches that did not fit into the channel.
    pub conditions: Shared,
    /// Configuration in force.
    pub config: Arc<Mutex<Config>>,
}

impl Observer {
    /// Takes matches until told to stop.
    pub fn run(self, matches: &Receiver<Match>, stop: &AtomicBool) {
        let (mut names, mut before, mut looked) = (BTreeMap::new(), BTreeMap::new(), Instant::now());
        while !stop.load(Relaxed) {
            let found = matches.recv_timeout(POLL);
            // Of the last two looks: a process that ended between them is in one.
            if looked.elapsed() >= POLL {
                looked = Instant::now();
                let now = self.registry.processes().into_iter().map(|p| (p.pid, p.comm)).collect();
                before = std::mem::replace(&mut names, now);
                for (kind, count) in self.conditions.take_untaken() {
                    let detail = format!("{} matches", show_count(count));
                    self.triggers.refuse_all(kind, Refusal::Overrun, count, &detail);
                }
            }
            if let Ok(found) = found {
                let of = |pid| {
                    let known = self.registry.get(pid).map(|p| p.comm);
                    known.or_else(|| names.get(&pid).cloned()).or_else(|| before.get(&pid).cloned())
                };
                self.take(&found, of);
            }
        }
    }

    fn take(&self, found: &Match, name_of: impl Fn(u32) -> Option<String>) {
        let row = &found.row;
        let pid = if let What::LaunchRate(drop) = found.what { drop.pid } else { row.pid };
        let known = name_of(pid);
        let who = format!("{}/{pid}", known.as_deref().unwrap_or("?"));
        let more = if found.more > 0 {
            format!(", and {} more at once", show_count(found.more))
        } else {
            String::new()
        };
        let op = || ops::by_number(row.op).map_or("?", |op| op.name);
        let reason = match found.what {
            What::Sync => {
                format!("{} of {who} thread {} took {}{more}", op(), row.tid, show_ns(row.dur_ns))
            }
            What::OffCpu => {
                format!("thread {} of {who} was off the CPU for {}{more}", row.tid, show_ns(row.dur_ns))
            }
            What::LaunchRate(drop) => format!(
                "launches of {who} fell to {}/s from {}/s",
                show_count(drop.rate as u64),
                show_count(drop.level as u64)
            ),
            What::OomKill => {
                let any = self.with_config(|c| c.trigger.predicate.oom_kill == OomKill::Any);
                if known.is_none() && !any {
                    return;
                }
                format!("{who} was killed for want of memory{more}")
            }
            What::Exit => {
                // Only processes that use CUDA have a name here; children of theirs, such as compilers, fail all day.
                let (Some(comm), Some(how)) = (&known, abnormal(row.arg0)) else { return };
                if !self.with_config(|c| c.trigger.process.names.iter().any(|pattern| matches(pattern, comm)))
                {
                    return;
                }
                format!("{who} {how}")
            }
        };
        self.triggers.ask(found.what.kind(), Ask { reason, ..Ask::default() });
    }

    fn with_config<T>(&self, ask: impl Fn(&Config) -> T) -> T {
        ask(&lock(&self.config))
    }
}

/// How a process ended, if not in order; `code` as the kernel keeps it.
fn abnormal(code: u64) -> Option<String> {
    let (status, signal) = (code >> 8 & 0xff, code & 0x7f);
    // A shell's word for a command that a signal ended is 128 and its number.
    let orderly = |signal| ORDERLY.contains(&signal);
    match (status, signal) {
        (0, 0) => None,
        (_, signal) if signal != 0 => (!orderly(signal)).then(|| format!("was ended by signal {signal}")),
        (status, _) if status > 128 && orderly(status - 128) => None,
        (status, _) => Some(format!("ended with status {status}")),
    }
}

// `*` stands for any characters, `?` for any one. Without recursion: a pattern of many stars costs the product of the
// lengths, and both are short.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || name.get(n) == Some(c) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                // The star takes one character more.
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

#[cfg(test)]
mod tests;
