//! Statistics for a terminal.

use std::io::{self, Write};

use ingero_format::units::show_count;

use super::{OpRow, Stats, ThreadRow};
use crate::{printable::printable, screen::Screen, table::Table, time};

const THREADS_SHOWED: usize = 20;

/// Writes the tables (shape S3), with window, population and coverage.
///
/// # Errors
/// As `out` does.
pub fn write(stats: &Stats, out: &mut dyn Write) -> io::Result<()> {
    let out = &mut Screen::new(out);
    let window = &stats.window;
    writeln!(
        out,
        "window {} + {}  population: {}",
        time::date_and_clock(window.from_ns),
        time::duration(window.dur_ns),
        printable(&stats.coverage.population),
    )?;
    writeln!(out, "coverage {}", printable(&stats.coverage.line()))?;
    writeln!(out)?;
    let header = [
        "process",
        "op",
        "n",
        "p50",
        "p95",
        "p99",
        "max",
        "p99/p50",
        "max/avg",
        "total",
        "first-use n/time",
        "off-CPU calls",
        "off-CPU",
    ];
    let mut ops = Table::new(2, header);
    stats.ops.iter().for_each(|row| ops.row(op_cells(row, stats)));
    ops.write(out)?;
    writeln!(out)?;
    let mut threads = Table::new(
        2,
        ["thread", "tid", "calls", "off-CPU n", "off-CPU", "longest", "run queue", "preempted"],
    );
    stats.threads.iter().take(THREADS_SHOWED).for_each(|row| threads.row(thread_cells(row, stats)));
    threads.write(out)?;
    if stats.threads.len() > THREADS_SHOWED {
        writeln!(out, "and {} threads more (--json lists all)", stats.threads.len() - THREADS_SHOWED)?;
    }
    Ok(())
}

fn op_cells(row: &OpRow, stats: &Stats) -> [String; 13] {
    let ns = |ns: i64| time::duration(ns);
    let ratio = |a: i64, b: i64| if b > 0 { format!("{:.1}x", a as f64 / b as f64) } else { "-".to_owned() };
    let first = match row.first_use_count {
        0 => "0".to_owned(),
        n => format!("{} / {}", count(n), ns(row.first_use_ns)),
    };
    [
        process(&row.node, &row.comm, row.pid, stats),
        row.op.clone(),
        count(row.count),
        ns(row.p50_ns),
        ns(row.p95_ns),
        ns(row.p99_ns),
        ns(row.max_ns),
        ratio(row.p99_ns, row.p50_ns),
        ratio(row.max_ns, row.total_ns / row.timed.max(1)),
        ns(row.total_ns),
        first,
        count(row.off_cpu_calls),
        ns(row.off_cpu_ns),
    ]
}

fn thread_cells(row: &ThreadRow, stats: &Stats) -> [String; 8] {
    [
        process(&row.node, &row.comm, row.pid, stats),
        row.tid.to_string(),
        count(row.calls),
        count(row.off_cpu_count),
        time::duration(row.off_cpu_ns),
        time::duration(row.max_off_cpu_ns),
        time::duration(row.runqueue_ns),
        count(row.preempted_count),
    ]
}

fn process(node: &str, comm: &str, pid: u32, stats: &Stats) -> String {
    let comm = if comm.is_empty() { "?" } else { comm };
    if stats.window.nodes.len() > 1 { format!("{node}:{comm}/{pid}") } else { format!("{comm}/{pid}") }
}

fn count(n: i64) -> String {
    show_count(n.unsigned_abs())
}
