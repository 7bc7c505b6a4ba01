//! What the recorder says of itself, as text.

use std::{io::Write, path::Path};

use ingero_format::{
    control::{Status, TriggerStatus},
    units::{show_bytes, show_count},
};

use crate::{
    client,
    error::{Error, Outcome},
    printable::{last_column, printable},
    screen::Screen,
    time,
};

/// Asks and shows it as text.
///
/// # Errors
/// If the recorder does not answer.
pub fn show(socket: &Path, out: &mut dyn Write) -> Result<Outcome, Error> {
    let status = client::status(socket)?;
    text(&status, out)?;
    Ok(Outcome { partial: status.events.lost > 0 })
}

/// Shows it.
///
/// # Errors
/// As `out` does.
pub fn text(s: &Status, out: &mut dyn Write) -> Result<(), Error> {
    let out = &mut Screen::new(out);
    writeln!(out, "{}  ingero-recorder {} (process {})", s.state, s.version, s.pid)?;
    writeln!(
        out,
        "held       {:.1} s of past in {} segments, {} of {}",
        s.seconds_held,
        s.ring.segments,
        show_bytes(s.ring.bytes),
        show_bytes(s.ring.max_bytes)
    )?;
    writeln!(
        out,
        "events     {} produced, {} stored, {} lost, {} evicted",
        show_count(s.events.produced),
        show_count(s.events.stored),
        show_count(s.events.lost),
        show_count(s.events.evicted)
    )?;
    for loss in &s.losses {
        writeln!(out, "  lost     {} {} ({})", show_count(loss.count), loss.source, loss.cause)?;
    }
    writeln!(
        out,
        "cost       {:.2} % of a core{}, busiest thread {:.2} %{}, {} anonymous memory, {:.1} bytes an event",
        s.cost.daemon_cpu_percent,
        limit(s.cost.daemon_limit_percent),
        s.cost.thread_percent.unwrap_or(0.0),
        limit(s.cost.thread_limit_percent),
        show_bytes(s.cost.anonymous_bytes),
        s.cost.bytes_per_event
    )?;
    let c = &s.snapshots;
    writeln!(
        out,
        "snapshots  {} taken, {} joined to another, {} failed, {} on disk",
        c.taken, c.coalesced, c.failed, c.held
    )?;
    for taken in &c.last {
        let until = time::date_and_clock(taken.to_ts_ns.cast_signed());
        writeln!(out, "  last     {} until {until}{}", taken.id, last_column(&taken.reason))?;
    }
    triggers(&s.triggers, out)?;
    if s.processes.is_empty() {
        writeln!(out, "processes  none uses CUDA yet")?;
    }
    for p in &s.processes {
        let (comm, libraries) = (printable(&p.comm), printable(&p.libraries.join(", ")));
        writeln!(out, "process    {comm}/{} {} probes in {libraries}", p.pid, p.probes)?;
    }
    for warning in &s.warnings {
        writeln!(out, "warning    {}", printable(warning))?;
    }
    Ok(())
}

/// What a cost may be, for people; nothing where there is no limit.
pub fn limit(percent: f64) -> String {
    if percent >= 100.0 { String::new() } else { format!(" (limit {percent} %)") }
}

// A line for each that is armed or was asked.
fn triggers(triggers: &[TriggerStatus], out: &mut dyn Write) -> Result<(), Error> {
    for t in triggers.iter().filter(|t| t.armed || t.asked > 0) {
        let armed = if t.armed { "armed" } else { "off" };
        write!(out, "  trigger  {} {armed}, {} fired, {} joined", printable(&t.name), t.fired, t.coalesced)?;
        let refused: Vec<String> =
            t.refused.iter().map(|r| format!("{} {}", show_count(r.count), r.reason)).collect();
        if !refused.is_empty() {
            write!(out, ", refused: {}", printable(&refused.join(", ")))?;
        }
        if let Some(at) = t.last_fired_ts_ns {
            write!(out, ", last {}", time::date_and_clock(at.cast_signed()))?;
        }
        writeln!(out)?;
    }
    let off: Vec<&str> =
        triggers.iter().filter(|t| !t.armed && t.asked == 0).map(|t| t.name.as_str()).collect();
    if !off.is_empty() {
        writeln!(out, "  off      {}", printable(&off.join(", ")))?;
    }
    Ok(())
}
