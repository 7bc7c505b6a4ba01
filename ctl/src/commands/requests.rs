//! `ingeroctl requests`.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
};

use ingero_format::{
    names::{ANNOTATIONS_KEPT, ANNOTATIONS_REFUSED},
    units::show_count,
};
use serde::Serialize;

use crate::{
    coverage::{self, Coverage, Window},
    error::{Error, Outcome},
    investigate::{Request, requests},
    model::Trace,
    printable::printable,
    progress::Progress,
    recording,
    screen::Screen,
    table::Table,
    time,
};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Database or bundle.
    #[arg(value_name = "DB|BUNDLE")]
    path: PathBuf,
    /// One JSON object with all requests, raw nanoseconds.
    #[arg(long)]
    json: bool,
    /// Requests shown, the longest first.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

/// What is answered.
#[derive(Serialize)]
struct Answer {
    window: Window,
    coverage: Coverage,
    /// The longest first.
    requests: Vec<Request>,
    /// Annotations that recorders refused in the window, as far as samples tell.
    annotations_refused: u64,
}

/// Splits the time of each request and shows it.
///
/// # Errors
/// If the recording cannot be read.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Error> {
    let traces = recording::read(&args.path, &Progress::on_terminal())?;
    let answer = Answer {
        window: coverage::window(&traces),
        coverage: Coverage::of(&traces),
        requests: requests(&traces),
        annotations_refused: traces.iter().map(refused).sum(),
    };
    if args.json {
        super::json(&answer, out)?;
    } else {
        text(&answer, args.limit, out)?;
    }
    Ok(Outcome { partial: !answer.coverage.complete })
}

/// How far the counts rose. One that is sampled later than others began at 0; one that falls began anew.
fn refused(trace: &Trace) -> u64 {
    let named = |name: &str, series: u32| trace.series.get(series as usize).is_some_and(|s| s.name == name);
    let begun_ns = trace.samples.iter().find(|s| named(ANNOTATIONS_KEPT, s.series)).map(|s| s.ts_ns);
    let mut before: BTreeMap<u32, f64> = BTreeMap::new();
    let mut risen = 0.0;
    for s in trace.samples.iter().filter(|s| named(ANNOTATIONS_REFUSED, s.series)) {
        let new = if Some(s.ts_ns) == begun_ns { s.value } else { 0.0 };
        let earlier = before.insert(s.series, s.value).unwrap_or(new);
        risen += if s.value < earlier { s.value } else { s.value - earlier };
    }
    risen as u64
}

fn text(answer: &Answer, limit: usize, out: &mut dyn Write) -> io::Result<()> {
    let out = &mut Screen::new(out);
    if answer.requests.is_empty() {
        writeln!(
            out,
            "No requests were told in this window: a program says them as spans with a label request_id \
             (docs/ANNOTATIONS.md)."
        )?;
    } else {
        table(answer, limit, out)?;
        writeln!(out)?;
        let left = answer.requests.len().saturating_sub(limit);
        let left = if left > 0 {
            format!("; {} shorter ones left out", show_count(left as u64))
        } else {
            String::new()
        };
        writeln!(
            out,
            "{} requests{left}. Each is set beside the thread that launched most in its time: that thread served \
             others too.",
            show_count(answer.requests.len() as u64)
        )?;
    }
    if answer.annotations_refused > 0 {
        let count = show_count(answer.annotations_refused);
        writeln!(
            out,
            "{count} annotations were refused in this window: `samples` in SQL has the reasons ({ANNOTATIONS_REFUSED})"
        )?;
    }
    writeln!(out, "coverage  {}", printable(&answer.coverage.line()))
}

fn table(answer: &Answer, limit: usize, out: &mut dyn Write) -> io::Result<()> {
    let header = [
        "request",
        "at",
        "thread",
        "time",
        "vs median",
        "first use",
        "runnable",
        "blocked",
        "GPU wait",
        "idle",
        "on CPU",
        "unexplained",
    ];
    let mut table = Table::new(3, header);
    for r in answer.requests.iter().take(limit) {
        let phase = if r.phase.is_empty() { "" } else { " to first token" };
        let node = if answer.window.nodes.len() > 1 { format!(" {}", r.node) } else { String::new() };
        let thread = r.thread.as_ref().map_or_else(|| "-".to_owned(), |t| format!("{}/{}", t.comm, t.tid));
        let parts = [
            r.first_use_ns,
            r.runnable_ns,
            r.blocked_ns,
            r.gpu_wait_ns,
            r.idle_ns,
            r.on_cpu_ns,
            r.unexplained_ns,
        ];
        let first = [
            format!("{}{phase}{node}", r.request_id),
            time::clock(r.ts_ns),
            thread,
            time::duration(r.dur_ns),
            format!("{:.1}x", r.times_median),
        ];
        table.row(first.into_iter().chain(parts.map(time::duration)));
    }
    table.write(out)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tempfile::TempDir;

    use super::*;
    use crate::{
        commands::tests::{incident, said},
        load::tests::said as annotation,
        model::{Sample, Series},
    };

    #[test]
    fn requests_of_a_bundle_and_of_its_database_are_the_same_and_hostile_names_stay_names() {
        let folder = TempDir::new().unwrap();
        let mut draft = incident();
        let label = |id: &str| format!("{{\"phase\":\"ttft\",\"request_id\":\"{id}\"}}");
        draft
            .frames
            .push((annotation(1, 9_000_000_000, [1_000_000, 50_000_000], &label("q1\\u001b[2J\\n")), 0));
        draft.frames.push((annotation(2, 9_000_000_000, [2_000_000, 10_000_000], &label("q2")), 0));
        let bundle = draft.write(&folder, "one.ingero");
        let (bundle, db) = (bundle.to_str().unwrap(), folder.path().join("one.db"));
        let db = db.to_str().unwrap();
        said(&["convert", bundle, "-o", db]);
        let shown = said(&["requests", bundle]);
        assert_eq!(shown, said(&["requests", db]));
        assert!(
            shown.contains("q2 to first token") && shown.contains("2 requests.") && !shown.contains('\u{1b}')
        );
        let json: Value = serde_json::from_str(&said(&["requests", db, "--json"])).unwrap();
        assert_eq!(json["requests"][0]["times_median"], 5.0);
        assert_eq!(json["annotations_refused"], 0);
        let cut = said(&["requests", db, "--limit", "1"]);
        assert!(cut.contains("1 shorter ones left out") && !cut.contains("q2"), "{cut}");
        let none = said(&["requests", incident().write(&folder, "none.ingero").to_str().unwrap()]);
        assert!(none.contains("No requests were told"), "{none}");
    }

    #[test]
    fn refused_annotations_are_counted_from_the_windows_begin_and_over_restarts() {
        let series = |name: &str| Series { name: name.into(), ..Series::default() };
        let sample = |ts_ns, series, value| Sample { ts_ns, series, value };
        let trace = Trace {
            series: vec![
                series(ANNOTATIONS_KEPT),
                series(ANNOTATIONS_REFUSED),
                series(ANNOTATIONS_REFUSED),
                series("load1"),
            ],
            samples: vec![
                sample(1, 0, 0.0),
                sample(1, 1, 40.0),
                sample(2, 1, 42.0),
                sample(2, 2, 5.0),
                sample(3, 3, 99.0),
                sample(3, 1, 3.0),
                sample(4, 2, 5.0),
            ],
            ..Trace::default()
        };
        assert_eq!(refused(&trace), 2 + 5 + 3);
    }
}
