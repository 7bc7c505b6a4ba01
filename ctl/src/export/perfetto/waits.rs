//! Off-CPU intervals: blocked, then runnable, with an arrow from whoever woke the thread.

use std::{collections::BTreeMap, io::Write};

use foldhash::{HashMap, HashMapExt};

use super::{Failure, Slice, Trace};

/// Innermost frames of a stack that are shown; the scheduler's own are left out.
const FRAMES: usize = 4;

/// A row of the table `interval`.
struct Wait {
    key: i64,
    from_ns: i64,
    dur_ns: i64,
    runqueue_ns: i64,
    task: i64,
    waker: Option<i64>,
    preemptor: Option<i64>,
    stack: Option<i64>,
    state: i32,
    preempted: bool,
}

impl<W: Write> Trace<'_, W> {
    /// Writes all off-CPU intervals.
    pub(super) fn waits(&mut self) -> Result<(), Failure> {
        let from = self.from;
        let (states, mut stacks) = (from.states()?, HashMap::new());
        let sql = "SELECT key, dur_ns, runqueue_ns, task, waker, preemptor, stack, state, flags FROM interval ORDER BY key";
        let mut statement = from.db.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let key = r.get(0)?;
            let wait = Wait {
                key,
                from_ns: from.time(key),
                dur_ns: r.get(1)?,
                runqueue_ns: r.get::<_, i64>(2)?.max(0),
                task: r.get(3)?,
                waker: r.get(4)?,
                preemptor: r.get(5)?,
                stack: r.get(6)?,
                state: r.get(7)?,
                preempted: r.get::<_, i64>(8)? & 2 != 0,
            };
            self.wait(&wait, &states, &mut stacks)?;
            self.step();
        }
        Ok(())
    }

    fn wait(
        &mut self,
        wait: &Wait,
        states: &BTreeMap<i32, String>,
        stacks: &mut HashMap<i64, String>,
    ) -> Result<(), Failure> {
        let thread = self.thread(wait.task)?;
        let track = self.tracks.below(&mut self.packets, thread, "off-CPU")?;
        let mut beside = Vec::new();
        if let Some(id) = wait.stack {
            if let std::collections::hash_map::Entry::Vacant(place) = stacks.entry(id) {
                place.insert(self.from.stack(id).map(|(_, frames)| innermost(&frames)).unwrap_or_default());
            }
            let shown = stacks.get(&id).map_or("", String::as_str);
            beside.push(self.packets.text("kernel_stack", shown));
        }
        let runnable_from = wait.from_ns + (wait.dur_ns - wait.runqueue_ns).max(0);
        if wait.preempted {
            beside.extend(self.who("preemptor", wait.preemptor));
            let event = self.event(track, "sched", "preempted", beside);
            self.slice(Slice { from_ns: wait.from_ns, dur_ns: wait.dur_ns, event })?;
            return Ok(());
        }
        beside.extend(self.who("waker", wait.waker));
        let state = states.get(&wait.state).map_or("blocked", String::as_str);
        let event = self.event(track, "sched", state, beside);
        self.slice(Slice { from_ns: wait.from_ns, dur_ns: runnable_from - wait.from_ns, event })?;
        self.woken(wait, track, runnable_from)
    }

    // The rest of an interval, in which the thread could have run.
    fn woken(&mut self, wait: &Wait, track: u64, from_ns: i64) -> Result<(), Failure> {
        let beside = self.who("on_the_cpu", wait.preemptor).into_iter().collect();
        let mut event = self.event(track, "sched", "runnable", beside);
        if let Some(waker) = wait.waker.filter(|w| self.tasks.get(w).is_some_and(|t| t.tid != 0)) {
            let thread = self.thread(waker)?;
            let beside = self.who("thread", Some(wait.task)).into_iter().collect();
            let mut wakes = self.event(thread, "sched", "wakes", beside);
            wakes.flow_ids.push(wait.key.cast_unsigned() | 1 << 63);
            event.terminating_flow_ids.push(wait.key.cast_unsigned() | 1 << 63);
            self.moment(from_ns, wakes)?;
        }
        if wait.runqueue_ns > 0 {
            self.slice(Slice { from_ns, dur_ns: wait.runqueue_ns, event })?;
        } else {
            self.moment(from_ns, event)?;
        }
        Ok(())
    }

    fn who(&mut self, key: &str, task: Option<i64>) -> Option<super::DebugAnnotation> {
        let task = self.tasks.get(&task?)?;
        let text = format!("{}/{} tid {}", task.comm, task.pid, task.tid);
        Some(self.packets.text(key, &text))
    }
}

// `frames` is JSON, as the table has it.
fn innermost(frames: &str) -> String {
    let frames: Vec<serde_json::Value> = serde_json::from_str(frames).unwrap_or_default();
    let symbols = frames.iter().filter_map(|f| f.get("symbol").and_then(serde_json::Value::as_str));
    let shown: Vec<&str> =
        symbols.filter(|s| !matches!(*s, "__schedule" | "schedule")).take(FRAMES).collect();
    shown.join("<-")
}
