//! Everything that a page shows, as one JSON object.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    collect::{Collected, collect},
    counters,
    grid::FINEST,
    kinds, lanes,
    lanes::Budget,
    names::{Used, shortened},
    rows,
    thread::Thread,
    waiting,
};
use crate::{
    error::Error,
    explain::{Answer, Question, text},
    investigate::{Finding, Severity},
    progress::Progress,
    recording, sqlite,
    stats::Stats,
    table::shortened_to,
};

/// Whole numbers beyond this are no longer exact in a browser.
const EXACT: i64 = 1 << 53;
/// Most rows of a table.
const MAX_ROWS: usize = 400;
/// Most findings: each comes with all its evidence.
const MAX_FINDINGS: usize = 100;
/// Most notes of a kind.
const MAX_NOTES: usize = 100;
/// Characters of a note, or of what the database says about itself.
const MAX_TEXT: usize = 2000;
/// Most annotations.
const MAX_ANNOTATIONS: usize = 1000;
/// Fewest buckets of a lane, as a power of two below the finest.
const MAX_SHIFT: u32 = 6;

/// What was read of a database.
#[derive(Debug)]
pub struct Content {
    answer: Answer,
    stats: Stats,
    all: Collected,
    lanes: Vec<(usize, &'static str)>,
    fixed: Map<String, Value>,
}

impl Content {
    /// Reads a database.
    ///
    /// # Errors
    /// As [`sqlite::open`].
    pub fn of(path: &Path, progress: &Progress) -> Result<Self, Error> {
        let question = Question { per_process: true, ..Question::default() };
        let mut answer = recording::answer(path, &question, progress)?;
        let Some(stats) = answer.processes.take() else {
            return Err(Error::Refused(format!("{}: has no statistics", path.display())));
        };
        let db = sqlite::open(path)?;
        let window = &answer.window;
        let database = Error::database(path);
        let all = collect(&db, window.from_ns, window.dur_ns, window.nodes.len()).map_err(&database)?;
        let lanes = lanes::chosen(&all, &answer.findings);
        let mut content = Self { answer, stats, all, lanes, fixed: Map::new() };
        content.fixed = content.fixed(&db).map_err(&database)?;
        Ok(content)
    }

    /// The name of the page: where and when.
    #[must_use]
    pub fn title(&self) -> String {
        let window = &self.answer.window;
        let nodes: Vec<&str> = window.nodes.iter().map(|n| n.node.as_str()).collect();
        format!("{} at {}", nodes.join(", "), crate::time::date_and_clock(window.from_ns))
    }

    /// The answer in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        text::sentence(&self.answer)
    }

    /// False if data was lost or coverage is partial.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.answer.coverage.complete
    }

    /// What does not depend on how much may be written.
    fn fixed(&self, db: &rusqlite::Connection) -> rusqlite::Result<Map<String, Value>> {
        let window = &self.answer.window;
        let threads: Vec<&Thread> = self.threads().map(|(t, _)| t).collect();
        let mut frames = waiting::FrameNames::default();
        let stacks = waiting::stacks(&self.all, &threads, &mut frames);
        let mut out = Map::new();
        let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
        put("counters", counters::counters(db, window.from_ns, window.dur_ns)?);
        put("preemptors", waiting::preemptors(db, &self.all, &threads)?);
        put("stacks", stacks);
        put("frames", json!(frames.0.into_list()));
        put("losses", self.losses(db)?);
        put("annotations", self.annotations(db)?);
        let meta = rows::meta(db)?;
        put("meta", meta.iter().map(|(key, value)| json!([key, shortened_to(MAX_TEXT, value)])).collect());
        put("tool_version", json!(env!("CARGO_PKG_VERSION")));
        put("headline", self.headline());
        put("window", exact(json!(self.answer.window)));
        put("coverage", self.coverage());
        put("findings", self.findings());
        put("findings_left_out", json!(self.answer.findings.len().saturating_sub(MAX_FINDINGS)));
        put("ops", rows_of(&self.stats.ops));
        put("threads", rows_of(&self.stats.threads));
        Ok(out)
    }

    fn threads(&self) -> impl Iterator<Item = (&Thread, &'static str)> {
        self.lanes.iter().filter_map(|(i, why)| Some((self.all.threads.get(*i)?, *why)))
    }

    fn headline(&self) -> Value {
        let first = self.answer.findings.first();
        json!({
            "sentence": text::sentence(&self.answer),
            "severity": first.map(|f| f.severity.name()),
            "cause": first.map(|f| f.cause),
            "above_low": first.is_some_and(|f| f.severity != Severity::Low),
        })
    }

    fn findings(&self) -> Value {
        let from_ns = self.answer.window.from_ns;
        let written = |f: &Finding| {
            let mut finding = json!(f);
            if let Value::Object(map) = &mut finding {
                map.insert("from".into(), json!(f.from_ns.saturating_sub(from_ns)));
                map.insert("to".into(), json!(f.to_ns.saturating_sub(from_ns)));
                map.insert("told".into(), json!(told(f, &self.answer)));
            }
            exact(finding)
        };
        self.answer.findings.iter().take(MAX_FINDINGS).map(written).collect()
    }

    fn coverage(&self) -> Value {
        let mut coverage = self.answer.coverage.clone();
        for notes in [&mut coverage.damage, &mut coverage.notes, &mut coverage.not_probed] {
            let more = notes.len().saturating_sub(MAX_NOTES);
            notes.truncate(MAX_NOTES);
            notes.iter_mut().for_each(|note| *note = shortened_to(MAX_TEXT, note));
            if more > 0 {
                notes.push(format!("and {more} more, which the database has"));
            }
        }
        exact(json!(coverage))
    }

    fn losses(&self, db: &rusqlite::Connection) -> rusqlite::Result<Value> {
        let (from_ns, mut found, mut left_out) = (self.answer.window.from_ns, Vec::new(), 0);
        rows::losses(db, |node, source, cause, count, from, to| {
            if found.len() == MAX_ROWS {
                left_out += 1;
                return;
            }
            let (from, to) = (from.saturating_sub(from_ns), to.saturating_sub(from_ns));
            found.push(json!({"node": node, "source": source, "cause": cause, "count": count, "from": from, "to": to}));
        })?;
        Ok(exact(json!({"rows": found, "left_out": left_out})))
    }

    fn annotations(&self, db: &rusqlite::Connection) -> rusqlite::Result<Value> {
        let (from_ns, mut found, mut left_out) = (self.answer.window.from_ns, Vec::new(), 0);
        rows::annotations(db, |node, ts, dur, pid, labels| {
            if found.len() == MAX_ANNOTATIONS {
                left_out += 1;
                return;
            }
            let words = shortened(labels);
            found.push(json!({"node": node, "from": ts.saturating_sub(from_ns), "dur": dur, "pid": pid, "labels": words}));
        })?;
        Ok(exact(json!({"rows": found, "left_out": left_out})))
    }

    /// All of it, with lanes no larger than a budget.
    #[must_use]
    pub fn json(&self, budget: Budget) -> Value {
        let lanes = self.lanes.len().max(1);
        let each = Budget {
            buckets: budget.buckets / lanes,
            calls: budget.calls / lanes,
            off_cpu: budget.off_cpu / lanes,
            first_uses: budget.first_uses / lanes,
        };
        let shift = (0..MAX_SHIFT).find(|s| FINEST as usize >> s <= each.buckets).unwrap_or(MAX_SHIFT);
        let mut used = Used::of(&self.all.names);
        let lanes: Vec<Value> =
            self.threads().map(|(t, why)| lanes::lane(t, why, shift, each, &mut used)).collect();
        let mut out = self.fixed.clone();
        out.insert(
            "grid".into(),
            json!({
                "dur_ns": self.all.grid.dur_ns, "bucket_ns": self.all.grid.bucket_ns << shift,
                "buckets": FINEST >> shift, "each": super::longest::EACH,
                "calls": kinds::CALLS, "waits": kinds::WAITS,
            }),
        );
        out.insert("threads_without_lane".into(), json!(self.all.threads.len() - lanes.len()));
        out.insert("lanes".into(), json!(lanes));
        out.insert("names".into(), json!(used.into_list()));
        Value::Object(out)
    }
}

/// The longest rows of a table, and how many there are in all.
fn rows_of(rows: &[impl serde::Serialize]) -> Value {
    let shown: Vec<_> = rows.iter().take(MAX_ROWS).collect();
    exact(json!({"rows": shown, "left_out": rows.len() - shown.len()}))
}

/// A finding's lines as `explain` writes them: label and text.
fn told(finding: &Finding, answer: &Answer) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    // Writing to memory cannot fail.
    if text::finding(finding, answer, &mut lines).is_err() {
        return Vec::new();
    }
    let lines = String::from_utf8_lossy(&lines).into_owned();
    // The first two lines are the finding's head, which the page shows in its own way.
    lines.lines().skip(2).map(label_and_text).collect()
}

fn label_and_text(line: &str) -> (String, String) {
    const LABEL: usize = 9;
    if let Some(timeline) = line.strip_prefix("    ") {
        return (String::new(), timeline.to_owned());
    }
    let line = line.trim_start();
    let label: String = line.chars().take(LABEL).collect();
    let text: String = line.chars().skip(LABEL).collect();
    (label.trim().to_owned(), text.trim().to_owned())
}

/// The same with numbers that a browser would round as text.
fn exact(value: Value) -> Value {
    match value {
        Value::Number(n) => match n.as_i64() {
            Some(i) if (-EXACT..=EXACT).contains(&i) => Value::Number(n),
            None if n.is_f64() => Value::Number(n),
            _ => Value::String(n.to_string()),
        },
        Value::Array(list) => Value::Array(list.into_iter().map(exact).collect()),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(key, value)| (key, exact(value))).collect())
        }
        other => other,
    }
}
