//! The causal engine: from intervals to nanoseconds to findings.
//!
//! Promises: every nanosecond of a slow call or gap goes to exactly one `Class`; nothing is
//! attributed because it happened at the same time, only because it lay inside, on the same thread.
//! Works on a [`Trace`] alone, after [`derive`](crate::derive), so a bundle and a database give the same answer. Each node's trace is
//! examined by itself: clocks of two machines are never compared.
//!
//! | module | step |
//! |---|---|
//! | `norms`, `units` | how long a call usually takes; which calls and gaps were slow |
//! | `scene`, `waits`, `compilers`, `host`, `throttle` | what an off-CPU interval, a child process, a disk request or a count means |
//! | `chain` | who a blocked thread waited for, and who that one waited for |
//! | `spans`, `decompose` | a unit's nanoseconds by class |
//! | `baseline` | what of it is usual |
//! | `cause`, `case` | which cause owns which class; one cause on one thread, measured |
//! | `judge` | how severe that is, and whether it is a finding |
//! | `evidence`, `words`, `findings` | findings |
//! | `requests` | where the time of each request went |
//! | `meanwhile` | what programs said of a finding's time |
//! | `rhythm`, `symptom`, `life` | findings that no single slow unit shows: rates, storms, ends of processes |

mod baseline;
mod case;
mod cause;
mod chain;
mod compilers;
mod decompose;
mod evidence;
mod finding;
mod findings;
mod host;
mod judge;
mod life;
mod meanwhile;
mod norms;
mod requests;
mod rhythm;
mod scene;
mod spans;
mod symptom;
mod thread;
mod throttle;
mod units;
mod waits;
mod words;

#[cfg(test)]
mod tests;

pub use finding::{Finding, Severity, known_cause};
pub use meanwhile::KEY as AT_THE_SAME_TIME;
pub use requests::{Request, requests};
pub use waits::waits_for;

use crate::model::{Threads, Trace};

/// True if the engine reads more than a name in a process's or thread's name: a compiler, a recorder or its threads.
#[must_use]
pub fn has_role(comm: &str) -> bool {
    compilers::is_compiler(comm) || scene::is_of_recorder(comm)
}

/// Examines every thread of every trace; the findings are ranked over all of them.
#[must_use]
pub fn investigate(traces: &[Trace], pid: Option<u32>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for trace in traces {
        let earlier = findings.len();
        let threads = Threads::of(trace);
        let scene = scene::Scene::of(trace, &threads);
        for thread in threads.iter().filter(|t| pid.is_none_or(|p| t.pid == p)) {
            let examined = thread::Examined::of(&scene, thread);
            findings.extend(findings::findings(&scene, &examined));
            trace.release(thread);
        }
        findings.extend(life::findings(&scene).into_iter().filter(|f| pid.is_none_or(|p| f.pid == p)));
        meanwhile::tell(findings.get_mut(earlier..).unwrap_or_default(), trace);
        findings::compare_threads(&mut findings, &trace.node);
    }
    findings.sort_by(|a, b| {
        let key = |f: &Finding| (f.severity, std::cmp::Reverse(f.attributed_ns));
        key(a).cmp(&key(b)).then_with(|| (&a.node, a.tid, a.cause).cmp(&(&b.node, b.tid, b.cause)))
    });
    for (i, finding) in findings.iter_mut().enumerate() {
        finding.rank = i as i64 + 1;
    }
    findings
}
