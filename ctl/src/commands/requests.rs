//! `ingeroctl requests`.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use ingero_format::units::show_count;
use serde::Serialize;

use crate::{
    coverage::{self, Coverage, Window},
    error::{Error, Outcome},
    investigate::{Request, requests},
    progress::Progress,
    recording,
    table::{Table, printable},
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
    };
    if args.json {
        super::json(&answer, out)?;
    } else {
        text(&answer, args.limit, out)?;
    }
    Ok(Outcome { partial: !answer.coverage.complete })
}

fn text(answer: &Answer, limit: usize, out: &mut dyn Write) -> io::Result<()> {
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
