//! From rows and names in boottime to a [`Trace`] in Unix time.

use std::{cmp::Ordering, collections::BTreeSet, path::Path};

use ingero_format::{
    manifest::{Manifest, Trigger},
    ops::LossCause,
    units::hex,
};

use super::{
    clock::Clock,
    collect::{Collector, Event, Missing},
    names::TaskNames,
    place, said, samples,
    stacks::StackTable,
    tables::Tables,
};
use crate::{
    derive,
    error::Error,
    model::{ANY_SOURCE, Clocks, Facts, Loss, Process, Spool, Trace},
    progress::Progress,
};

impl Collector {
    /// Builds the trace: reads calls and off-CPU intervals again, now that it is known what their numbers mean. Large
    /// tables go into `spool`.
    ///
    /// # Errors
    /// If nothing that was read says what time the window covers, or there is no room for the tables.
    pub fn finish(mut self, path: &Path, spool: &Spool, progress: &Progress) -> Result<Trace, Error> {
        let anchor = self.manifests.first().map_or_else(|| self.boots.earliest(), |m| m.anchor);
        let clock = Clock::at(&anchor);
        let (from, to) = self.span().ok_or_else(|| {
            Error::not_ours(path, "no window and no events in it", "see what `ingeroctl verify` finds")
        })?;
        let processes = std::mem::take(&mut self.names.processes);
        let names = TaskNames::new(
            std::mem::take(&mut self.names.tasks),
            processes.values().map(|p| (p.pid, p.comm.clone())).filter(|(_, c)| !c.is_empty()).collect(),
        );
        let stacks = StackTable::new(std::mem::take(&mut self.symbols.kernel), &self.user_symbols);
        let mut tables = Tables::new(clock, names, stacks);
        let placed = place::place(&self, &mut tables, spool, progress).map_err(|e| spool.failed(e))?;
        for gone in placed.gone {
            self.damage.push(format!("rows went while they were read: {}", gone.why));
            self.lost_between(gone.from_ns, gone.to_ns);
        }
        self.host.sort_unstable_by(in_time);
        let host_events = self.host.iter().map(|event| tables.host(event)).collect();
        self.holes_between_windows();
        let (series, samples) = samples::resolve(&self.samples, &self.names, clock);
        let annotations = said::resolve(&self.annotations, &self.names, clock);
        let mut trace = Trace {
            node: self.node(),
            from_ns: clock.unix(from),
            to_ns: clock.unix(to),
            facts: self.facts(path, clock),
            losses: self.losses(clock, (from, to)),
            processes: processes.into_values().map(|p| process(clock, p)).collect(),
            calls: placed.calls,
            off_cpu: placed.off_cpu,
            host_events,
            series,
            samples,
            annotations,
            ..Trace::default()
        };
        tables.finish(&mut trace);
        trace.sort_all_else();
        let known = derive::Known { launched_before: &self.launched_before, looked_up: &self.looked_up };
        derive::derive(&mut trace, &known);
        Ok(trace)
    }

    fn span(&self) -> Option<(u64, u64)> {
        if let Some(first) = self.manifests.first() {
            let (from, to) = (first.from_ns, first.to_ns);
            return Some(
                self.manifests.iter().fold((from, to), |(f, t), m| (f.min(m.from_ns), t.max(m.to_ns))),
            );
        }
        self.ends
    }

    fn node(&self) -> String {
        let name = self.manifests.first().map(|m| m.host.name.clone()).filter(|n| !n.is_empty());
        name.unwrap_or_else(|| "localhost".to_owned())
    }

    fn facts(&mut self, path: &Path, clock: Clock) -> Facts {
        let mut damage = std::mem::take(&mut self.damage);
        if self.implausible() > 0 {
            damage.push(format!("{} rows with impossible times were left out", self.implausible()));
        }
        let first = self.manifests.first().cloned().unwrap_or_default();
        let all = |list: fn(&Manifest) -> Vec<String>| {
            let mut seen = BTreeSet::new();
            self.manifests.iter().flat_map(list).filter(|x| seen.insert(x.clone())).collect::<Vec<_>>()
        };
        Facts {
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            sha256: self.digests.join(" "),
            snapshot: all(|m| vec![m.id.clone()]).join(" "),
            triggers: all(|m| m.triggers.iter().map(asked).collect()),
            kernel: first.host.kernel,
            machine: first.host.machine,
            cpus: first.host.cpus,
            boot_id: hex(&if self.manifests.is_empty() { self.boot_id } else { first.host.boot_id }),
            gpus: first.host.gpus,
            driver: first.host.driver,
            recorder_version: first.recorder_version,
            config_digest: first.config_digest,
            asked_last_ns: first.asked_last_ns,
            asked_after_ns: first.asked_after_ns,
            clock_offset_ns: clock.offset_ns(),
            clock_uncertainty_ns: first.anchor.uncertainty_ns,
            clocks: self.manifests.iter().map(clocks).collect(),
            notes: all(|m| m.notes.clone()).into_iter().chain(std::mem::take(&mut self.left_out)).collect(),
            not_probed: all(|m| m.probes.iter().flat_map(|p| p.failed.clone()).collect()),
            population: String::new(),
            damage,
            redacted: false,
        }
    }

    /// Windows of one machine that do not touch leave a time of which nothing is known.
    fn holes_between_windows(&mut self) {
        let mut windows: Vec<_> = self.manifests.iter().map(|m| (m.from_ns, m.to_ns)).collect();
        windows.sort_unstable();
        let mut covered_to = windows.first().map_or(0, |w| w.1);
        for (from_ns, to_ns) in windows {
            if from_ns > covered_to {
                let hole = Missing {
                    from_ns: covered_to,
                    to_ns: from_ns,
                    count: 0,
                    cause: LossCause::RestartGap as i32,
                    cpu: u16::MAX,
                    source: ANY_SOURCE,
                };
                self.missing.push(hole);
            }
            covered_to = covered_to.max(to_ns);
        }
    }

    fn losses(&self, clock: Clock, (from, to): (u64, u64)) -> Vec<Loss> {
        let inside = self.missing.iter().filter(|m| m.from_ns <= to && m.to_ns >= from);
        let mut losses: Vec<Loss> = inside
            .map(|m| Loss {
                from_ns: clock.unix(m.from_ns),
                to_ns: clock.unix(m.to_ns),
                count: i64::try_from(m.count).unwrap_or(i64::MAX),
                cause: m.cause,
                cpu: m.cpu,
                source: m.source,
            })
            .collect();
        let key = |l: &Loss| (l.from_ns, l.to_ns, l.source, l.cpu, l.cause, l.count);
        losses.sort_by_key(key);
        losses.dedup();
        losses
    }
}

/// By start, the longer first; then whatever tells two events apart, so that the order is always the same.
fn in_time(a: &Event, b: &Event) -> Ordering {
    let begins = a.row.start_ns().cmp(&b.row.start_ns());
    begins
        .then_with(|| b.row.dur_ns.cmp(&a.row.dur_ns))
        .then_with(|| a.row.cmp(&b.row))
        .then(a.epoch.cmp(&b.epoch))
}

/// What asked for a window, and why if it said so.
fn asked(trigger: &Trigger) -> String {
    let Trigger { kind, reason, .. } = trigger;
    if reason.is_empty() { kind.clone() } else { format!("{kind}: {reason}") }
}

fn clocks(manifest: &Manifest) -> Clocks {
    let anchor = &manifest.anchor;
    Clocks {
        snapshot: manifest.id.clone(),
        offset_ns: Clock::at(anchor).offset_ns(),
        uncertainty_ns: anchor.uncertainty_ns,
    }
}

fn process(clock: Clock, p: ingero_format::state::Process) -> Process {
    Process {
        pid: p.pid,
        start_ns: clock.unix(p.start_ns),
        covered_ns: clock.unix(p.covered_ns),
        comm: p.comm,
        exe: p.exe,
        cgroup: p.cgroup,
        libraries: p.libraries,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asked_without_a_reason_stands_there_without_a_colon() {
        let trigger = |reason: &str| Trigger { kind: "command".into(), reason: reason.into(), at_ns: 0 };
        assert_eq!(
            (asked(&trigger("slow")), asked(&trigger(""))),
            ("command: slow".into(), "command".into())
        );
    }
}
