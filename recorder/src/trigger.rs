//! Who may ask for a freeze. Every trigger takes one path: [`Triggers::ask`] counts the question, the [`gate`] decides,
//! and what passes goes to the freezer, either as a freeze of its own or joined to one whose window is still open.
//!
//! | module | part |
//! |---|---|
//! | [`kind`] | which triggers there are |
//! | [`gate`] | cool-down, caps, duplicates: decides and counts, without clock or I/O |
//! | [`joint`] | the freeze that others may join |
//! | [`predicate`], [`launch_rate`] | conditions on rows, in the drain |
//! | [`observe`] | turns what they and the samples noticed into questions |
//! | [`webhook`] | alerts over HTTP |
//! | [`ttft`] | an inference engine's time to first token |
//! | [`throttle`], `xid` | what the driver's management library says of the GPUs |
//! | [`watchers`] | starts and stops those that need a thread as the configuration says |

pub mod gate;
pub mod joint;
pub mod kind;
pub mod launch_rate;
pub mod observe;
pub mod predicate;
pub mod throttle;
pub mod ttft;
pub mod watchers;
pub mod webhook;
mod xid;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
};

use ingero_format::{
    control::{RefusalCount, Snapshot, TriggerStatus},
    manifest::Trigger,
};

pub use gate::{Refusal, Verdict};
pub use kind::Kind;

use crate::{
    clock,
    config::Config,
    journal,
    limits::MAX_REASON_BYTES,
    lock::lock,
    printable::{after_colon, shortened},
};
use gate::{Asked, Gate, Rules};
use joint::Joint;

/// Least time between two journal lines about refusals of one trigger for one reason, ns.
const TELL_GAP_NS: u64 = 60_000_000_000;

/// Answer to a request: the snapshot, or why there is none.
pub type Outcome = std::result::Result<Snapshot, String>;

/// A request for a window.
#[derive(Debug)]
pub struct FreezeRequest {
    /// Who asks and why, with the moment.
    pub trigger: Trigger,
    /// Past wanted, ns.
    pub last_ns: u64,
    /// Future wanted, ns.
    pub after_ns: u64,
    /// Where the answer goes, if anybody waits.
    pub reply: Option<Sender<Outcome>>,
    /// A person asks: the window is theirs alone, so that they get what they asked for.
    pub person: bool,
}

/// A question.
#[derive(Debug, Default)]
pub struct Ask {
    /// Why, in words; cut at [`MAX_REASON_BYTES`], control characters replaced.
    pub reason: String,
    /// What tells this occasion from others; the same one fires once. Empty: every question is its own.
    pub fingerprint: String,
    /// Window wanted, past and future in ns; `None`: as `[snapshot]` says.
    pub window: Option<(u64, u64)>,
    /// Where the snapshot goes, if anybody waits.
    pub reply: Option<Sender<Outcome>>,
}

/// Takes questions, counts them, and sends what passes to the freezer.
#[derive(Clone)]
pub struct Triggers {
    requests: Sender<FreezeRequest>,
    config: Arc<Mutex<Config>>,
    /// Taken before `joint`.
    gate: Arc<Mutex<Gate>>,
    told: Arc<Mutex<Told>>,
    joint: Joint,
    /// What is wrong with a trigger, and whether it can work all the same.
    troubles: Arc<Mutex<BTreeMap<Kind, (String, bool)>>>,
}

impl Triggers {
    /// Triggers that reach the freezer through `requests` and `joint`.
    #[must_use]
    pub fn new(requests: Sender<FreezeRequest>, config: Arc<Mutex<Config>>, joint: Joint) -> Self {
        let (gate, told, troubles) = Default::default();
        Self { requests, config, gate, told, joint, troubles }
    }

    /// A person asks; never refused, and never joined to another's window. The outcome comes through the receiver.
    #[must_use]
    pub fn command(&self, last_ns: u64, after_ns: u64, reason: String) -> Receiver<Outcome> {
        let (sender, receiver) = channel();
        let ask = Ask { reason, window: Some((last_ns, after_ns)), reply: Some(sender), ..Ask::default() };
        self.ask(Kind::Command, ask);
        receiver
    }

    /// A failed unit asks; caps hold. The outcome comes through the receiver, also that it was refused.
    #[must_use]
    pub fn unit(&self, last_ns: u64, after_ns: u64, reason: String) -> Receiver<Outcome> {
        let (sender, receiver) = channel();
        let reply = Some(sender.clone());
        let ask = Ask { reason, window: Some((last_ns, after_ns)), reply, ..Ask::default() };
        if let Verdict::Refused(why) = self.ask(Kind::Unit, ask) {
            let _ = sender.send(Err(format!(
                "no snapshot: {}; ask without --unit to have one all the same",
                why.in_words()
            )));
        }
        receiver
    }

    /// SIGUSR1, with the configured window.
    pub fn signal(&self) {
        self.ask(Kind::Signal, Ask { reason: "SIGUSR1".into(), ..Ask::default() });
    }

    /// One question of one trigger. Waits for nothing but short locks.
    pub fn ask(&self, kind: Kind, ask: Ask) -> Verdict {
        let (rules, window) = {
            let config = lock(&self.config);
            (self.rules(&config, kind), (config.snapshot.last.0, config.snapshot.after.0))
        };
        let now_ns = clock::boot_ns();
        let (last_ns, after_ns) = ask.window.unwrap_or(window);
        let reason = shortened(&ask.reason, MAX_REASON_BYTES);
        let mut gate = lock(&self.gate);
        // Held until the request is with the freezer: a freeze cannot close its window in between.
        let mut joint = self.joint.lock();
        let asked = Asked {
            now_ns,
            fingerprint: &ask.fingerprint,
            joinable: joint.is_open(),
            bytes: joint.bytes_within(now_ns, gate::HOUR_NS),
        };
        let verdict = gate.decide(kind, &rules, &asked);
        drop(gate);
        let request = FreezeRequest {
            trigger: Trigger { kind: kind.name().into(), reason: reason.clone(), at_ns: now_ns },
            last_ns,
            after_ns,
            reply: ask.reply,
            person: kind == Kind::Command,
        };
        match verdict {
            Verdict::Fired => {
                if !request.person {
                    joint.open();
                }
                // If the freezer is gone the reply's sender is dropped with the request, which its receiver sees.
                let _ = self.requests.send(request);
            }
            Verdict::Joined => joint.join(request),
            Verdict::Refused(_) => {}
        }
        drop(joint);
        self.tell(kind, &verdict, &reason, now_ns);
        verdict
    }

    /// Counts a question that was none: it could not be read or its asker was not let in.
    pub fn refuse(&self, kind: Kind, why: Refusal, detail: &str) {
        self.refuse_all(kind, why, 1, detail);
    }

    /// The same for several at once.
    pub fn refuse_all(&self, kind: Kind, why: Refusal, count: u64, detail: &str) {
        lock(&self.gate).refuse(kind, why, count);
        self.tell(kind, &Verdict::Refused(why), &shortened(detail, MAX_REASON_BYTES), clock::boot_ns());
    }

    /// Notes that a trigger cannot work, and why; or that it can again.
    pub fn set_broken(&self, kind: Kind, why: Option<String>) {
        self.set_trouble(kind, why.map(|why| (why, false)));
    }

    /// Notes what is wrong with a trigger that works all the same; or that nothing is.
    pub fn set_warning(&self, kind: Kind, why: Option<String>) {
        self.set_trouble(kind, why.map(|why| (why, true)));
    }

    fn set_trouble(&self, kind: Kind, trouble: Option<(String, bool)>) {
        match trouble {
            Some(trouble) => drop(lock(&self.troubles).insert(kind, trouble)),
            None => drop(lock(&self.troubles).remove(&kind)),
        }
    }

    /// What is not as it should be, in words.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        lock(&self.troubles)
            .iter()
            .map(|(kind, (why, _))| format!("trigger {}: {why}", kind.name()))
            .collect()
    }

    fn rules(&self, config: &Config, kind: Kind) -> Rules {
        Rules {
            armed: kind.is_armed(config) && lock(&self.troubles).get(&kind).is_none_or(|(_, works)| *works),
            cool_down_ns: kind.cool_down_ns(config),
            max_per_hour: config.snapshot.max_per_hour,
            max_bytes: config.snapshot.max_bytes.0,
        }
    }

    // What joined and what was refused, each at most once a minute: a storm must not fill the journal.
    fn tell(&self, kind: Kind, verdict: &Verdict, reason: &str, now_ns: u64) {
        let name = kind.name();
        match verdict {
            // The freezer says so when it has the past, so that its lines stand in the order of what happens.
            Verdict::Fired => {}
            Verdict::Joined => {
                if let Some(more) = lock(&self.told).tell((kind, None), now_ns) {
                    let why = after_colon(reason);
                    journal::info(&format!("{name}: joined to the snapshot under way{why}{}", and(more)));
                }
            }
            Verdict::Refused(why) => {
                if let Some(more) = lock(&self.told).tell((kind, Some(*why)), now_ns) {
                    let because = why.in_words();
                    let why = after_colon(reason);
                    journal::warning(&format!("{name}: no snapshot, {because}{why}{}", and(more)));
                }
            }
        }
    }

    /// What each trigger did since the start.
    #[must_use]
    pub fn status(&self) -> Vec<TriggerStatus> {
        let config = lock(&self.config).clone();
        let anchor = clock::anchor();
        let gate = lock(&self.gate);
        let status = |kind: Kind| {
            let tally = gate.tally(kind);
            let refused = tally.refused.iter();
            TriggerStatus {
                kind: kind.group().into(),
                name: kind.name().into(),
                armed: self.rules(&config, kind).armed,
                asked: tally.asked,
                fired: tally.fired,
                coalesced: tally.joined,
                refused: refused
                    .map(|(why, count)| RefusalCount { reason: why.name().into(), count: *count })
                    .collect(),
                last_fired_ts_ns: tally.last_fired_ns.map(|ns| clock::to_real(&anchor, ns)),
            }
        };
        Kind::ALL.into_iter().map(status).collect()
    }
}

/// When each kind of line was last written, and how many were not.
#[derive(Debug, Default)]
struct Told(BTreeMap<(Kind, Option<Refusal>), (u64, u64)>);

impl Told {
    // Lines left out since the last one if one is due now.
    fn tell(&mut self, key: (Kind, Option<Refusal>), now_ns: u64) -> Option<u64> {
        match self.0.get_mut(&key) {
            Some((at, left_out)) if now_ns.saturating_sub(*at) < TELL_GAP_NS => {
                *left_out += 1;
                None
            }
            Some((at, left_out)) => {
                *at = now_ns;
                Some(std::mem::take(left_out))
            }
            None => {
                self.0.insert(key, (now_ns, 0));
                Some(0)
            }
        }
    }
}

fn and(more: u64) -> String {
    if more == 0 { String::new() } else { format!(" (and {more} more since the last such line)") }
}

#[cfg(test)]
mod tests;
